import { BlkError, type BlkRequest, type BlkStatus, type QueueLimits } from "@inlinecrypt/blk-core";
import type { FaultPlan } from "./fault-plan.js";
import type { SeededRandom } from "./seeded-random.js";
import type { SimMedium } from "./sim-medium.js";

/**
 * Stands for a crypto engine: en- or decrypts all data of a request whose context the disk's crypto profile accepted, a
 * write's on its way to the medium, a read's on its way back. `rq.cryptKeyslot` and `rq.cryptCtx` say how. `from` and
 * `to` have the same length and may be the same memory. Anything but OK ends the request with that status.
 */
export type SimDiskCrypt = (rq: BlkRequest, from: Uint8Array, to: Uint8Array) => BlkStatus;

/** How long requests take, in milliseconds. */
export interface SimLatency {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SimDiskBehaviour {
  /** Decides latencies, torn writes and what a power cut leaves. */
  random: SeededRandom;
  /**
   * As it appears in messages.
   *
   * @default "sim0"
   */
  name?: string;
  /** @default false */
  readOnly?: boolean;
  /**
   * Each request takes a time between these, at random: later ones overtake earlier ones.
   *
   * @default { minMs: 0.1, maxMs: 1 }
   */
  latency?: SimLatency;
  /**
   * Writes end when they are in a volatile cache; only flush and FUA make them durable. Without it, every write that has
   * ended is durable.
   *
   * @default false
   */
  writeCache?: boolean;
  /**
   * The disk does FUA itself; otherwise the block layer flushes after the write. Without `writeCache` it means nothing.
   *
   * @default false
   */
  fua?: boolean;
  /**
   * Most requests at a time.
   *
   * @default 128
   */
  queueDepth?: number;
  /** What the disk takes in one request. `physicalBlockBytes` is also what a power cut never tears. */
  limits?: Partial<Omit<QueueLimits, "writeCache" | "fua">>;
  faults?: FaultPlan;
  /** Needed when a crypto profile is registered on `disk.queue`. */
  crypt?: SimDiskCrypt;
}

/** A new medium of `bytes`, or one that has been in another disk: what a machine finds after its restart. */
export type SimDiskOptions = SimDiskBehaviour &
  ({ bytes: number; medium?: never } | { medium: SimMedium; bytes?: never });

/** @throws BlkError EINVAL. */
export function checkLatency(name: string, { minMs, maxMs }: SimLatency): void {
  if (minMs >= 0 && minMs <= maxMs && maxMs < Number.POSITIVE_INFINITY) return;
  throw new BlkError("EINVAL", name, `a latency of ${minMs} to ${maxMs} ms, expected 0 or more, the smaller first`);
}

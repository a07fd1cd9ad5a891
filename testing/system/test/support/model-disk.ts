import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockLayer,
  GenDisk,
  opOf,
  type QueueLimits,
  ReqOp,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";

export interface ModelDiskOptions {
  sectorCount: number;
  limits: Partial<QueueLimits>;
  queueDepth: number;
  /** Keyslots of its crypto engine; null: it has none, and the fallback serves it. */
  slotCount: number | null;
  /** Program keyslots in a later turn. */
  asyncSlots: boolean;
  /** Picks which of the waiting requests completes next: 0 to n - 1. */
  pick: (n: number) => number;
}

/** A disk whose requests complete in any order, and which encrypts inline when it has keyslots. */
export class ModelDisk {
  readonly medium: Uint8Array;
  readonly disk: GenDisk;
  readonly profile: BlkCryptoProfile | null = null;
  /** What was seen, to show that the cases reach what they are meant to. */
  readonly seen = { requests: 0, mergedBios: 0, programmings: 0 };
  readonly #pick: (n: number) => number;
  readonly #slots: Skcipher[] = [];
  readonly #waiting: BlkRequest[] = [];
  readonly #segments = new BioSegments();
  readonly #layer: BlockLayer;
  readonly #work = new WorkItem(() => this.#completeOne());

  constructor(layer: BlockLayer, engine: SkcipherEngine, options: ModelDiskOptions) {
    this.#layer = layer;
    this.#pick = options.pick;
    this.medium = new Uint8Array(options.sectorCount * 512);
    const queue = new BlkMqQueue(layer, {
      ops: { queueRq: (rq) => this.#queueRq(rq) },
      limits: options.limits,
      queueDepth: options.queueDepth,
    });
    if (options.slotCount !== null) {
      this.profile = this.#makeProfile(engine, options.slotCount, options.asyncSlots);
      queue.registerCryptoProfile(this.profile);
    }
    this.disk = new GenDisk({ name: "model0", queue, sectorCount: options.sectorCount });
  }

  #makeProfile(engine: SkcipherEngine, slotCount: number, asyncSlots: boolean): BlkCryptoProfile {
    for (let slotIndex = 0; slotIndex < slotCount; slotIndex++) this.#slots.push(engine.alloc("xts(aes)"));
    const later = (): void | Promise<void> => (asyncSlots ? Promise.resolve() : undefined);
    return new BlkCryptoProfile(this.#layer, {
      slotCount,
      modesSupported: { "AES-256-XTS": 512 | 1024 | 2048 | 4096 },
      maxDunBytesSupported: 16,
      llOps: {
        keyslotProgram: (key, slotIndex) => {
          this.seen.programmings++;
          key.withBytes((bytes) => this.#slots[slotIndex]!.setKey(bytes));
          return later();
        },
        keyslotEvict: (_key, slotIndex) => {
          this.#slots[slotIndex]!.clear();
          return later();
        },
      },
    });
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    this.#waiting.push(rq);
    this.#layer.executor.queueWork(this.#work);
    return BlkStatus.OK;
  }

  #completeOne(): void {
    const [rq] = this.#waiting.splice(this.#pick(this.#waiting.length), 1);
    if (this.#waiting.length > 0) this.#layer.executor.queueWork(this.#work);
    this.seen.requests++;
    for (let bio = rq!.bio?.next ?? null; bio !== null; bio = bio.next) this.seen.mergedBios++;
    this.#transfer(rq!);
    rq!.complete(BlkStatus.OK);
  }

  #transfer(rq: BlkRequest): void {
    if (opOf(rq.opf) > ReqOp.WRITE) return;
    const at = rq.sector * 512;
    const whole = new Uint8Array(rq.bytes);
    let done = 0;
    this.#segments.start(rq.bio);
    const writes = opOf(rq.opf) === ReqOp.WRITE;
    if (!writes) this.#crypt(rq, this.medium.subarray(at, at + rq.bytes), whole);
    while (this.#segments.next()) {
      const { data, offset, bytes } = this.#segments;
      const memory = data.subarray(offset, offset + bytes);
      if (writes) whole.set(memory, done);
      else memory.set(whole.subarray(done, done + bytes));
      done += bytes;
    }
    if (writes) this.#crypt(rq, whole, this.medium.subarray(at, at + rq.bytes));
  }

  #crypt(rq: BlkRequest, from: Uint8Array, to: Uint8Array): void {
    const ctx = rq.cryptCtx;
    if (ctx === null) return to.set(from);
    const cipher = this.#slots[rq.cryptKeyslot!.slotIndex]!;
    if (opOf(rq.opf) === ReqOp.WRITE) cipher.encrypt(from, to, ctx.key!.dataUnitBytes, ctx.dun);
    else cipher.decrypt(from, to, ctx.key!.dataUnitBytes, ctx.dun);
  }
}

import { BlkError, BlkStatus, type ReqOp } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "./seeded-random.js";

/** What goes wrong, where and how often. A rule without properties fails everything with IOERR. */
export interface FaultRule {
  /** Only requests of this operation; absent: of all. */
  op?: ReqOp;
  /**
   * Only requests that touch a sector from here on; with a range, requests without sectors (flushes) never match.
   *
   * @default 0
   */
  startSector?: number;
  /**
   * The first sector behind the range.
   *
   * @default Infinity
   */
  endSector?: number;
  /**
   * How the request ends. OK with a `delayMs`: only late. RESOURCE and DEV_RESOURCE refuse it for now, and the queue
   * offers it again.
   *
   * @default BlkStatus.IOERR
   */
  status?: BlkStatus;
  /**
   * Hits one matching request in so many, at random.
   *
   * @default 1
   */
  oneIn?: number;
  /**
   * Milliseconds on top of the device's latency.
   *
   * @default 0
   */
  delayMs?: number;
  /**
   * Most hits, after which the rule does nothing.
   *
   * @default Infinity
   */
  times?: number;
}

/** A rule at work in a plan. */
export class Fault {
  readonly status: BlkStatus;
  readonly delayMs: number;
  /** Requests that were hit: a test that wants a fault asserts that it happened. */
  hits = 0;
  readonly #rule: FaultRule;
  readonly #random: SeededRandom;

  /** @throws BlkError EINVAL naming the property that makes no sense. */
  constructor(rule: FaultRule, random: SeededRandom) {
    checkRule(rule);
    this.#rule = { ...rule };
    this.#random = random;
    this.status = rule.status ?? BlkStatus.IOERR;
    this.delayMs = rule.delayMs ?? 0;
  }

  /** Whether this fault hits a request, by range and chance; counts the hit. */
  strikes(op: ReqOp, startSector: number, endSector: number): boolean {
    const { oneIn = 1, times = Number.POSITIVE_INFINITY } = this.#rule;
    if (this.hits >= times || !this.#covers(op, startSector, endSector) || !this.#random.oneIn(oneIn)) return false;
    this.hits++;
    return true;
  }

  #covers(op: ReqOp, startSector: number, endSector: number): boolean {
    const rule = this.#rule;
    if (rule.op !== undefined && rule.op !== op) return false;
    if (rule.startSector === undefined && rule.endSector === undefined) return true;
    const start = Math.max(startSector, rule.startSector ?? 0);
    return start < Math.min(endSector, rule.endSector ?? Number.POSITIVE_INFINITY);
  }
}

/**
 * The faults of a device: rules that come and go while it runs. The first rule that hits a request decides.
 *
 * @kernel lib/fault-inject.c: should_fail_ex
 */
export class FaultPlan {
  readonly #random: SeededRandom;
  readonly #faults: Fault[] = [];
  #added = 0;

  /** Each rule draws from a stream of its own: one more rule does not change what the others hit. */
  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** @throws BlkError EINVAL naming the property that makes no sense. */
  add(rule: FaultRule): Fault {
    const fault = new Fault(rule, this.#random.fork(`fault ${this.#added++}`));
    this.#faults.push(fault);
    return fault;
  }

  /** Ends a fault; its hits can still be read. One that is not in the plan: nothing happens. */
  lift(fault: Fault): void {
    const index = this.#faults.indexOf(fault);
    if (index >= 0) this.#faults.splice(index, 1);
  }

  /** Ends all faults. */
  liftAll(): void {
    this.#faults.length = 0;
  }

  /** The fault that hits a request, or null. `endSector` is the first sector behind it. */
  strike(op: ReqOp, startSector: number, endSector: number): Fault | null {
    for (let index = 0; index < this.#faults.length; index++) {
      if (this.#faults[index]!.strikes(op, startSector, endSector)) return this.#faults[index]!;
    }
    return null;
  }
}

function checkRule(rule: FaultRule): void {
  const { startSector = 0, endSector = Number.POSITIVE_INFINITY, oneIn = 1, delayMs = 0, times = 1 } = rule;
  if (!(startSector >= 0 && startSector < endSector)) {
    refuse(`sectors ${startSector} to ${endSector}, expected a range that is not empty`);
  }
  if (!Number.isInteger(oneIn) || oneIn < 1 || oneIn > 2 ** 32) refuse(`oneIn is ${oneIn}, expected 1 to 2^32`);
  if (!(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY)) refuse(`delayMs is ${delayMs}, expected 0 or more`);
  if (!(times >= 0)) refuse(`times is ${times}, expected 0 or more`);
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "FaultPlan.add", message);
}

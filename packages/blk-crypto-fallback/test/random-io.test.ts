/** Random reads, writes, evictions and completions in any order, against a plain array and the oracle. */
import { BlkStatus } from "@inlinecrypt/blk-core";
import { blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import fc from "fast-check";
import { expect, it } from "vitest";
import { SimOffloadEngine } from "./sim-offload.ts";
import { ciphertextOf, expectNoLeaks, type Io, makeKey, makeRig, pattern, type Rig, WatchedEngine } from "./support.ts";

/** Each key has a run of this many sectors, and each sector is a data unit. */
const UNITS = 48;
const UNIT_BYTES = 512;
const KEYS = [makeKey(1), makeKey(2), makeKey(3, { mode: "Adiantum" }), makeKey(4, { mode: "AES-128-CBC-ESSIV" })];

const step = fc.record({
  do: fc.constantFrom("write", "write", "read", "read", "evict", "complete", "run", "finish"),
  key: fc.nat({ max: KEYS.length - 1 }),
  first: fc.nat({ max: UNITS - 1 }),
  /** Data units of each vector. */
  vectors: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
  seed: fc.nat({ max: 255 }),
});
const stack = fc.record({
  synchronous: fc.boolean(),
  offloads: fc.boolean(),
  slotCount: fc.integer({ min: 1, max: 3 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Scenario {
  readonly rig: Rig;
  /** Computes large I/O off the event loop; null: all is computed on it. */
  readonly #helper: SimOffloadEngine | null;
  readonly #plaintext = new Uint8Array(KEYS.length * UNITS * UNIT_BYTES);
  readonly #written = new Set<number>();
  /** Sectors with I/O that has not ended. */
  readonly #busy = new Map<number, number>();
  readonly #ios: Io[] = [];

  constructor({ synchronous, offloads, slotCount }: { synchronous: boolean; offloads: boolean; slotCount: number }) {
    this.#helper = offloads ? new SimOffloadEngine() : null;
    if (this.#helper !== null) this.#helper.threshold = 3 * UNIT_BYTES;
    this.rig = makeRig({ slotCount, bounceCount: 2, readCount: 2, engine: this.#helper ?? new WatchedEngine() }, null);
    for (const key of KEYS) blkCryptoStartUsingKey(this.rig.bdev, key);
    this.rig.disk.synchronous = synchronous;
  }

  perform(step: Step): void {
    const { taken } = this.rig.disk;
    if (step.do === "write" || step.do === "read") this.#transfer(step, step.do);
    else if (step.do === "evict") void this.rig.fallback.evictKey(KEYS[step.key]!);
    else if (step.do === "run") this.rig.executor.runOne();
    else if (step.do === "finish") this.#finishOne(step.seed);
    else if (taken.length > 0) this.rig.disk.complete(step.seed % taken.length);
  }

  finish(): void {
    this.#drain();
    for (const io of this.#ios) expect(io.ends).toEqual([BlkStatus.OK]);
    // Evicting a key that computes is the one thing that may be complained about.
    for (const event of this.rig.tracer.events) expect(event).toMatch(/^blk_crypto_evict_key .*"EBUSY"/);
    if (this.#helper === null) expect(this.rig.tracer.events).toEqual([]);
    for (const sector of this.#written) {
      const data = this.#plaintext.subarray(sector * UNIT_BYTES, (sector + 1) * UNIT_BYTES);
      const ciphertext = ciphertextOf(data, KEYS[Math.floor(sector / UNITS)]!, BigInt(sector % UNITS));
      expect(Buffer.compare(this.rig.stored(sector, UNIT_BYTES), ciphertext), `sector ${sector}`).toBe(0);
    }
    expectNoLeaks(this.rig);
  }

  #transfer({ key, first, vectors, seed }: Step, direction: "read" | "write"): void {
    const sector = key * UNITS + first;
    const units = Math.min(
      vectors.reduce((sum, each) => sum + each),
      UNITS - first,
    );
    const sectors = Array.from({ length: units }, (_, nth) => sector + nth);
    // What overlaps may end in any order; an upper layer waits for it.
    if (sectors.some((each) => this.#busy.get(each))) this.#drain();
    const stored = this.#plaintext.subarray(sector * UNIT_BYTES, (sector + units) * UNIT_BYTES);
    const memory = direction === "write" ? pattern(stored.length, seed) : new Uint8Array(stored.length);
    if (direction === "write") {
      stored.set(memory);
      for (const each of sectors) this.#written.add(each);
    }
    const expected = stored.slice();
    this.#mark(sectors, 1);
    const onEnd = (): void => {
      this.#mark(sectors, -1);
      for (const [nth, each] of sectors.entries()) {
        if (this.#written.has(each)) expect(Buffer.compare(unit(memory, nth), unit(expected, nth))).toBe(0);
      }
    };
    const options = { key: KEYS[key]!, sector, dun: BigInt(first), onEnd };
    this.#ios.push(this.rig[direction](cutInto(memory, vectors), options));
  }

  #mark(sectors: readonly number[], change: number): void {
    for (const sector of sectors) this.#busy.set(sector, (this.#busy.get(sector) ?? 0) + change);
  }

  #finishOne(seed: number): void {
    const { length } = this.#helper?.pending ?? [];
    if (length > 0) this.#helper!.finish(seed % length);
  }

  #drain(): void {
    do {
      this.rig.executor.runUntilIdle();
      if (this.rig.disk.taken.length > 0) this.rig.disk.complete(this.rig.disk.taken.length - 1);
      else this.#finishOne(0);
    } while (!this.#isAtRest);
  }

  get #isAtRest(): boolean {
    const computing = this.#helper?.pending.length ?? 0;
    return this.rig.executor.isIdle && this.rig.disk.taken.length === 0 && computing === 0;
  }
}

it("[INT-5] [FB-5] [FB-27] with few slots and bounces, every key reads what it wrote and the medium is the oracle's", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), stack, (steps, options) => {
      const scenario = new Scenario(options);
      for (const each of steps) scenario.perform(each);
      scenario.finish();
    }),
    { seed: 0xfa11, numRuns: 80 },
  );
});

function unit(memory: Uint8Array, nth: number): Uint8Array {
  return memory.subarray(nth * UNIT_BYTES, (nth + 1) * UNIT_BYTES);
}

/** `data` as consecutive views of so many data units each, the last one shorter if need be. */
function cutInto(data: Uint8Array, vectors: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const units of vectors) {
    if (at < data.length) parts.push(data.subarray(at, at + units * UNIT_BYTES));
    at += units * UNIT_BYTES;
  }
  return parts;
}

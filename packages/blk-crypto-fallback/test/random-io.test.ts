/** Random reads, writes, evictions and completions in any order, against a plain array and the oracle. */
import { BlkStatus } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ciphertextOf, expectNoLeaks, type Io, makeKey, makeRig, pattern, type Rig } from "./support.ts";

/** Each key has a run of this many sectors, and each sector is a data unit. */
const UNITS = 48;
const UNIT_BYTES = 512;
const KEYS = [makeKey(1), makeKey(2), makeKey(3)] as const;

const step = fc.record({
  do: fc.constantFrom("write", "write", "read", "read", "evict", "complete", "run"),
  key: fc.nat({ max: KEYS.length - 1 }),
  first: fc.nat({ max: UNITS - 1 }),
  /** Data units of each vector. */
  vectors: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
  seed: fc.nat({ max: 255 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Scenario {
  readonly rig: Rig = makeRig({ slotCount: 2, bounceCount: 2, readCount: 2 });
  readonly #plaintext = new Uint8Array(KEYS.length * UNITS * UNIT_BYTES);
  readonly #written = new Set<number>();
  /** Sectors with I/O that has not ended. */
  readonly #busy = new Map<number, number>();
  readonly #ios: Io[] = [];

  constructor(synchronous: boolean) {
    this.rig.disk.synchronous = synchronous;
  }

  perform(step: Step): void {
    const { taken } = this.rig.disk;
    if (step.do === "write" || step.do === "read") this.#transfer(step, step.do);
    else if (step.do === "evict") void this.rig.fallback.evictKey(KEYS[step.key]!);
    else if (step.do === "run") this.rig.executor.runOne();
    else if (taken.length > 0) this.rig.disk.complete(step.seed % taken.length);
  }

  finish(): void {
    this.#drain();
    for (const io of this.#ios) expect(io.ends).toEqual([BlkStatus.OK]);
    expect(this.rig.tracer.events).toEqual([]);
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

  #drain(): void {
    this.rig.executor.runUntilIdle();
    while (this.rig.disk.taken.length > 0) {
      this.rig.disk.complete(this.rig.disk.taken.length - 1);
      this.rig.executor.runUntilIdle();
    }
  }
}

it("[INT-5] [FB-5] [FB-27] with few slots and bounces, every key reads what it wrote and the medium is the oracle's", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), fc.boolean(), (steps, synchronous) => {
      const scenario = new Scenario(synchronous);
      for (const each of steps) scenario.perform(each);
      scenario.finish();
    }),
    { seed: 0xfa11, numRuns: 60 },
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

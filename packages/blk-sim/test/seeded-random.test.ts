import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../src/index.js";
import { Xoshiro128 } from "../src/xoshiro128.js";

const SEED = 20260101;

/** The first numbers of a stream. */
function draw(random: SeededRandom, count = 8): number[] {
  return Array.from({ length: count }, () => random.nextUint32());
}

describe("Xoshiro128", () => {
  it("draws what the authors' C program draws from the state 1, 2, 3, 4", () => {
    const generator = new Xoshiro128(Uint32Array.of(1, 2, 3, 4));
    expect(Array.from({ length: 10 }, () => generator.next())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });
});

describe("SeededRandom", () => {
  it("draws the same from the same seed, number or text, and something else from every other", () => {
    expect(draw(new SeededRandom(7))).toEqual(draw(new SeededRandom("7")));
    const streams = new Set(
      [..."abc", "", "aa", "ab", "ba", ...Array(1000).keys()].map((seed) => `${draw(new SeededRandom(seed))}`),
    );
    expect(streams.size).toBe(1007);
  });

  it("never changes: old seeds have to replay", () => {
    expect(draw(new SeededRandom(1), 3)).toMatchInlineSnapshot(`
      [
        4038354409,
        2161993902,
        3000849879,
      ]
    `);
    expect(draw(new SeededRandom("disk").fork("latency"), 3)).toMatchInlineSnapshot(`
      [
        954149080,
        573607450,
        3321179368,
      ]
    `);
  });

  it("forks by name alone: what was drawn before and which other forks there are change nothing", () => {
    const random = new SeededRandom(1);
    const before = draw(random.fork("a"));
    draw(random, 100);
    draw(random.fork("b"));
    expect(draw(random.fork("a"))).toEqual(before);
    expect(draw(random.fork("b"))).not.toEqual(before);
    expect(draw(random.fork("a").fork("a"))).not.toEqual(before);
    expect(random.fork("a").seed).toBe("1/a");
  });

  it("draws below any count, each number about equally often", () => {
    const random = new SeededRandom(1);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (count) => {
        const drawn = random.below(count);
        return Number.isInteger(drawn) && drawn >= 0 && drawn < count;
      }),
      { seed: SEED },
    );
    for (const count of [2, 3, 10]) {
      const hits = new Array<number>(count).fill(0);
      for (let index = 0; index < 10_000; index++) hits[random.below(count)]!++;
      for (const hit of hits) expect(Math.abs(hit - 10_000 / count)).toBeLessThan(300);
    }
    // Without drawing the surplus again, the lower half of these would come twice as often as the upper.
    const count = 3 * 2 ** 30;
    const low = Array.from({ length: 10_000 }, () => random.below(count)).filter((drawn) => drawn < count / 2);
    expect(Math.abs(low.length - 5000)).toBeLessThan(300);
  });

  it("oneIn, between, pick and shuffle do as they say", () => {
    const random = new SeededRandom(1);
    expect(Array.from({ length: 100 }, () => random.oneIn(1))).not.toContain(false);
    const hits = Array.from({ length: 10_000 }, () => random.oneIn(10)).filter(Boolean).length;
    expect(Math.abs(hits - 1000)).toBeLessThan(200);
    const drawn = Array.from({ length: 1000 }, () => random.between(2, 3));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...drawn)).toBeLessThan(3);
    expect(random.between(5, 5)).toBe(5);
    expect(new Set(Array.from({ length: 100 }, () => random.pick(["a", "b"])))).toEqual(new Set(["a", "b"]));
    const orders = new Set(Array.from({ length: 200 }, () => `${random.shuffle([1, 2, 3])}`));
    expect([...orders].sort()).toEqual(["1,2,3", "1,3,2", "2,1,3", "2,3,1", "3,1,2", "3,2,1"]);
  });

  it("fills memory of any length", () => {
    for (const bytes of [0, 1, 4, 7]) {
      const memory = new Uint8Array(16);
      new SeededRandom(1).fill(memory.subarray(0, bytes));
      expect(memory.subarray(bytes).every((byte) => byte === 0)).toBe(true);
      expect([...memory.subarray(0, bytes)]).toEqual([...new SeededRandom(1).fill(new Uint8Array(bytes))]);
    }
    expect(new Set(new SeededRandom(1).fill(new Uint8Array(4096))).size).toBe(256);
  });

  it("refuses counts that are none", () => {
    const random = new SeededRandom(1);
    for (const count of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN]) {
      expect(() => random.below(count)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    }
    expect(() => random.pick([])).toThrow(/count is 0, expected 1/);
  });
});

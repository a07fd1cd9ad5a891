import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RangeLock, RangeLockEntry } from "../../src/server/range-lock.js";

describe("RangeLock", () => {
  it("lets shared ranges overlap", () => {
    const lock = new RangeLock();
    const [a, b] = [newEntry(), newEntry()];
    expect(lock.acquire(a, 0, 10, false)).toBe(true);
    expect(lock.acquire(b, 0, 10, false)).toBe(true);
    lock.release(a);
    lock.release(b);
    expect(lock.isIdle).toBe(true);
  });

  it("makes an exclusive range wait for what overlaps it, and only for that", () => {
    const lock = new RangeLock();
    const [shared, apart, exclusive] = [newEntry(), newEntry(), newEntry()];
    lock.acquire(shared, 0, 10, false);
    lock.acquire(apart, 20, 30, false);
    expect(lock.acquire(exclusive, 9, 20, true)).toBe(false);
    lock.release(apart);
    expect(exclusive.grants).toBe(0);
    lock.release(shared);
    expect(exclusive.grants).toBe(1);
    lock.release(exclusive);
    expect(lock.isIdle).toBe(true);
  });

  it("does not let later shared ranges overtake a waiting exclusive one", () => {
    const lock = new RangeLock();
    const [first, exclusive, late, apart] = [newEntry(), newEntry(), newEntry(), newEntry()];
    lock.acquire(first, 0, 10, false);
    expect(lock.acquire(exclusive, 5, 15, true)).toBe(false);
    expect(lock.acquire(late, 12, 14, false)).toBe(false);
    expect(lock.acquire(apart, 15, 20, false)).toBe(true);
    lock.release(first);
    expect([exclusive.grants, late.grants]).toEqual([1, 0]);
    lock.release(exclusive);
    expect(late.grants).toBe(1);
  });

  it("refuses misuse", () => {
    const lock = new RangeLock();
    const entry = newEntry();
    lock.acquire(entry, 0, 1, false);
    expect(() => lock.acquire(entry, 0, 1, false)).toThrow("twice");
    lock.release(entry);
    expect(() => lock.release(entry)).toThrow("not held");
  });

  it("grants every range, in order, and never two that conflict", () => {
    const step = fc.record({
      start: fc.nat(20),
      bytes: fc.integer({ min: 1, max: 8 }),
      exclusive: fc.boolean(),
      releases: fc.array(fc.nat(50), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const lock = new RangeLock();
        const all: TestEntry[] = [];
        const releaseOne = (pick: number): void => {
          const held = all.filter((entry) => entry.held);
          const entry = held[pick % held.length];
          if (entry === undefined) return;
          entry.held = false;
          entry.done = true;
          lock.release(entry);
          checkHeld(all);
        };
        for (const { start, bytes, exclusive, releases } of steps) {
          const entry = newEntry();
          all.push(entry);
          if (lock.acquire(entry, start, start + bytes, exclusive)) entry.held = true;
          checkHeld(all);
          for (const pick of releases) releaseOne(pick);
        }
        for (let left = all.length; left > 0; left--) releaseOne(0);
        expect(all.every((entry) => entry.done)).toBe(true);
        expect(lock.isIdle).toBe(true);
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});

class TestEntry extends RangeLockEntry {
  grants = 0;
  held = false;
  done = false;
}

function newEntry(): TestEntry {
  const entry: TestEntry = new TestEntry(() => {
    entry.grants++;
    entry.held = true;
  });
  return entry;
}

/** The rule itself, over all entries in order of arrival: held exactly when no earlier entry conflicts. */
function checkHeld(all: readonly TestEntry[]): void {
  const alive = all.filter((entry) => !entry.done);
  alive.forEach((entry, index) => {
    const blocked = alive
      .slice(0, index)
      .some((a) => (a.exclusive || entry.exclusive) && a.start < entry.end && entry.start < a.end);
    expect(entry.held).toBe(!blocked);
  });
}

import { Pool, PoolWaiter, Quota } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";

describe("Pool", () => {
  it("hands out at most its capacity and recycles", () => {
    let made = 0;
    const pool = new Pool("things", 2, () => ({ number: made++ }));
    const first = pool.tryGet()!;
    pool.tryGet();
    expect(pool.tryGet()).toBeNull();
    expect(pool.inUse).toBe(2);
    pool.put(first);
    expect(pool.tryGet()).toBe(first);
    expect(made).toBe(2);
  });

  it("wakes waiters in order, one for each object that comes back", () => {
    const pool = new Pool("things", 1, () => ({}));
    const thing = pool.tryGet()!;
    const woken: string[] = [];
    const first = new PoolWaiter(() => woken.push("first"));
    const second = new PoolWaiter(() => woken.push("second"));
    pool.wait(first);
    pool.wait(second);
    pool.wait(first);
    pool.put(thing);
    expect(woken).toEqual(["first"]);
    pool.tryGet();
    pool.put(thing);
    expect(woken).toEqual(["first", "second"]);
    pool.tryGet();
    pool.put(thing);
    expect(woken).toEqual(["first", "second"]);
  });

  it("has nothing to give when it is told to fail, and loses nothing by it", () => {
    let fail = true;
    const asked: string[] = [];
    const pool = new Pool(
      "things",
      1,
      () => ({}),
      ({ name }) => {
        asked.push(name);
        return fail;
      },
    );
    expect(pool.tryGet()).toBeNull();
    expect(pool.inUse).toBe(0);
    fail = false;
    expect(pool.tryGet()).not.toBeNull();
    expect(asked).toEqual(["things", "things"]);
  });

  it("refuses an object too many and a capacity of none", () => {
    const pool = new Pool("things", 1, () => ({}));
    const quota = new Quota("places", 1);
    expect(() => quota.giveBack()).toThrow(/places: more came back than went out/);
    expect(() => pool.put({})).toThrow(/things: more came back than went out/);
    expect(() => new Pool("none", 0, () => ({}))).toThrow(/capacity/);
  });
});

import { BlkStatus, type FailAlloc, type Quota } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { SimOffloadEngine } from "./sim-offload.ts";
import { expectNoLeaks, makeKey, makeRig, pattern, type Rig, WatchedEngine } from "./support.ts";

const MIB = 1 << 20;
/** Without an object of these I/O waits. */
const WAITED_FOR = ["bio_fallback_crypt_ctx", "blk_crypto_bounce"];
/** Without one of these it is computed on the event loop. */
const OWN_POOLS = [...WAITED_FOR, "blk_crypto_read_memory"];

/** Writes of several bounces and small ones, then reads of the same, for two keys and one keyslot. */
function runAll(engine: WatchedEngine, failAlloc: FailAlloc): Rig {
  const keys = [makeKey(1), makeKey(2)];
  const rig = makeRig({ engine, failAlloc, slotCount: 1, bounceCount: 2, readCount: 2 }, keys[0]);
  if (engine instanceof SimOffloadEngine) engine.runOn(rig.executor, () => 1);
  const data = [pattern(2 * MIB), pattern(512, 2), pattern(8192, 3), pattern(1024, 4)];
  const options = (nth: number) => ({ key: keys[nth % 2]!, sector: nth * 4096 });
  const written = data.map((each, nth) => rig.write(each, options(nth)));
  rig.executor.runUntilIdle();
  const back = data.map((each) => new Uint8Array(each.length));
  const read = back.map((each, nth) => rig.read(each, options(nth)));
  rig.executor.runUntilIdle();
  for (const io of [...written, ...read]) expect(io.ends).toEqual([BlkStatus.OK]);
  for (const [nth, each] of data.entries()) expect(Buffer.compare(back[nth]!, each)).toBe(0);
  return rig;
}

describe.each([
  ["on the event loop", () => new WatchedEngine(), WAITED_FOR],
  ["off the event loop", () => new SimOffloadEngine(), OWN_POOLS],
])("computing %s", (_where, newEngine, poolsUsed) => {
  it("[FB-27] whichever one allocation fails, all I/O ends well", () => {
    const failed = new Set<string>();
    let last: string | null = "";
    for (let nth = 1; last !== null; nth++) {
      const pools = new Set<Quota>();
      let left = nth;
      last = null;
      const rig = runAll(newEngine(), (pool) => {
        pools.add(pool);
        if (!OWN_POOLS.includes(pool.name) || --left !== 0) return false;
        last = pool.name;
        failed.add(pool.name);
        return true;
      });
      expectNoLeaks(rig);
      for (const pool of pools) expect([pool.name, pool.inUse]).toEqual([pool.name, 0]);
    }
    expect([...failed].sort()).toEqual(poolsUsed);
  });

  it.each([2, 3])("[FB-27] when every %i-th allocation fails, all I/O ends well", (every) => {
    let count = 0;
    const rig = runAll(newEngine(), (pool) => OWN_POOLS.includes(pool.name) && ++count % every === 0);
    expect(count).toBeGreaterThan(10);
    expectNoLeaks(rig);
  });
});

it.each(WAITED_FOR)("[FB-27] I/O waits for another try as long as %s fails", (name) => {
  for (let failures = 1; failures < 5; failures++) {
    let left = failures;
    expectNoLeaks(runAll(new SimOffloadEngine(), (pool) => pool.name === name && left-- > 0));
    expect(left).toBeLessThan(0);
  }
});

import { BlkBug, BlkStatus } from "@inlinecrypt/blk-core";
import { NO_SLOT } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeRig, type Rig } from "./support.ts";

const keys = [makeKey(0), makeKey(1), makeKey(2)] as const;
const [a, b, c] = keys;
let rig: Rig;
afterEach(() => expectIdle(rig));

const start = (slotCount: number): FakeHardware => {
  rig = makeRig(new FakeHardware(...keys), { slotCount });
  return rig.hardware;
};

describe("evicting a key", () => {
  it("[PROF-19] empties the idle slot, which keeps its place", async () => {
    const { log } = start(2);
    [a, b].map((key) => rig.put(rig.get(key)));
    await rig.profile.evictKey(a);
    expect(rig.profile.slotTable().map((slot) => slot.key !== null)).toEqual([false, true]);
    rig.put(rig.get(c));
    expect(log.slice(2)).toEqual(["evict 0 0", "program 0 2"]);
  });

  it("[PROF-19] is done when the call returns, if the driver is synchronous", () => {
    const { log } = start(1);
    rig.put(rig.get(a));
    void rig.profile.evictKey(a);
    expect(log.at(-1)).toBe("evict 0 0");
    const next = rig.get(a);
    expect(next.answers).toEqual([BlkStatus.OK]);
    rig.put(next);
  });

  it("[PROF-20] succeeds without the driver when the key is in no slot", async () => {
    const { log } = start(2);
    await rig.profile.evictKey(a);
    expect([log, rig.tracer.events]).toEqual([[], []]);
  });

  it("[PROF-21] warns of a key in use, leaves the slot alone and forgets the key", async () => {
    const { log } = start(2);
    const user = rig.get(a);
    await rig.profile.evictKey(a);
    expect(rig.tracer.events).toEqual(['blk_crypto_evict_key {"slotIndex":0,"error":"EBUSY"}']);
    expect(rig.profile.slotTable()[0]).toMatchObject({ key: null, references: 1 });
    const again = rig.get(a);
    expect(again.slotIndex).toBe(1);
    rig.put(user);
    expect(rig.profile.slotTable()[0]).toMatchObject({ key: null, references: 0 });
    rig.put(again);
    expect(log).toEqual(["program 0 0", "program 1 0"]);
  });

  it("[PROF-22] traces the driver's error and forgets the key all the same", async () => {
    const hardware = start(1);
    for (const asynchronous of [false, true]) {
      hardware.asynchronous = false;
      rig.put(rig.get(a));
      hardware.asynchronous = asynchronous;
      hardware.failures.push("ETIMEDOUT");
      const evicted = rig.profile.evictKey(a);
      if (asynchronous) hardware.settle();
      await evicted;
      expect(rig.tracer.events.pop()).toBe('blk_crypto_evict_key {"slotIndex":0,"error":"ETIMEDOUT"}');
      expect(rig.profile.slotTable()[0]!.key).toBeNull();
    }
  });

  it("a driver's broken invariant is no error to trace: it goes on", async () => {
    const hardware = start(1);
    rig.put(rig.get(a));
    hardware.keyslotEvict = () => {
      throw new BlkBug("the driver is confused");
    };
    await expect(rig.profile.evictKey(a)).rejects.toThrow("the driver is confused");
    expect(rig.tracer.events).toEqual([]);
    rig.put(rig.get(b));
  });

  it("[PROF-23] without slots tells the driver with no slot number, if it wants to know", async () => {
    const { log } = start(0);
    await rig.profile.evictKey(a);
    expect(log).toEqual([`evict ${NO_SLOT} 0`]);
    rig = makeRig(new FakeHardware(), { slotCount: 0, llOps: {} });
    await rig.profile.evictKey(a);
  });

  it.each([a, b])(
    "[PROF-16] [PROF-19] after a failed programming the slot may hold either key: evicting one empties it",
    async (evicted) => {
      const hardware = start(1);
      rig.put(rig.get(a));
      hardware.failures.push("ETIMEDOUT");
      expect(rig.get(b).answers).toEqual([BlkStatus.TIMEOUT]);
      expect(hardware.slots.get(0)).toBe(a);
      await rig.profile.evictKey(c);
      expect(hardware.log).toHaveLength(2);
      await rig.profile.evictKey(evicted);
      await rig.profile.evictKey(a);
      expect(hardware.log.slice(2)).toEqual([`evict 0 ${keys.indexOf(evicted)}`]);
      expect(hardware.slots.size).toBe(0);
    },
  );

  it("[PROF-16] [PROF-19] so it does after a failed reprogramming, and until another key is in the slot for certain", async () => {
    const hardware = start(1);
    rig.put(rig.get(a));
    hardware.failures.push("EIO", "EIO");
    await rig.profile.reprogramAllKeys();
    rig.get(b);
    await rig.profile.evictKey(a);
    expect(hardware.log.slice(3)).toEqual(["evict 0 0"]);
    rig.put(rig.get(a));
    hardware.failures.push("EIO");
    rig.get(b);
    rig.put(rig.get(c));
    hardware.log.length = 0;
    for (const key of [a, b]) await rig.profile.evictKey(key);
    expect(hardware.log).toEqual([]);
    await rig.profile.evictKey(c);
    expect(hardware.log).toEqual(["evict 0 2"]);
  });

  it.each([false, true])(
    "[PROF-19] [PROF-28] a key that may be in two slots is evicted from both, one after the other (asynchronously: %s)",
    async (asynchronous) => {
      const hardware = start(2);
      const users = [rig.get(a)];
      hardware.failures.push("EIO");
      await rig.profile.reprogramAllKeys();
      users.push(rig.get(a));
      expect(users.map((each) => each.slotIndex)).toEqual([0, 1]);
      users.map(rig.put);
      hardware.log.length = 0;
      hardware.asynchronous = asynchronous;
      const evicted = rig.profile.evictKey(a);
      for (let op = 0; asynchronous && op < 2; op++) {
        await rig.settle();
        hardware.settle();
      }
      await evicted;
      expect(hardware.log).toEqual(["evict 0 0", "evict 1 0"]);
      expect(hardware.slots.size).toBe(0);
    },
  );

  it("[PROF-28] waits for the op that runs, and I/O for the eviction", async () => {
    const hardware = start(2);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const user = rig.get(b);
    const evicted = rig.profile.evictKey(a);
    await rig.settle();
    expect(hardware.log).toEqual(["program 0 0", "program 1 1"]);
    hardware.settle();
    await rig.settle();
    expect(hardware.log.at(-1)).toBe("evict 0 0");
    const next = rig.get(a);
    await rig.settle();
    expect(next.answers).toEqual([]);
    hardware.settle();
    await evicted;
    await rig.settle();
    hardware.settle();
    await rig.settle();
    expect([user.answers, next.answers]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(hardware.log.at(-1)).toBe("program 0 0");
    [user, next].map(rig.put);
  });
});

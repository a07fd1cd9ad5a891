import { BlkError, BlkStatus } from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, FakePm, makeKey, makeRig, type Rig, wrapped } from "./support.ts";

const keys = [makeKey(0), makeKey(1), makeKey(2)] as const;
const [a, b, c] = keys;
let rig: Rig;
let pm: FakePm;
afterEach(() => {
  expectIdle(rig);
  expect([pm.holders, pm.isResuming]).toEqual([0, false]);
});

/** Hardware and power management write one log. */
const start = (slotCount = 2, llOps: object = {}): FakeHardware => {
  const hardware = new FakeHardware(...keys);
  pm = new FakePm(hardware);
  rig = makeRig(hardware, { slotCount, dev: pm, llOps: Object.assign(hardware, llOps) });
  return hardware;
};

describe("a device that sleeps", () => {
  it("[PROF-26] is awake during every op, synchronously if it can", async () => {
    const { log } = start();
    rig.put(rig.get(a));
    await rig.profile.evictKey(a);
    expect(log).toEqual(["resume", "program 0 0", "put", "resume", "evict 0 0", "put"]);
  });

  it("[PROF-26] is held awake until an asynchronous op ends", async () => {
    const hardware = start();
    hardware.asynchronous = true;
    const user = rig.get(a);
    await rig.settle();
    expect([hardware.log, pm.holders]).toEqual([["resume", "program 0 0"], 1]);
    hardware.settle();
    await rig.settle();
    expect([user.answers, pm.holders]).toEqual([[BlkStatus.OK], 0]);
    rig.put(user);
    const evicted = rig.profile.evictKey(a);
    await rig.settle();
    expect(pm.holders).toBe(1);
    hardware.settle();
    await evicted;
  });

  it("[PROF-26] wakes asynchronously before a slot is programmed, once for all who wait", async () => {
    const { log } = start();
    pm.asynchronous = true;
    const waiting = [rig.get(a), rig.get(b), rig.get(a)];
    await rig.settle();
    expect([log, waiting.map((each) => each.answers)]).toEqual([["resume"], [[], [], []]]);
    pm.settle();
    await rig.settle();
    expect(log).toEqual(["resume", "program 0 0", "put", "resume"]);
    expect(waiting.map((each) => each.slotIndex)).toEqual([0, undefined, 0]);
    pm.settle();
    await rig.settle();
    expect(log.slice(4)).toEqual(["program 1 1", "put"]);
    waiting.map(rig.put);
  });

  it("[PROF-26] wakes before the lock is taken, for control paths too", async () => {
    const hardware = start();
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const busy = rig.get(b);
    const evicted = rig.profile.evictKey(a);
    await rig.settle();
    expect(hardware.log.slice(3)).toEqual(["resume", "program 1 1", "resume"]);
    hardware.settle();
    await rig.settle();
    expect(hardware.log.slice(6)).toEqual(["put", "evict 0 0"]);
    hardware.settle();
    await evicted;
    rig.put(busy);
  });

  it("[PROF-26] is let go after the lock is dropped: going to sleep may use the profile", () => {
    start();
    const refused: boolean[] = [];
    pm.onPut = () => {
      pm.onPut = null;
      const user = rig.get(b);
      refused.push(user.answers[0] !== BlkStatus.OK);
      rig.put(user);
    };
    rig.put(rig.get(a));
    expect(refused).toEqual([false]);
  });

  it("[PROF-27] does not wake for a key that is in a slot", () => {
    const { log } = start();
    const first = rig.get(a);
    log.length = 0;
    const again = rig.get(a);
    rig.put(first);
    rig.put(again);
    rig.put(rig.get(a));
    expect(log).toEqual([]);
  });

  it("is let go again when the I/O it was woken for needs it no longer", async () => {
    const { log } = start(1);
    pm.asynchronous = true;
    const waiting = [rig.get(a), rig.get(b)] as const;
    await rig.settle();
    pm.settle();
    await rig.settle();
    rig.put(waiting[0]);
    await rig.settle();
    expect(log).toEqual(["resume", "program 0 0", "put", "resume"]);
    const former = rig.get(a);
    pm.settle();
    await rig.settle();
    expect([log.slice(4), pm.holders, waiting[1].answers]).toEqual([["put"], 0, []]);
    rig.put(former);
    await rig.settle();
    pm.settle();
    await rig.settle();
    rig.put(waiting[1]);
  });

  it.each([false, true])(
    "[PROF-26] that does not wake (asynchronously: %s) fails the I/O, and the next tries again",
    async (asynchronous) => {
      const { log } = start();
      pm.asynchronous = asynchronous;
      pm.failures.push("ETIMEDOUT");
      const failed = rig.get(a);
      const next = rig.get(b);
      for (let wakings = 0; asynchronous && wakings < 2; wakings++) {
        pm.settle();
        await rig.settle();
      }
      expect([failed.answers, next.answers]).toEqual([[BlkStatus.TIMEOUT], [BlkStatus.OK]]);
      expect(log).toEqual(["resume", "resume", "program 0 1", "put"]);
      rig.put(next);
    },
  );

  it("[PROF-22] [PROF-26] that does not wake for an eviction has forgotten the key all the same", async () => {
    for (const asynchronous of [false, true]) {
      const { log } = start();
      rig.put(rig.get(a));
      pm.asynchronous = asynchronous;
      pm.failures.push("EIO");
      const evicted = rig.profile.evictKey(a);
      if (asynchronous) pm.settle();
      await evicted;
      expect(rig.tracer.events).toEqual(['blk_crypto_evict_key {"slotIndex":0,"error":"EIO"}']);
      expect(rig.profile.slotTable()[0]).toMatchObject({ key: null, evictions: 1 });
      expect(log.slice(3)).toEqual(["resume"]);
    }
  });

  it("[PROF-23] [PROF-26] is woken for the evictions of a profile without slots, if it wants to know of them", async () => {
    const { log } = start(0);
    await rig.profile.evictKey(a);
    expect(log).toEqual(["resume", "evict -1 0", "put"]);
    log.length = 0;
    rig = makeRig(new FakeHardware(), { slotCount: 0, llOps: {}, dev: pm });
    await rig.profile.evictKey(a);
    expect(log).toEqual([]);
  });
});

describe("reprogramming while the device wakes", () => {
  it("[PROF-25] does not wake the device, and excludes all other ops", async () => {
    const hardware = start();
    for (const key of [a, b]) rig.put(rig.get(key));
    hardware.log.length = 0;
    hardware.asynchronous = true;
    const done = rig.profile.reprogramAllKeys();
    const evicted = rig.profile.evictKey(a);
    const user = rig.get(c);
    await rig.settle();
    hardware.settle();
    await rig.settle();
    expect(hardware.log).toEqual(["program 0 0", "resume", "program 1 1"]);
    hardware.settle();
    await done;
    await rig.settle();
    expect(hardware.log.slice(3)).toEqual(["evict 0 0"]);
    hardware.settle();
    await evicted;
    await rig.settle();
    expect(hardware.log.slice(4)).toEqual(["put", "resume", "program 0 2"]);
    hardware.settle();
    await rig.settle();
    rig.put(user);
  });

  it("[PROF-24] keeps I/O from keys that the hardware has lost while it waits for the op before it", async () => {
    const hardware = start(3);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const programming = rig.get(b);
    const done = [rig.profile.reprogramAllKeys(), rig.profile.reprogramAllKeys()];
    const users = [rig.get(a), rig.get(b)];
    for (let op = 0; op < 5; op++) {
      await rig.settle();
      expect([op, ...users.map((each) => each.answers)]).toEqual([op, [], []]);
      hardware.settle();
    }
    await Promise.all(done);
    await rig.settle();
    expect(hardware.log.filter((op) => op.startsWith("program"))).toEqual([
      "program 0 0",
      "program 1 1",
      ...["program 0 0", "program 1 1"],
      ...["program 0 0", "program 1 1"],
    ]);
    expect(users.map((each) => each.answers)).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    for (const each of [programming, ...users]) rig.put(each);
  });

  // Android bugs 137270441 and 149368295: programming a slot woke the device while the device was waking, for ever.
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])("[PROF-25] [PROF-26] does not deadlock (asynchronous waking %s, programming %s)", async (waking, programming) => {
    const hardware = start();
    rig.put(rig.get(a));
    hardware.log.length = 0;
    hardware.asynchronous = programming;
    pm.asynchronous = waking;
    pm.onResume = () => {
      pm.onResume = null;
      return rig.profile.reprogramAllKeys();
    };
    const users = [rig.get(b), rig.get(a)];
    for (let turn = 0; turn < 4; turn++) {
      await rig.settle();
      if (pm.isResuming) pm.settle();
      await rig.settle();
      if (hardware.isBusy) hardware.settle();
    }
    await rig.settle();
    expect(users.map((each) => each.answers)).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(hardware.log.slice(0, 3)).toEqual(["resume", "program 0 0", "program 1 1"]);
    users.map(rig.put);
  });
});

describe("wrapped-key ops", () => {
  it("[PROF-26] [PROF-33] run with the device awake, alone", async () => {
    const hardware = start(2, {
      generateKey: () => {
        hardware.log.push("generate");
        return 60;
      },
    });
    rig.profile.capabilities.update(wrapped());
    await rig.profile.wrappedKeys.generateKey(new Uint8Array(128));
    expect(hardware.log).toEqual(["resume", "generate", "put"]);
  });

  it("[PROF-33] fail with what the device says when it does not wake", async () => {
    start(2, { generateKey: () => 60 });
    rig.profile.capabilities.update(wrapped());
    pm.failures.push("ETIMEDOUT");
    await expect(rig.profile.wrappedKeys.generateKey(new Uint8Array(128))).rejects.toThrow(BlkError);
  });

  it("[PROF-3] [PROF-33] whose device is waking are waited for by whoever destroys the profile", async () => {
    const hardware = start(2, {
      generateKey: () => {
        hardware.log.push("generate");
        return 60;
      },
    });
    rig.profile.capabilities.update(wrapped());
    pm.asynchronous = true;
    const generated = rig.profile.wrappedKeys.generateKey(new Uint8Array(128));
    expect(() => rig.profile[Symbol.dispose]()).toThrow("a low-level op runs");
    const destroyed = rig.profile[Symbol.asyncDispose]().then(() => hardware.log.push("destroyed"));
    await rig.settle();
    pm.settle();
    await Promise.all([generated, destroyed]);
    expect(hardware.log).toEqual(["resume", "generate", "put", "destroyed"]);
  });
});

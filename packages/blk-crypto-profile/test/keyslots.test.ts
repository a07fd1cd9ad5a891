import { BlkBug, BlkStatus } from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeRig, type Rig } from "./support.ts";

const keys = [makeKey(0), makeKey(1), makeKey(2), makeKey(3)] as const;
const [a, b, c, d] = keys;
let rig: Rig;
afterEach(() => expectIdle(rig));

const start = (slotCount: number): FakeHardware => {
  rig = makeRig(new FakeHardware(...keys), { slotCount });
  return rig.hardware;
};

describe("getting keyslots", () => {
  it("[PROF-1] a fresh profile has empty, idle slots", () => {
    start(3);
    const counters = { programmings: 0, hits: 0, waits: 0, evictions: 0, longestWaitMs: 0 };
    const empty = { key: null, references: 0, ...counters };
    expect(rig.profile.slotTable()).toEqual([0, 1, 2].map((slotIndex) => ({ slotIndex, ...empty })));
  });

  it("[PROF-10] [PROF-18] fills slots 0, 1, 2 in order", () => {
    const { log } = start(3);
    const held = [a, b, c].map(rig.get);
    expect(held.map((each) => each.slotIndex)).toEqual([0, 1, 2]);
    expect(log).toEqual(["program 0 0", "program 1 1", "program 2 2"]);
    held.map(rig.put);
  });

  it("[PROF-8] [PROF-9] a key in a slot is used there, by many at a time, without the driver", () => {
    const { log } = start(2);
    const first = rig.get(a);
    const second = rig.get(a);
    rig.put(first);
    const third = rig.get(a);
    expect([second.slotIndex, third.slotIndex]).toEqual([0, 0]);
    expect(rig.profile.slotTable()[0]).toMatchObject({
      slotIndex: 0,
      key: { mode: "AES-256-XTS", dataUnitBytes: 4096 },
      references: 2,
      programmings: 1,
    });
    rig.put(second);
    rig.put(third);
    rig.put(rig.get(a));
    expect(log).toEqual(["program 0 0"]);
  });

  it("[API-6] keys with equal bytes get slots of their own", () => {
    rig = makeRig(new FakeHardware());
    const held = [makeKey(9), makeKey(9)].map(rig.get);
    expect(held.map((each) => each.slotIndex)).toEqual([0, 1]);
    held.map(rig.put);
  });

  it("[PROF-11] [PROF-12] replaces the slot whose last user left first, with one program call", () => {
    const { log } = start(2);
    const [first, second] = [rig.get(a), rig.get(b)];
    rig.put(second);
    rig.put(first);
    rig.put(rig.get(c));
    expect(log.slice(2)).toEqual(["program 1 2"]);
    rig.put(rig.get(b));
    expect(log.slice(3)).toEqual(["program 0 1"]);
  });

  it("[PROF-11] using a slot again makes it recent", () => {
    const { log } = start(2);
    rig.put(rig.get(a));
    rig.put(rig.get(b));
    rig.put(rig.get(a));
    rig.put(rig.get(c));
    expect(log.slice(2)).toEqual(["program 1 2"]);
  });

  it("[PROF-17] [CORE-18] without slots there is nothing to get", () => {
    const { log } = start(0);
    const held = rig.get(a);
    expect([held.answers, held.slot, log]).toEqual([[BlkStatus.OK], null, []]);
  });

  it("a slot is not put more often than got", () => {
    start(1);
    const { slot } = rig.get(a);
    rig.profile.putKeyslot(slot!);
    expect(() => rig.profile.putKeyslot(slot!)).toThrow(/more often than got/);
  });
});

describe("waiting for keyslots", () => {
  it("[PROF-13] [PROF-14] waits while all are in use, in order, and never inside put", () => {
    const { log } = start(1);
    const holder = rig.get(a);
    const waiting = [rig.get(b), rig.get(c)];
    rig.put(holder);
    expect(waiting.map((each) => each.answers)).toEqual([[], []]);
    rig.executor.runUntilIdle();
    expect(waiting.map((each) => each.answers)).toEqual([[BlkStatus.OK], []]);
    rig.put(waiting[0]!);
    rig.executor.runUntilIdle();
    rig.put(waiting[1]!);
    expect(log).toEqual(["program 0 0", "program 0 1", "program 0 2"]);
  });

  it("[PROF-13] two waiters with one key need one programming, whoever stands between them", () => {
    const { log } = start(1);
    const holder = rig.get(a);
    const waiting = [rig.get(b), rig.get(c), rig.get(b)] as const;
    rig.put(holder);
    rig.executor.runUntilIdle();
    expect(waiting.map((each) => each.slotIndex)).toEqual([0, undefined, 0]);
    expect(log).toEqual(["program 0 0", "program 0 1"]);
    rig.put(waiting[0]);
    rig.put(waiting[2]);
    rig.executor.runUntilIdle();
    rig.put(waiting[1]);
  });

  it("[PROF-9] [PROF-13] nor do two waiters with one key get two slots that become idle at once", () => {
    const { log } = start(2);
    const holders = [rig.get(a), rig.get(b)];
    const waiting = [rig.get(c), rig.get(c)];
    holders.map(rig.put);
    rig.executor.runUntilIdle();
    expect(waiting.map((each) => each.slotIndex)).toEqual([0, 0]);
    expect(log.slice(2)).toEqual(["program 0 2"]);
    waiting.map(rig.put);
  });

  it("[PROF-13] a key that is in a slot is used although others wait", () => {
    start(1);
    const holder = rig.get(a);
    const waiter = rig.get(b);
    const again = rig.get(a);
    expect([again.slotIndex, waiter.answers]).toEqual([0, []]);
    rig.put(holder);
    rig.put(again);
    rig.executor.runUntilIdle();
    rig.put(waiter);
  });

  it("those who come later stand in line, even when a slot has just become idle", () => {
    const { log } = start(1);
    const holder = rig.get(a);
    const first = rig.get(b);
    rig.put(holder);
    const second = rig.get(c);
    rig.executor.runUntilIdle();
    expect(log.at(-1)).toBe("program 0 1");
    rig.put(first);
    rig.executor.runUntilIdle();
    rig.put(second);
  });

  it("a waiter does not wait twice", () => {
    start(1);
    const holder = rig.get(a);
    const waiter = rig.get(b);
    expect(() => rig.profile.getKeyslot(waiter)).toThrow(/waits twice/);
    rig.put(holder);
    rig.executor.runUntilIdle();
    rig.put(waiter);
  });

  it("a grant may get, put and wait again", () => {
    const { log } = start(1);
    const holder = rig.get(a);
    const nested: ReturnType<typeof rig.get>[] = [];
    const waiter = rig.get(b);
    const push = waiter.answers.push.bind(waiter.answers);
    waiter.answers.push = (...statuses) => {
      nested.push(rig.get(c));
      rig.put(waiter);
      return push(...statuses);
    };
    rig.put(holder);
    rig.executor.runUntilIdle();
    expect(nested[0]!.answers).toEqual([BlkStatus.OK]);
    rig.put(nested[0]!);
    expect(log).toEqual(["program 0 0", "program 0 1", "program 0 2"]);
  });
});

describe("failing to program", () => {
  it("[PROF-15] [PROF-16] passes the status on, leaves the slot idle in its place and drops what it held", () => {
    const hardware = start(2);
    rig.put(rig.get(a));
    rig.put(rig.get(b));
    hardware.failures.push("ETIMEDOUT");
    expect(rig.get(c).answers).toEqual([BlkStatus.TIMEOUT]);
    expect(rig.profile.slotTable()[0]).toMatchObject({ key: null, references: 0, programmings: 1 });
    rig.put(rig.get(a));
    expect(hardware.log.slice(2)).toEqual(["program 0 2", "program 0 0"]);
  });

  it("[PROF-15] lets the next waiter have the slot", () => {
    const hardware = start(1);
    const holder = rig.get(a);
    const waiting = [rig.get(b), rig.get(c)] as const;
    hardware.failures.push("EIO");
    rig.put(holder);
    rig.executor.runUntilIdle();
    expect(waiting.map((each) => each.answers)).toEqual([[BlkStatus.IOERR], [BlkStatus.OK]]);
    rig.put(waiting[1]);
  });

  it.each([
    ["EOPNOTSUPP", BlkStatus.NOTSUPP],
    ["ENOMEM", BlkStatus.RESOURCE],
    ["EAGAIN", BlkStatus.AGAIN],
    ["EBUSY", BlkStatus.DEV_RESOURCE],
    ["ENODEV", BlkStatus.OFFLINE],
    ["EINVAL", BlkStatus.INVAL],
    ["EBADMSG", BlkStatus.IOERR],
  ] as const)("[PROF-15] %s becomes the block layer's status", (errno, status) => {
    start(1).failures.push(errno);
    expect(rig.get(a).answers).toEqual([status]);
  });

  it("an error without a code is an I/O error", () => {
    rig = makeRig(new FakeHardware(...keys), {
      llOps: {
        keyslotProgram() {
          throw new Error("dead");
        },
        keyslotEvict() {},
      },
    });
    expect(rig.get(a).answers).toEqual([BlkStatus.IOERR]);
  });

  it("a driver's broken invariant is no status: it goes on, and the hardware is free again", () => {
    const hardware = start(1);
    const program = hardware.keyslotProgram;
    hardware.keyslotProgram = () => {
      throw new BlkBug("the driver is confused");
    };
    expect(() => rig.get(a)).toThrow("the driver is confused");
    hardware.keyslotProgram = program;
    rig.put(rig.get(a));
  });

  it("[API-15] a wiped key is refused, not programmed as zeroes", () => {
    const programmed: number[] = [];
    rig = makeRig(new FakeHardware(), {
      llOps: {
        keyslotProgram: (key) => key.withBytes((bytes) => void programmed.push(bytes[0]!)),
        keyslotEvict() {},
      },
    });
    const key = makeKey();
    key.wipe();
    expect([rig.get(key).answers, programmed]).toEqual([[BlkStatus.IOERR], []]);
  });
});

describe("asynchronous drivers", () => {
  it("[PROF-28] [CORE-17] a slot is granted when the driver is done, one op at a time", async () => {
    const hardware = start(2);
    hardware.asynchronous = true;
    const waiting = [rig.get(a), rig.get(b), rig.get(a)] as const;
    await rig.settle();
    expect([hardware.log, waiting[0].answers]).toEqual([["program 0 0"], []]);
    hardware.settle();
    await rig.settle();
    expect(hardware.log).toEqual(["program 0 0", "program 1 1"]);
    expect(waiting.map((each) => each.answers)).toEqual([[BlkStatus.OK], [], [BlkStatus.OK]]);
    hardware.settle();
    await rig.settle();
    expect(waiting.map((each) => each.slotIndex)).toEqual([0, 1, 0]);
    waiting.map(rig.put);
  });

  it("[PROF-16] while a slot is programmed nobody uses its former key", async () => {
    const hardware = start(1);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const next = rig.get(b);
    const former = rig.get(a);
    expect([next.answers, former.answers]).toEqual([[], []]);
    hardware.settle();
    await rig.settle();
    expect([next.answers, former.answers]).toEqual([[BlkStatus.OK], []]);
    rig.put(next);
    await rig.settle();
    hardware.settle();
    await rig.settle();
    rig.put(former);
  });

  it("[PROF-15] a rejected promise fails the waiter, and the next has its turn", async () => {
    const hardware = start(1);
    hardware.asynchronous = true;
    hardware.failures.push("ETIMEDOUT");
    const waiting = [rig.get(a), rig.get(b)] as const;
    hardware.settle();
    await rig.settle();
    expect(waiting[0].answers).toEqual([BlkStatus.TIMEOUT]);
    hardware.settle();
    await rig.settle();
    expect(waiting[1].answers).toEqual([BlkStatus.OK]);
    rig.put(waiting[1]);
  });

  it("[PROF-27] a key in a slot is used while the driver is busy with another", async () => {
    const hardware = start(2);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const busy = rig.get(b);
    const reused = rig.get(a);
    expect([busy.answers, reused.answers]).toEqual([[], [BlkStatus.OK]]);
    hardware.settle();
    await rig.settle();
    rig.put(busy);
    rig.put(reused);
  });
});

describe("reprogramming after the hardware lost its keys", () => {
  it("[PROF-24] programs every slot that has a key at its index, busy or idle, and goes on after a failure", async () => {
    const hardware = start(4);
    const busy = rig.get(a);
    [b, c].map(rig.get).map(rig.put);
    hardware.slots.clear();
    hardware.failures.push("EIO");
    await rig.profile.reprogramAllKeys();
    expect(hardware.log.slice(3)).toEqual(["program 0 0", "program 1 1", "program 2 2"]);
    expect([...hardware.slots]).toEqual([
      [1, b],
      [2, c],
    ]);
    expect(rig.tracer.events).toEqual(['blk_crypto_reprogram_all_keys {"slotIndex":0,"error":"EIO"}']);
    rig.put(busy);
    rig.put(rig.get(a));
    expect(hardware.log.at(-1)).toBe("program 3 0");
  });

  it("[PROF-24] is nothing without slots", async () => {
    const hardware = start(0);
    await rig.profile.reprogramAllKeys();
    expect(hardware.log).toEqual([]);
  });

  it("a driver's broken invariant is not swallowed, and slots are reused again after it", async () => {
    const hardware = start(1);
    rig.put(rig.get(a));
    const program = hardware.keyslotProgram;
    hardware.keyslotProgram = () => {
      throw new BlkBug("the driver is confused");
    };
    await expect(rig.profile.reprogramAllKeys()).rejects.toThrow("the driver is confused");
    hardware.keyslotProgram = program;
    rig.put(rig.get(a));
    rig.put(rig.get(a));
    expect(hardware.log).toEqual(["program 0 0", "program 0 0"]);
  });

  it("I/O that comes meanwhile waits, even for a key that was in a slot", async () => {
    const hardware = start(2);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const done = rig.profile.reprogramAllKeys();
    const waiters = [rig.get(a), rig.get(d)] as const;
    await rig.settle();
    expect(waiters.map((each) => each.answers)).toEqual([[], []]);
    hardware.settle();
    await rig.settle();
    await done;
    expect(waiters.map((each) => each.answers)).toEqual([[BlkStatus.OK], []]);
    hardware.settle();
    await rig.settle();
    expect(hardware.log).toEqual(["program 0 0", "program 0 0", "program 1 3"]);
    waiters.map(rig.put);
  });
});

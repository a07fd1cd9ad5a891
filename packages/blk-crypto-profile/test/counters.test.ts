import { BlkStatus } from "@inlinecrypt/blk-core";
import { formatSlotTable, type KeyslotInfo } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeRig, type Rig } from "./support.ts";

const keys = [makeKey(0), makeKey(1), makeKey(2)] as const;
const [a, b, c] = keys;
let rig: Rig;
afterEach(() => expectIdle(rig));

const start = (slotCount = 1): FakeHardware => {
  rig = makeRig(new FakeHardware(...keys), { slotCount });
  return rig.hardware;
};
const counters = (slotIndex = 0): Omit<KeyslotInfo, "slotIndex" | "key" | "references"> => {
  const { programmings, hits, waits, evictions, longestWaitMs } = rig.profile.slotTable()[slotIndex]!;
  return { programmings, hits, waits, evictions, longestWaitMs };
};

describe("counters of a slot", () => {
  it("tell programmings from hits, and evictions from replacements", async () => {
    start();
    for (const key of [a, a, a, b]) rig.put(rig.get(key));
    expect(counters()).toEqual({ programmings: 2, hits: 2, waits: 0, evictions: 0, longestWaitMs: 0 });
    await rig.profile.evictKey(a);
    await rig.profile.evictKey(b);
    expect(counters()).toMatchObject({ programmings: 2, evictions: 1 });
  });

  it("count a slot that could not be programmed as nothing", () => {
    const hardware = start();
    hardware.failures.push("EIO");
    rig.get(a);
    expect(counters()).toEqual({ programmings: 0, hits: 0, waits: 0, evictions: 0, longestWaitMs: 0 });
  });

  it("count reprogramming", async () => {
    start();
    rig.put(rig.get(a));
    await rig.profile.reprogramAllKeys();
    expect(counters()).toMatchObject({ programmings: 2 });
  });

  it("know the longest wait on the executor's clock, hits after waiting too", () => {
    start();
    const holder = rig.get(a);
    const waiting = [rig.get(b), rig.get(b), rig.get(c)] as const;
    rig.executor.advance(5);
    rig.put(holder);
    rig.executor.runUntilIdle();
    expect(counters()).toMatchObject({ programmings: 2, hits: 1, waits: 2, longestWaitMs: 5 });
    rig.executor.advance(2);
    waiting.slice(0, 2).map(rig.put);
    rig.executor.runUntilIdle();
    rig.put(waiting[2]);
    expect(counters()).toMatchObject({ programmings: 3, waits: 3, longestWaitMs: 7 });
    rig.put(rig.get(c));
    expect(counters()).toMatchObject({ hits: 2, waits: 3, longestWaitMs: 7 });
  });

  it("count the time a driver takes as waiting", async () => {
    const hardware = start();
    hardware.asynchronous = true;
    const user = rig.get(a);
    rig.executor.advance(3);
    hardware.settle();
    await rig.settle();
    expect(counters()).toMatchObject({ programmings: 1, waits: 1, longestWaitMs: 3 });
    rig.put(user);
  });
});

describe("tracepoints", () => {
  it("tell of programmings, evictions, waits and grants while somebody listens", async () => {
    const hardware = start();
    const { tracepoints } = rig.profile;
    const log: unknown[][] = [];
    const name = (key: (typeof keys)[number]): number => keys.indexOf(key);
    const stop = [
      tracepoints.keyslotProgram.subscribe((key, slot, status) => log.push(["program", name(key), slot, status])),
      tracepoints.keyslotEvict.subscribe((key, slot, status) => log.push(["evict", name(key), slot, status])),
      tracepoints.keyslotWait.subscribe((key) => log.push(["wait", name(key)])),
      tracepoints.keyslotGrant.subscribe((key, slot, waitedMs) => log.push(["grant", name(key), slot, waitedMs])),
    ];
    const holder = rig.get(a);
    const waiter = rig.get(b);
    rig.executor.advance(4);
    hardware.failures.push("ETIMEDOUT");
    rig.put(holder);
    const next = rig.get(c);
    rig.executor.runUntilIdle();
    expect(waiter.answers).toEqual([BlkStatus.TIMEOUT]);
    rig.put(next);
    hardware.failures.push("EIO");
    await rig.profile.evictKey(c);
    rig.put(rig.get(a));
    await rig.profile.evictKey(a);
    expect(log).toEqual([
      ["program", 0, 0, BlkStatus.OK],
      ["wait", 1],
      ["wait", 2],
      ["program", 1, 0, BlkStatus.TIMEOUT],
      ["program", 2, 0, BlkStatus.OK],
      ["grant", 2, 0, 0],
      ["evict", 2, 0, BlkStatus.IOERR],
      ["program", 0, 0, BlkStatus.OK],
      ["evict", 0, 0, BlkStatus.OK],
    ]);
    for (const each of stop) each();
    expect(Object.values(tracepoints).map((each) => each.emit)).toEqual([null, null, null, null]);
  });

  it("tell of reprogramming, and of a slot that fails", async () => {
    const hardware = start(2);
    for (const key of [a, b]) rig.put(rig.get(key));
    const log: unknown[][] = [];
    rig.profile.tracepoints.keyslotProgram.subscribe((key, slot, status) =>
      log.push([keys.indexOf(key as never), slot, status]),
    );
    hardware.failures.push("ENODEV");
    await rig.profile.reprogramAllKeys();
    expect(log).toEqual([
      [0, 0, BlkStatus.OFFLINE],
      [1, 1, BlkStatus.OK],
    ]);
  });
});

it("formatSlotTable prints a line a slot", () => {
  start(2);
  const holder = rig.get(a);
  const [used, empty] = rig.profile.slotTable();
  rig.put(holder);
  expect(formatSlotTable([{ ...used!, hits: 120, waits: 2, longestWaitMs: 1.504 }, empty!])).toBe(
    [
      "slot  key               users  programmings  hits  waits  evictions  longest wait",
      "0     AES-256-XTS 4096  1      1             120   2      0          1.50 ms",
      "1     -                 0      0             0     0      0          -",
      "",
    ].join("\n"),
  );
});

import { BlkError, BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MapResult } from "../src/index.js";
import { HoldingTarget } from "./holding-target.js";
import { pattern, Rig, read } from "./support.js";

describe("the life of a mapped device", () => {
  let rig: Rig;
  let holding: HoldingTarget;
  beforeEach(() => {
    rig = new Rig();
    holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
  });
  afterEach(() => rig.close());

  it("has no disk before a table is loaded, no size before one is live, and fails I/O until then", async () => {
    const sda = rig.ram("sda");
    const device = await rig.dm.create({ name: "dm", uuid: "U-1" });
    expect(() => device.bdev).toThrow(/no table has been loaded \(ENXIO\)/);
    await expect(device.resume()).rejects.toMatchObject({ code: "EINVAL" });
    await device.load("0 64 linear sda 8");
    expect(device.bdev.sectorCount).toBe(0);
    expect(device.info()).toMatchObject({ liveTable: false, inactiveTable: true });
    expect(rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512)).ends).toEqual([BlkStatus.IOERR]);
    await rig.run(device.resume());
    const data = pattern(512);
    await device.bdev.write(0, data);
    expect(read(sda, 8, 512)).toEqual(data);
    expect(device.info()).toEqual({
      name: "dm",
      uuid: "U-1",
      state: "ACTIVE",
      readOnly: false,
      liveTable: true,
      inactiveTable: false,
      openCount: 0,
      eventNr: 0,
      targetCount: 1,
    });
  });

  it("may be loaded on another whose table is not live yet, and take I/O once both are", async () => {
    const disk = rig.ram("r");
    const [low, top] = [await rig.dm.create({ name: "low" }), await rig.dm.create({ name: "top" })];
    await low.load("0 64 linear r 8");
    await top.load("0 32 linear low 16");
    await top.resume();
    expect(rig.submit(top.bdev, ReqOp.WRITE, 0, pattern(512)).ends).toEqual([BlkStatus.IOERR]);
    await low.resume();
    expect(rig.submit(top.bdev, ReqOp.WRITE, 0, pattern(512)).ends).toEqual([BlkStatus.OK]);
    expect(read(disk, 24, 512)).toEqual(pattern(512));
    await expect(top.load("0 64 linear low 16")).rejects.toMatchObject({ code: "EINVAL" });
  });

  it("refuses a table without devices that is no whole blocks of those it has had", async () => {
    rig.sim("sd4k", { limits: { logicalBlockBytes: 4096, physicalBlockBytes: 4096 } });
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 1024 linear sd4k 0" }));
    await expect(device.load("0 1001 error")).rejects.toThrow(/1001 sectors from 0, .* logical block has 4096 bytes/);
    await device.load("0 1000 error");
    await rig.run(device.resume());
    expect([device.bdev.sectorCount, device.bdev.queue.limits.logicalBlockBytes]).toEqual([1000, 4096]);
  });

  it("tells targets of each step, in order, and destroys those of a table that is replaced", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
    expect(holding.calls).toEqual(["preresume", "resume"]);
    holding.calls.length = 0;
    await rig.run(device.suspend());
    expect(holding.calls).toEqual(["presuspend", "postsuspend"]);
    await rig.run(device.resume());
    await device.load("0 64 holding sda 64");
    holding.calls.length = 0;
    await rig.run(device.resume());
    expect(holding.calls).toEqual(["presuspend", "postsuspend", "preresume", "resume", "dtr"]);
    await device.load("0 64 error");
    holding.calls.length = 0;
    await device.clear();
    expect(device.table("inactive")).toEqual([]);
    await rig.run(device.remove());
    expect(holding.calls).toEqual(["presuspend", "postsuspend", "dtr"]);
  });

  it("I/O waits while it is suspended, and goes to the new table afterwards, in order", async () => {
    const sda = rig.ram("sda");
    const sdb = rig.ram("sdb");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 linear sda 0" }));
    await rig.run(device.suspend());
    expect(device.info().state).toBe("SUSPENDED");
    const first = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512, 1));
    const second = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512, 2));
    const hurried = rig.submit(device.bdev, ReqOp.WRITE | ReqFlag.NOWAIT, 0, pattern(512, 3));
    rig.executor.runUntilIdle();
    expect([first.ends, second.ends, hurried.ends]).toEqual([[], [], [BlkStatus.AGAIN]]);
    await device.load("0 64 linear sdb 0");
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect([first.ends, second.ends]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(read(sdb, 0, 512)).toEqual(pattern(512, 2));
    expect(read(sda, 0, 512)).toEqual(new Uint8Array(512));
  });

  it("suspend waits for what is under way; I/O beyond a table that has shrunk fails", async () => {
    rig.sim("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 linear sda 0" }));
    const slow = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(4096));
    const suspended = device.suspend();
    await rig.run(suspended);
    expect(slow.ends).toEqual([BlkStatus.OK]);
    const beyond = rig.submit(device.bdev, ReqOp.READ, 32, new Uint8Array(512));
    await device.load("0 32 linear sda 0");
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(beyond.ends).toEqual([BlkStatus.IOERR]);
    expect(device.bdev.sectorCount).toBe(32);
  });

  it("a suspend that would wait for ever can be cancelled, and the device goes on", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
    holding.answer = MapResult.SUBMITTED;
    const held = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    holding.calls.length = 0;
    const suspended = device.suspend();
    const refused = expect(suspended).rejects.toMatchObject({ code: "EINTR" });
    await Promise.resolve();
    const waiting = rig.submit(device.bdev, ReqOp.WRITE, 8, pattern(512));
    expect(held.ends).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    device.cancelSuspend();
    await refused;
    expect(holding.calls).toEqual(["presuspend", "presuspendUndo"]);
    rig.executor.runUntilIdle();
    for (const io of holding.held) io.submit();
    expect([held.ends, waiting.ends]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
  });

  it("a suspend that a target refuses does not take place: I/O goes on, and the next suspend is one like any other", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0\n64 64 holding sda 64" }));
    holding.presuspend = () => {
      holding.presuspend = () => {};
      throw new BlkError("EIO", "holding", "not now");
    };
    holding.calls.length = 0;
    await expect(device.suspend()).rejects.toThrow(/not now/);
    expect(holding.calls).toEqual(["presuspend", "presuspend", "presuspendUndo", "presuspendUndo"]);
    expect(device.suspended).toBe(false);
    const first = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(first.ends).toEqual([BlkStatus.OK]);
    await rig.run(device.suspend());
    const second = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(second.ends).toEqual([]);
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(second.ends).toEqual([BlkStatus.OK]);
  });

  it("stays suspended when a target does not resume, and resumes when it does", async () => {
    rig.ram("sda");
    const device = await rig.dm.create({ name: "dm" });
    await device.load("0 64 holding sda 0");
    holding.preresume = () => Promise.reject(new BlkError("EIO", "holding", "not yet"));
    await expect(rig.run(device.resume())).rejects.toMatchObject({ code: "EIO" });
    expect(device.suspended).toBe(true);
    holding.preresume = () => {};
    await rig.run(device.resume());
    expect(device.suspended).toBe(false);
    await expect(device.suspend().then(() => device.suspend())).rejects.toMatchObject({ code: "EINVAL" });
  });

  it("messages go to a target, events wake who waits, until the device is removed", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0\n64 8 error" }));
    const event = device.waitEvent(0);
    expect(device.message(3, " event  now ")).toBe("heard event now");
    expect(await event).toBe(1);
    expect(device.eventNr).toBe(1);
    expect(await device.waitEvent(0)).toBe(1);
    expect(() => device.message(64, "x")).toThrow(/takes no messages/);
    expect(() => device.message(72, "x")).toThrow(/no target at sector 72/);
    const never = device.waitEvent(1);
    const refused = expect(never).rejects.toMatchObject({ code: "ENXIO" });
    await rig.run(device.remove());
    await refused;
    for (const after of [0, 1]) await expect(device.waitEvent(after)).rejects.toMatchObject({ code: "ENXIO" });
  });

  it.each([
    ["", "", /the name "", expected 1 to 127 characters/],
    ["a/b", "", /the name "a\/b"/],
    ["..", "", /the name "\.\."/],
    ["control", "", /not "control"/],
    ["a".repeat(128), "", /expected 1 to 127 characters/],
    ["dm", "U".repeat(129), /a UUID of 129 characters, expected at most 128/],
  ])("no device can be called %j, with UUID %j", async (name, uuid, message) => {
    const refused = rig.dm.create({ name, uuid });
    await expect(refused).rejects.toMatchObject({ code: "EINVAL", message: expect.stringMatching(message) });
    expect(rig.dm.devices()).toEqual([]);
  });

  it("names and UUIDs are unique, and a device in use is not removed", async () => {
    rig.ram("sda");
    const low = await rig.dm.create({ name: "low", uuid: "u", table: "0 64 linear sda 0" });
    await expect(rig.dm.create({ name: "low" })).rejects.toMatchObject({ code: "EBUSY" });
    await expect(rig.dm.create({ name: "other", uuid: "u" })).rejects.toMatchObject({ code: "EBUSY" });
    const top = await rig.dm.create({ name: "top", table: "0 64 linear /dev/mapper/low 0" });
    expect(low.openCount).toBe(1);
    await expect(low.remove()).rejects.toMatchObject({ code: "EBUSY" });
    await rig.run(top.remove());
    await rig.run(low.remove());
    expect(() => rig.dm.get("low")).toThrow(/no mapped device low/);
    await expect(low.suspend()).rejects.toMatchObject({ code: "ENXIO" });
  });

  it("devices do not map to themselves, by whatever way", async () => {
    rig.ram("sda");
    const low = await rig.dm.create({ name: "low", table: "0 64 linear sda 0" });
    const middle = await rig.dm.create({ name: "middle", table: "0 64 linear low 0" });
    await rig.dm.create({ name: "top", table: "0 64 linear middle 0" });
    await expect(low.load("0 64 linear low 0")).rejects.toThrow(/low: the device cannot map to itself \(EINVAL\)/);
    const way = /low: the device cannot map to itself, which top maps to \(EINVAL\)/;
    await expect(low.load("0 64 linear top 0")).rejects.toThrow(way);
    await middle.load("0 64 linear sda 0");
    await expect(low.load("0 64 linear middle 0")).rejects.toThrow(/itself, which middle maps to/);
    await rig.run(middle.resume());
    await low.load("0 64 linear middle 0");
    expect([low.openCount, middle.openCount]).toEqual([0, 2]);
  });

  it("disposal waits for a removal under way, and for nothing after it", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
    holding.answer = MapResult.SUBMITTED;
    rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    const removed = device.remove();
    let disposed = false;
    const disposal = rig.dm[Symbol.asyncDispose]().then(() => {
      disposed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(disposed).toBe(false);
    holding.held.pop()!.end(BlkStatus.OK);
    await rig.run(removed);
    await rig.run(disposal);
    await device[Symbol.asyncDispose]();
    expect(rig.dm.devices()).toEqual([]);
  });

  it("a target that fails at its end does not keep the device", async () => {
    rig.ram("sda");
    const low = await rig.run(rig.dm.create({ name: "low", table: "0 64 linear sda 0" }));
    const table = "0 64 holding sda 0\n64 64 holding low 0";
    const device = await rig.run(rig.dm.create({ name: "dm", table }));
    await device.load("0 64 holding sda 0");
    holding.calls.length = 0;
    holding.dtr = () => {
      throw new BlkError("EIO", "holding", "no end");
    };
    await expect(rig.run(device.remove())).rejects.toThrow(/no end/);
    expect(holding.calls.filter((call) => call === "dtr")).toHaveLength(3);
    expect([rig.dm.devices(), low.openCount]).toEqual([[low], 0]);
  });

  it("a table that fails says why, whatever its targets say at their end", async () => {
    rig.ram("sda");
    holding.dtr = () => {
      throw new BlkError("EIO", "holding", "no end");
    };
    const create = (table: string) => rig.run(rig.dm.create({ name: "dm", table }));
    await expect(create("0 64 holding sda 0\n64 64 unknown")).rejects.toThrow(/unknown target type/);
    await expect(create("0 64 holding sda 32760")).rejects.toThrow(/sectors 32760 to 32824 of sda/);
    holding.preresume = () => {
      throw new BlkError("EIO", "holding", "no start");
    };
    await expect(create("0 64 holding sda 0")).rejects.toThrow(/no start/);
    expect(rig.dm.devices()).toEqual([]);
    holding.preresume = () => {};
    const device = await create("0 64 holding sda 0");
    holding.preresume = () => {
      throw new BlkError("EIO", "holding", "no next start");
    };
    await device.load("0 64 holding sda 0");
    await expect(rig.run(device.resume())).rejects.toThrow(/no next start/);
    holding.dtr = () => {};
  });

  it("removal ends what waits with IOERR, waits for what is under way, and refuses what comes", async () => {
    rig.sim("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 linear sda 0" }));
    const { bdev } = device;
    const slow = rig.submit(bdev, ReqOp.WRITE, 0, pattern(4096));
    const removed = rig.run(device.remove());
    await removed;
    expect(slow.ends).toEqual([BlkStatus.OK]);
    expect(rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512)).ends).toEqual([BlkStatus.IOERR]);
    const other = await rig.run(rig.dm.create({ name: "dm", table: "0 64 linear sda 0" }));
    await rig.run(other.suspend());
    const waiting = rig.submit(other.bdev, ReqOp.READ, 0, new Uint8Array(512));
    await rig.run(other.remove());
    expect(waiting.ends).toEqual([BlkStatus.IOERR]);
  });

  it("removal cannot be cancelled: it waits for what targets keep", async () => {
    rig.ram("sda");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
    holding.answer = MapResult.SUBMITTED;
    const held = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    const removed = device.remove();
    await new Promise((resolve) => setImmediate(resolve));
    device.cancelSuspend();
    await new Promise((resolve) => setImmediate(resolve));
    expect(holding.calls).not.toContain("dtr");
    holding.held.pop()!.end(BlkStatus.OK);
    await rig.run(removed);
    expect([held.ends, holding.calls.at(-1)]).toEqual([[BlkStatus.OK], "dtr"]);
  });

  it("a read-only device refuses writes", async () => {
    rig.ram("sda");
    const device = await rig.dm.create({ name: "dm", table: "0 64 linear sda 0", readOnly: true });
    await expect(device.bdev.write(0, pattern(512))).rejects.toMatchObject({ code: "EPERM" });
  });
});

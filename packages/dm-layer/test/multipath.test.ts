import { BlkError, BlkMqQueue, type BlkRequest, BlkStatus, GenDisk, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { FaultPlan, SeededRandom, SimMedium } from "@inlinecrypt/blk-sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MappedDevice, multipathTarget } from "../src/index.js";
import { pattern, Rig, read, type SubmittedBio } from "./support.js";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const create = (table: string, name = "mp") => rig.run(rig.dm.create({ name, table }));
const ends = (bios: readonly SubmittedBio[]) => bios.map(({ ends: each }) => each.map(Number).join());

/** Two disks with one medium: two ways to one device. */
function twoPaths(options: { writeCache?: boolean } = {}) {
  const medium = new SimMedium({ bytes: 16 * 2 ** 20, blockBytes: 512 });
  return ["a", "b"].map((name) => {
    const faults = new FaultPlan(new SeededRandom(name));
    return { faults, disk: rig.sim(name, { medium, bytes: undefined as never, faults, ...options }) };
  }) as [Way, Way];
}
interface Way {
  readonly faults: FaultPlan;
  readonly disk: ReturnType<Rig["sim"]>;
}

/** The disk that a read of a multipath device has come to last. */
function pathUsedBy(device: MappedDevice): string | undefined {
  const used: string[] = [];
  const unsubscribe = rig.layer.tracepoints.blockRqIssue.subscribe((rq) => used.push(rq.queue.disk!.name));
  rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
  rig.executor.runUntilIdle();
  unsubscribe();
  return used.at(-1);
}

/** A disk that takes all requests, and ends them for want of resources. */
function wantingPath(name: string): void {
  const queueRq = (rq: BlkRequest): BlkStatus => {
    rq.complete(BlkStatus.RESOURCE);
    return BlkStatus.OK;
  };
  const queue = new BlkMqQueue(rig.layer, { ops: { queueRq } });
  rig.devices.set(name, new GenDisk({ name, queue, sectorCount: 4096 }).part0);
}

const TWO_PATHS = "0 1024 multipath 0 0 1 1 round-robin 0 2 1 a 1 b 1";
/** It begins with the second. */
const THREE_GROUPS = "0 64 multipath 0 0 3 2 round-robin 0 1 0 a round-robin 0 1 0 b round-robin 0 1 0 c";

describe("multipath tables", () => {
  it("print back as dmsetup does, with a status of groups and paths", async () => {
    twoPaths();
    rig.sim("c");
    const lines = ["0 64 multipath 1 queue_if_no_path 0 2 1 round-robin 0 2 1 a 1 b 1 service-time 0 1 2 c 1 50"];
    const device = await create(lines[0]!);
    expect(device.table()).toEqual(lines);
    expect(device.status()).toEqual(["0 64 multipath 2 0 0 0 2 1 E 0 2 0 a A 0 b A 0 E 0 1 2 c A 0 0 50"]);
    await device.load(device.table().join("\n"));
    device.message(0, "fail_path b");
    device.message(0, "disable_group 2");
    expect(device.status()).toEqual(["0 64 multipath 2 0 0 0 2 1 E 0 2 0 a A 0 b F 1 D 0 1 2 c A 0 0 50"]);
    expect(device.eventNr).toBe(2);
  });

  it.each([
    ["0 0", "the number of priority groups is missing"],
    ["1 magic 0 1 1 round-robin 0 1 0 a", "unknown feature"],
    ["0 1 alua 1 1 round-robin 0 1 0 a", "no hardware handlers"],
    ["0 0 1 2 round-robin 0 1 0 a", "the first priority group is a decimal number, 1 to 1"],
    ["0 0 1 1 queue-length 0 1 0 a", "unknown path selector"],
    ["0 0 1 1 round-robin 0 0 0", "the number of paths"],
    ["0 0 1 1 round-robin 0 2 1 a 1 b", "path arguments are announced"],
    ["0 0 1 1 round-robin 0 1 0 ram", "ram takes bios"],
    ["0 0 1 1 round-robin 0 1 0 part", "a partition"],
  ])("%s is refused: %s", async (args, message) => {
    const [a] = twoPaths();
    rig.ram("ram");
    rig.devices.set("part", a.disk.disk.partition("part", 0, 1024));
    await expect(create(`0 64 multipath ${args}`)).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining(message),
    });
  });

  it("a device takes requests or bios for good, and multipath stays multipath, or error", async () => {
    twoPaths();
    const device = await create(TWO_PATHS);
    expect(device.bdev.queue).toBeInstanceOf(BlkMqQueue);
    await expect(device.load("0 1024 linear a 0")).rejects.toThrow(/takes requests|takes bios/);
    await device.load("0 1024 error");
    await rig.run(device.resume());
    const failed = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(failed.ends).toEqual([BlkStatus.IOERR]);
    const linear = await create("0 64 linear a 0", "bios");
    await expect(linear.load(TWO_PATHS)).rejects.toThrow(/takes bios|takes requests/);
  });
});

describe("requests on several paths", () => {
  it("take turns, and all operations work", async () => {
    const [a, b] = twoPaths();
    const { bdev } = await create(TWO_PATHS);
    const data = pattern(4096);
    const bios = [0, 64, 128, 192].map((sector) => rig.submit(bdev, ReqOp.WRITE, sector, data));
    rig.executor.runUntilIdle();
    bios.push(rig.submit(bdev, ReqOp.DISCARD, 0, 8), rig.submit(bdev, ReqOp.WRITE_ZEROES, 64, 8));
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0", "0", "0", "0", "0"]);
    expect([a.disk.seen.writes, b.disk.seen.writes]).toEqual([2, 2]);
    const back = new Uint8Array(4096);
    rig.submit(bdev, ReqOp.READ, 128, back);
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it("flushes and FUA writes go down", async () => {
    const disk = rig.sim("a", { writeCache: true });
    const { bdev } = await create("0 64 multipath 0 0 1 1 round-robin 0 1 0 a");
    const bios = [
      rig.submit(bdev, ReqOp.WRITE | ReqFlag.FUA, 0, pattern(512)),
      rig.submit(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0),
    ];
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0"]);
    expect(disk.seen.flushes).toBeGreaterThan(0);
  });

  it("service-time prefers the path with less under way for what it can do", async () => {
    const [a, b] = twoPaths();
    const device = await create("0 4096 multipath 0 0 1 1 service-time 0 2 2 a 1 30 b 1 10");
    const { bdev } = device;
    const bios = Array.from({ length: 40 }, (_, index) => rig.submit(bdev, ReqOp.WRITE, index * 64, pattern(4096)));
    rig.executor.runUntilIdle();
    expect(new Set(ends(bios))).toEqual(new Set(["0"]));
    expect([a.disk.seen.writes, b.disk.seen.writes]).toEqual([30, 10]);
    expect(device.status()[0]).toContain("a A 0 0 30 b A 0 0 10");
  });

  it("service-time has equal paths take turns when nothing is under way", async () => {
    const [a, b] = twoPaths();
    const { bdev } = await create("0 1024 multipath 0 0 1 1 service-time 0 2 2 a 1 1 b 1 1");
    for (const sector of [0, 64, 128, 192]) {
      rig.submit(bdev, ReqOp.WRITE, sector, pattern(512));
      rig.executor.runUntilIdle();
    }
    expect([a.disk.seen.writes, b.disk.seen.writes]).toEqual([2, 2]);
  });

  it("service-time uses a path of throughput 0 only when there is no other, for flushes as for data", async () => {
    const [a, b] = twoPaths({ writeCache: true });
    const device = await create("0 1024 multipath 0 0 1 1 service-time 0 2 2 a 1 0 b 1 1");
    const use = () => {
      rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
      rig.submit(device.bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
      rig.executor.runUntilIdle();
    };
    use();
    use();
    expect(a.disk.seen).toMatchObject({ writes: 0, flushes: 0 });
    expect(b.disk.seen).toMatchObject({ writes: 2, flushes: 2 });
    device.message(0, "fail_path b");
    use();
    expect(a.disk.seen).toMatchObject({ writes: 1, flushes: 1 });
  });

  it("a request that fails on one path succeeds on the other, and the path is failed until it is reinstated", async () => {
    const [a, b] = twoPaths();
    const device = await create(TWO_PATHS);
    const fault = a.faults.add({ status: BlkStatus.TRANSPORT });
    const event = device.waitEvent(0);
    const bios = Array.from({ length: 6 }, (_, index) =>
      rig.submit(device.bdev, ReqOp.WRITE, index * 64, pattern(512)),
    );
    rig.executor.runUntilIdle();
    expect(await event).toBe(1);
    expect(new Set(ends(bios))).toEqual(new Set(["0"]));
    expect(device.status()[0]).toContain("A 0 2 0 a F 1 b A 0");
    expect(b.disk.seen.writes).toBe(6);
    a.faults.lift(fault);
    device.message(0, "reinstate_path a");
    const before = a.disk.seen.writes;
    for (const sector of [0, 64]) rig.submit(device.bdev, ReqOp.WRITE, sector, pattern(512));
    rig.executor.runUntilIdle();
    expect(a.disk.seen.writes).toBe(before + 1);
  });

  it("errors of the request itself fail no path", async () => {
    const [a] = twoPaths();
    const device = await create(TWO_PATHS);
    a.faults.add({ status: BlkStatus.MEDIUM });
    const bio = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(bio.ends).toEqual([BlkStatus.MEDIUM]);
    expect(device.status()[0]).toContain("a A 0 b A 0");
  });

  it("groups are used in order, bypassed ones last; switch_group goes where it is told", async () => {
    twoPaths();
    rig.sim("c");
    const device = await create(THREE_GROUPS);
    const use = () => pathUsedBy(device);
    expect(use()).toBe("b");
    device.message(0, "disable_group 2");
    expect(use()).toBe("a");
    device.message(0, "fail_path a");
    expect(use()).toBe("c");
    device.message(0, "fail_path c");
    expect(use()).toBe("b");
    device.message(0, "reinstate_path a");
    device.message(0, "switch_group 1");
    expect(use()).toBe("a");
    expect(device.status()[0]).toContain("3 1 A 0 1 0 a A 1 E 0 1 0 b A 0 E 0 1 0 c F 1");
    expect(() => device.message(0, "switch_group 4")).toThrow(/the group is a decimal number, 1 to 3/);
    expect(() => device.message(0, "fail_path z")).toThrow(/no path z/);
    expect(() => device.message(0, "dance")).toThrow(/unknown message/);
  });

  it("a message that is not all understood does nothing", async () => {
    twoPaths();
    const device = await create(TWO_PATHS);
    const before = [device.table(), device.status(), device.eventNr];
    for (const message of [
      "fail_path a b",
      "queue_if_no_path now",
      "disable_group 1 1",
      "fail_path",
      "switch_group x",
    ]) {
      expect(() => device.message(0, message), message).toThrow(/dm-multipath/);
    }
    expect([device.table(), device.status(), device.eventNr]).toEqual(before);
  });

  it("messages are refused while the device is suspended", async () => {
    twoPaths();
    const device = await create(TWO_PATHS);
    await rig.run(device.suspend());
    const before = [device.table(), device.status(), device.eventNr];
    for (const message of ["fail_path a", "queue_if_no_path", "switch_group 1"]) {
      expect(() => device.message(0, message), message).toThrow(/suspended \(EBUSY\)/);
    }
    expect([device.table(), device.status(), device.eventNr]).toEqual(before);
    await rig.run(device.resume());
    device.message(0, "fail_path a");
    expect(device.status()[0]).toContain("a F 1 b A 0");
  });

  it("a message about a device is for all groups it is in", async () => {
    twoPaths();
    const device = await create("0 64 multipath 0 0 2 1 round-robin 0 2 0 a b round-robin 0 1 0 a");
    device.message(0, "fail_path a");
    expect(device.status()[0]).toContain("2 1 E 0 2 0 a F 1 b A 0 E 0 1 0 a F 1");
    device.message(0, "reinstate_path a");
    expect(device.status()[0]).toContain("2 1 E 0 2 0 a A 1 b A 0 E 0 1 0 a A 1");
  });

  it("devices may have blanks in their names, in tables and messages", async () => {
    rig.sim("a b");
    rig.sim("c\\d");
    const line = "0 64 multipath 0 0 1 1 round-robin 0 2 1 a\\ b 1 c\\\\d 1";
    const device = await create(line);
    expect(device.table()).toEqual([line]);
    device.message(0, "fail_path a\\ b");
    expect(device.status()).toEqual(["0 64 multipath 2 0 0 0 1 1 E 0 2 0 a\\ b F 1 c\\\\d A 0"]);
    await device.load(device.table().join());
    expect(() => device.message(0, "fail_path a b")).toThrow(/more arguments|no path a/);
    expect(() => device.message(-1, "fail_path c\\\\d")).toThrow(/no target at sector -1/);
  });

  it("words of tables and messages may have capital letters, and a feature comes once", async () => {
    twoPaths();
    const features = "3 Queue_If_No_Path retain_attached_hw_handler RETAIN_attached_hw_handler";
    const device = await create(TWO_PATHS.replace("multipath 0", `multipath ${features}`));
    const words = "2 queue_if_no_path retain_attached_hw_handler";
    expect(device.table()).toEqual([TWO_PATHS.replace("multipath 0", `multipath ${words}`)]);
    device.message(0, "Fail_If_No_Path");
    expect(device.table()[0]).toContain("multipath 1 retain_attached_hw_handler 0");
  });

  it("the group to begin with stays the next one when another is disabled", async () => {
    twoPaths();
    rig.sim("c");
    const device = await create(THREE_GROUPS);
    device.message(0, "disable_group 3");
    expect(device.status()[0]).toContain("3 2 E 0 1 0 a A 0 E 0 1 0 b A 0 D 0 1 0 c A 0");
    expect(pathUsedBy(device)).toBe("b");
  });

  it("switch_group leaves the group in use, even for one that has no path", async () => {
    twoPaths();
    rig.sim("c");
    const device = await create(THREE_GROUPS);
    expect(pathUsedBy(device)).toBe("b");
    device.message(0, "fail_path c");
    device.message(0, "switch_group 3");
    expect(device.status()[0]).toContain("3 3 E 0 1 0 a A 0 E 0 1 0 b A 0 E 0 1 0 c F 1");
    expect(pathUsedBy(device)).toBe("a");
  });

  it("once no group has had a path, the first that has one again is used", async () => {
    twoPaths();
    const device = await create("0 64 multipath 0 0 2 1 round-robin 0 1 0 a round-robin 0 1 0 b");
    device.message(0, "fail_path a");
    expect(pathUsedBy(device)).toBe("b");
    device.message(0, "fail_path b");
    const failed = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(failed.ends).toEqual([BlkStatus.IOERR]);
    expect(device.status()[0]).toContain("2 1 E 0 1 0 a F 1 E 0 1 0 b F 1");
    device.message(0, "reinstate_path b");
    device.message(0, "reinstate_path a");
    expect(pathUsedBy(device)).toBe("a");
  });

  it("a path that ends a request for want of resources is failed, and the request tried again 100 ms later", async () => {
    const [, b] = twoPaths();
    wantingPath("wants");
    const device = await create("0 64 multipath 0 0 1 1 round-robin 0 2 0 wants b");
    // The resume that made it live offers again what waits, soon.
    rig.executor.runUntilIdle();
    const bio = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(99);
    expect(device.status()[0]).toContain("wants F 1 b A 0");
    expect([bio.ends, b.disk.seen.writes]).toEqual([[], 0]);
    rig.executor.advance(5);
    expect([bio.ends, b.disk.seen.writes]).toEqual([[BlkStatus.OK], 1]);
  });

  it("a request that the last path ends for want of resources ends so, without waiting", async () => {
    wantingPath("wants");
    const device = await create("0 64 multipath 0 0 1 1 round-robin 0 1 0 wants");
    const bio = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(99);
    expect(bio.ends).toEqual([BlkStatus.RESOURCE]);
  });

  it("without a path I/O fails; with queue_if_no_path it waits for one, or for the feature to go", async () => {
    twoPaths();
    const device = await create(TWO_PATHS);
    const fail = () => {
      device.message(0, "fail_path a");
      device.message(0, "fail_path b");
    };
    fail();
    const failed = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(failed.ends).toEqual([BlkStatus.IOERR]);
    device.message(0, "queue_if_no_path");
    const waiting = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.advance(1000);
    expect(waiting.ends).toEqual([]);
    device.message(0, "reinstate_path a");
    rig.executor.advance(5);
    expect(waiting.ends).toEqual([BlkStatus.OK]);
    fail();
    const given = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.advance(50);
    device.message(0, "fail_if_no_path");
    rig.executor.advance(5);
    expect(given.ends).toEqual([BlkStatus.IOERR]);
  });

  it("a noflush suspend keeps what finds no path for the next table", async () => {
    twoPaths();
    const disk = rig.sim("c");
    const device = await create(TWO_PATHS.replace("multipath 0", "multipath 1 queue_if_no_path"));
    for (const name of ["a", "b"]) device.message(0, `fail_path ${name}`);
    const waiting = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(10);
    await rig.run(device.suspend({ noflush: true }));
    await device.load("0 1024 multipath 0 0 1 1 round-robin 0 1 0 c");
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(waiting.ends).toEqual([BlkStatus.OK]);
    expect(read(disk, 0, 512)).toEqual(pattern(512));
  });

  it("removal ends what waits for a path", async () => {
    twoPaths();
    const device = await create(TWO_PATHS.replace("multipath 0", "multipath 1 queue_if_no_path"));
    for (const name of ["a", "b"]) device.message(0, `fail_path ${name}`);
    const waiting = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(10);
    await rig.run(device.remove());
    expect(waiting.ends).toEqual([BlkStatus.IOERR]);
  });

  it("a path whose disk has gone is failed", async () => {
    const [a, b] = twoPaths();
    const device = await create(TWO_PATHS);
    await a.disk.close();
    const bios = [0, 64].map((sector) => rig.submit(device.bdev, ReqOp.WRITE, sector, pattern(512)));
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0"]);
    expect(b.disk.seen.writes).toBe(2);
  });

  it("a table with other limits is not taken while requests wait; without them it is", async () => {
    twoPaths();
    rig.sim("small", { limits: { maxSectors: 8 } });
    const device = await create(TWO_PATHS.replace("multipath 0", "multipath 1 queue_if_no_path"));
    for (const name of ["a", "b"]) device.message(0, `fail_path ${name}`);
    const waiting = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(10);
    await device.load("0 1024 multipath 0 0 1 1 round-robin 0 1 0 small");
    await expect(rig.run(device.resume({ noflush: true }))).rejects.toMatchObject({ code: "EBUSY" });
    expect(device.info()).toMatchObject({ state: "SUSPENDED", inactiveTable: true });
    await device.clear();
    await rig.run(device.resume());
    device.message(0, "reinstate_path a");
    rig.executor.runUntilIdle();
    expect(waiting.ends).toEqual([BlkStatus.OK]);
    await device.load("0 1024 multipath 0 0 1 1 round-robin 0 1 0 small");
    await rig.run(device.resume());
    expect(device.bdev.queue.limits.maxSectors).toBe(8);
  });

  describe("a request that waits for a path", () => {
    const PATHS = TWO_PATHS.replace("multipath 0", "multipath 1 queue_if_no_path");
    const waitForPath = async () => {
      const device = await create(PATHS);
      for (const name of ["a", "b"]) device.message(0, `fail_path ${name}`);
      const waiting = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
      rig.executor.advance(10);
      return { device, waiting, limits: device.bdev.queue.limits };
    };

    it("goes on waiting through a table without any, which keeps the limits, for one with paths again", async () => {
      const [a] = twoPaths();
      const { device, waiting, limits } = await waitForPath();
      await device.load("0 1024 multipath 1 queue_if_no_path 0 0 0");
      await rig.run(device.resume({ noflush: true }));
      rig.executor.advance(1000);
      expect([waiting.ends, device.bdev.queue.limits]).toEqual([[], limits]);
      await device.load(PATHS);
      await rig.run(device.resume({ noflush: true }));
      rig.executor.advance(1000);
      expect(waiting.ends).toEqual([BlkStatus.OK]);
      expect(read(a.disk, 0, 512)).toEqual(pattern(512));
    });

    it("is ended by the error target", async () => {
      twoPaths();
      const { device, waiting, limits } = await waitForPath();
      await device.load("0 1024 error");
      await rig.run(device.resume({ noflush: true }));
      rig.executor.runUntilIdle();
      expect([waiting.ends, device.bdev.queue.limits]).toEqual([[BlkStatus.IOERR], limits]);
    });
  });

  it("requests go on after a suspend that the target refused, and after the next one", async () => {
    twoPaths();
    let refusals = 1;
    rig.dm.registerTarget({
      ...multipathTarget,
      name: "refusing",
      ctr: (args, spec) => {
        const target = multipathTarget.ctr(args, spec);
        target.presuspend = () => {
          if (refusals-- > 0) throw new BlkError("EIO", "refusing", "not now");
        };
        return target;
      },
    });
    const device = await create(TWO_PATHS.replace("multipath", "refusing"));
    await expect(device.suspend()).rejects.toThrow(/not now/);
    const bios = [rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512))];
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0"]);
    await rig.run(device.suspend());
    bios.push(rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512)));
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", ""]);
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0"]);
  });

  it("removal while suspended ends what waits", async () => {
    twoPaths();
    const device = await create(TWO_PATHS);
    await rig.run(device.suspend());
    const waiting = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    await rig.run(device.remove());
    expect(waiting.ends).toEqual([BlkStatus.IOERR]);
  });
});

import {
  type Bio,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  BlockLayer,
  GenDisk,
  HostExecutor,
  opOf,
  type QueueLimitsInput,
  ReqFlag,
  ReqOp,
  statusToErrno,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { describe, expect, it } from "vitest";
import { LoopDevice } from "../src/loop.js";
import { RamDisk } from "../src/ram.js";

const MIB = 2 ** 20;

/** What a device below was asked for. */
interface Seen {
  readonly op: ReqOp;
  readonly flags: number;
  readonly sector: number;
  readonly bytes: number;
}

/** A device of 1 MiB that writes down what it is asked for, and ends it as `answer` says. */
class Recorder {
  readonly seen: Seen[] = [];
  readonly disk: GenDisk;
  answer: (rq: BlkRequest) => BlkStatus = () => BlkStatus.OK;

  constructor(layer: BlockLayer, limits: QueueLimitsInput = {}, readOnly = false, sectorCount = 2048) {
    const queueRq = (rq: BlkRequest): BlkStatus => {
      this.seen.push({ op: opOf(rq.opf), flags: rq.opf & ~0xff, sector: rq.sector, bytes: rq.bytes });
      rq.complete(this.answer(rq));
      return BlkStatus.OK;
    };
    const queue = new BlkMqQueue(layer, { ops: { queueRq }, limits });
    this.disk = new GenDisk({ name: "below", queue, sectorCount, readOnly });
  }

  get ops(): string[] {
    const names = new Map<number, string>(Object.entries(ReqOp).map(([name, op]) => [op, name]));
    return this.seen.map(({ op }) => names.get(op)!);
  }
}

function newLayer(maxBios = 1024): BlockLayer {
  return new BlockLayer({ executor: new HostExecutor(), maxBios });
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >> 8)) & 255);
}

describe("a loop device over a device", () => {
  it("is as large, in whole logical blocks", async () => {
    const layer = newLayer();
    const { disk } = new Recorder(layer, {}, false, 2047);
    expect((await LoopDevice.open(layer, { device: disk.part0 })).bdev.sectorCount).toBe(2047);
    const blocks = await LoopDevice.open(layer, { device: disk.part0, logicalBlockBytes: 4096 });
    expect(blocks.bdev.sectorCount).toBe(2040);
    expect(blocks.disk.name).toBe("loop over below");
  });

  it("has the blocks of the device, or larger ones", async () => {
    const layer = newLayer();
    const { disk } = new Recorder(layer, { logicalBlockBytes: 4096 });
    const loop = await LoopDevice.open(layer, { device: disk.part0 });
    expect(loop.bdev.queue.limits.logicalBlockBytes).toBe(4096);
    await expect(LoopDevice.open(layer, { device: disk.part0, logicalBlockBytes: 512 })).rejects.toThrow(
      "below has blocks of 4096 bytes, expected logicalBlockBytes to be no less",
    );
  });

  it("refuses a device of another block layer", async () => {
    const { disk } = new Recorder(newLayer());
    await expect(LoopDevice.open(newLayer(), { device: disk.part0 })).rejects.toThrow(/another block layer/);
  });

  it("refuses a depth that makes no sense", async () => {
    const layer = newLayer();
    const { disk } = new Recorder(layer);
    await expect(LoopDevice.open(layer, { device: disk.part0, queueDepth: 0 })).rejects.toThrow(/queueDepth/);
  });

  it.each([
    [true, false],
    [false, true],
  ])("is read-only when the device is (%s) or when asked to (%s)", async (below, readOnly) => {
    const layer = newLayer();
    const { disk } = new Recorder(layer, {}, below);
    const loop = await LoopDevice.open(layer, { device: disk.part0, readOnly });
    expect(loop.bdev.readOnly).toBe(true);
    await expect(loop.bdev.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EPERM" });
  });

  it("can do what the device can", async () => {
    const layer = newLayer();
    const limits = {
      maxDiscardSectors: 512,
      discardGranularityBytes: 8192,
      discardAlignmentBytes: 4096,
      maxWriteZeroesSectors: 256,
      writeCache: true,
      fua: true,
      dmaAlignmentBytes: 512,
      physicalBlockBytes: 4096,
    };
    const capable = await LoopDevice.open(layer, { device: new Recorder(layer, limits).disk.part0 });
    expect(capable.bdev.queue.limits).toMatchObject(limits);
    const simple = await LoopDevice.open(layer, { device: new Recorder(layer).disk.part0 });
    const none = { maxDiscardSectors: 0, maxWriteZeroesSectors: 0, writeCache: false, fua: false };
    expect(simple.bdev.queue.limits).toMatchObject(none);
    await expect(simple.bdev.discard(0, 4096)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
  });

  it("has no crypto profile, whatever is below", async () => {
    const layer = newLayer();
    const { disk } = new Recorder(layer);
    const supports = (): boolean => true;
    disk.queue.registerCryptoProfile({ ...disk.queue.cryptoProfile, supports });
    const loop = await LoopDevice.open(layer, { device: disk.part0 });
    const key = { dataUnitBytes: 512 } as Parameters<typeof supports>[never];
    expect(loop.bdev.queue.cryptoProfile.supports(key)).toBe(false);
  });

  it("asks for the same, at the same place, with the flags that matter below", async () => {
    const layer = newLayer();
    const below = new Recorder(layer, {
      writeCache: true,
      fua: true,
      maxDiscardSectors: 512,
      discardGranularityBytes: 512,
      maxWriteZeroesSectors: 512,
    });
    const { bdev } = await LoopDevice.open(layer, { device: below.disk.part0 });
    await bdev.read(512, new Uint8Array(1024));
    await bdev.write(4096, new Uint8Array(512), { fua: true });
    await bdev.flush();
    await bdev.discard(8192, 4096);
    await bdev.writeZeroes(16384, 512);
    expect(below.ops).toEqual(["READ", "WRITE", "FLUSH", "DISCARD", "WRITE_ZEROES"]);
    expect(below.seen.map(({ sector, bytes }) => [sector, bytes])).toEqual([
      [1, 1024],
      [8, 512],
      [0, 0],
      [16, 4096],
      [32, 512],
    ]);
    expect(below.seen[1]!.flags & ReqFlag.FUA).toBe(ReqFlag.FUA);
  });

  it("makes a flush of FUA where the device has none", async () => {
    const layer = newLayer();
    const below = new Recorder(layer, { writeCache: true });
    const { bdev } = await LoopDevice.open(layer, { device: below.disk.part0 });
    await bdev.write(0, new Uint8Array(512), { fua: true });
    expect(below.ops).toEqual(["WRITE", "FLUSH"]);
  });

  it.each(["IOERR", "MEDIUM", "NOSPC", "TIMEOUT", "PROTECTION", "OFFLINE"] as const)("hands %s up", async (name) => {
    const layer = newLayer();
    const below = new Recorder(layer, { writeCache: true });
    const { bdev } = await LoopDevice.open(layer, { device: below.disk.part0 });
    below.answer = () => BlkStatus[name];
    const code = statusToErrno(BlkStatus[name]);
    await expect(bdev.read(0, new Uint8Array(512))).rejects.toMatchObject({ code });
    await expect(bdev.write(0, new Uint8Array(512))).rejects.toMatchObject({ code });
    await expect(bdev.flush()).rejects.toMatchObject({ code });
  });

  it("sends one bio for a request of many pieces, which the device cuts to its own limits", async () => {
    const layer = newLayer();
    const ram = new RamDisk(layer, { bytes: MIB });
    const below = new Recorder(layer, { maxSectors: 8, maxSegments: 1 });
    const over = [ram.bdev, below.disk.part0];
    for (const device of over) {
      const loop = await LoopDevice.open(layer, { device });
      const bio = layer.bioSet.tryAlloc(loop.bdev, ReqOp.WRITE)!;
      const data = pattern(256 * 512);
      for (let at = 0; at < 256; at++) bio.addBuffer(data, at * 512, 512);
      await new Promise<void>((resolve) => {
        bio.onEndIo = (ended) => {
          expect(ended.status).toBe(BlkStatus.OK);
          ended.put();
          resolve();
        };
        layer.submitBio(bio);
      });
    }
    const back = new Uint8Array(256 * 512);
    ram.readMedium(0, back);
    expect(back).toEqual(pattern(256 * 512));
    expect(below.seen.length).toBe(256);
  });

  it("fails I/O when the device is gone, and ends", async () => {
    const layer = newLayer();
    const ram = new RamDisk(layer, { bytes: MIB });
    const loop = await LoopDevice.open(layer, { device: ram.bdev });
    await ram.close();
    await expect(loop.bdev.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
    await loop.close();
  });

  it("tries again when no bio is to be had", async () => {
    let failures = 3;
    const executor = new SimExecutor();
    const failAlloc = ({ name }: { name: string }): boolean => name.startsWith("loop over") && failures-- > 0;
    const layer = new BlockLayer({ executor, failAlloc });
    const ram = new RamDisk(layer, { bytes: MIB });
    const loop = await LoopDevice.open(layer, { device: ram.bdev });
    let ended = false;
    void loop.bdev.write(0, pattern(512)).then(() => {
      ended = true;
    });
    for (let step = 0; step < 1000 && !ended; step++) {
      executor.step();
      await null;
    }
    expect({ ended, failures }).toEqual({ ended: true, failures: -1 });
  });
});

describe("closing a loop device over a device", () => {
  async function closeAfter(
    write: (bdev: BlockDevice) => Promise<void>,
  ): Promise<{ below: Recorder; loop: LoopDevice }> {
    const layer = newLayer();
    const below = new Recorder(layer, { writeCache: true });
    const loop = await LoopDevice.open(layer, { device: below.disk.part0 });
    await write(loop.bdev);
    below.seen.length = 0;
    return { below, loop };
  }

  it("flushes what was written, and leaves the device open", async () => {
    const { below, loop } = await closeAfter((bdev) => bdev.write(0, new Uint8Array(512)));
    await loop.close();
    expect(below.ops).toEqual(["FLUSH"]);
    await below.disk.part0.read(0, new Uint8Array(512));
    await expect(loop.bdev.read(0, new Uint8Array(512))).rejects.toThrow();
  });

  it("flushes nothing after a flush", async () => {
    const { below, loop } = await closeAfter(async (bdev) => {
      await bdev.write(0, new Uint8Array(512));
      await bdev.flush();
    });
    await loop.close();
    expect(below.ops).toEqual([]);
  });

  it("tries once more after a flush that failed, and says when that fails too", async () => {
    const { below, loop } = await closeAfter((bdev) => bdev.write(0, new Uint8Array(512)));
    below.answer = () => BlkStatus.IOERR;
    await expect(loop.bdev.flush()).rejects.toMatchObject({ code: "EIO" });
    await expect(loop.close()).rejects.toMatchObject({ code: "EIO" });
  });

  it("waits for its I/O", async () => {
    const layer = newLayer();
    const waiting: BlkRequest[] = [];
    const queue = new BlkMqQueue(layer, {
      ops: {
        queueRq: (rq) => {
          waiting.push(rq);
          return BlkStatus.OK;
        },
      },
    });
    const disk = new GenDisk({ name: "slow", queue, sectorCount: 2048 });
    const loop = await LoopDevice.open(layer, { device: disk.part0 });
    const writing = loop.bdev.write(0, new Uint8Array(512));
    await new Promise((resolve) => setImmediate(resolve));
    let closed = false;
    const closing = loop.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect({ closed, waiting: waiting.length }).toEqual({ closed: false, waiting: 1 });
    waiting[0]!.complete(BlkStatus.OK);
    await writing;
    await closing;
  });
});

describe("loop devices over each other", () => {
  it("go on, a hundred deep, in a layer of two bios", async () => {
    const layer = newLayer(2);
    const ram = new RamDisk(layer, { bytes: MIB });
    const loops: LoopDevice[] = [];
    for (let level = 0; level < 100; level++) {
      loops.push(await LoopDevice.open(layer, { device: loops.at(-1)?.bdev ?? ram.bdev, queueDepth: 1 }));
    }
    const top = loops.at(-1)!.bdev;
    const writes = Array.from({ length: 64 }, (_, at) => top.write(at * 4096, pattern(4096)));
    await Promise.all(writes);
    const back = new Uint8Array(4096);
    for (let at = 0; at < 64; at++) {
      ram.readMedium(at * 4096, back);
      expect(back).toEqual(pattern(4096));
    }
    for (const loop of loops.reverse()) await loop.close();
    expect(layer.bioSet.inUse).toBe(0);
  });

  it("cost no stack on the way down", async () => {
    const layer = newLayer();
    let deepest = 0;
    const queueRq = (rq: BlkRequest): BlkStatus => {
      deepest = new Error("here").stack!.split("\n").length;
      rq.complete(BlkStatus.OK);
      return BlkStatus.OK;
    };
    const queue = new BlkMqQueue(layer, { ops: { queueRq } });
    const disk = new GenDisk({ name: "bottom", queue, sectorCount: 2048 });
    const depths: number[] = [];
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 10_000;
    let device = disk.part0;
    for (let level = 0; level < 50; level++) {
      ({ bdev: device } = await LoopDevice.open(layer, { device }));
      if (level !== 1 && level !== 49) continue;
      const bio: Bio = layer.bioSet.tryAlloc(device, ReqOp.READ)!;
      bio.addBuffer(new Uint8Array(512));
      bio.onEndIo = (ended) => ended.put();
      layer.submitBio(bio);
      depths.push(deepest);
    }
    Error.stackTraceLimit = limit;
    expect(depths[1]).toBe(depths[0]);
  });
});

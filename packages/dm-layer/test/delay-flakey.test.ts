import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoProfileOf } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DmFeature, delayTarget, flakeyTarget } from "../src/index.js";
import { cryptoDisk } from "./crypto-support.js";
import { pattern, Rig, read } from "./support.js";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const create = (table: string, name = "dm") => rig.run(rig.dm.create({ name, table }));

describe("delay", () => {
  it("sends each kind of I/O on after its time, to its device", async () => {
    const reads = rig.ram("r");
    const writes = rig.ram("w");
    rig.sim("f", { writeCache: true });
    const device = await create("0 64 delay r 8 10 w 16 20 f 0 30");
    expect(device.table()).toEqual(["0 64 delay r 8 10 w 16 20 f 0 30"]);
    await reads.bdev.write(8 * 512, pattern(512));
    const into = new Uint8Array(512);
    const bios = [
      rig.submit(device.bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0),
      rig.submit(device.bdev, ReqOp.WRITE, 1, pattern(512, 2)),
      rig.submit(device.bdev, ReqOp.READ, 0, into),
    ];
    expect(device.status()).toEqual(["0 64 delay 1 1 1"]);
    const seen = [5, 5, 10, 10, 5].map((ms) => {
      rig.executor.advance(ms);
      return bios.map(({ ends }) => ends.length).join("");
    });
    // The flush is sent after 30 ms, and takes its disk a while.
    expect(seen).toEqual(["000", "001", "011", "011", "111"]);
    expect(bios[0]!.ends).toEqual([BlkStatus.OK]);
    expect(into).toEqual(pattern(512));
    expect(read(writes, 17, 512)).toEqual(pattern(512, 2));
    expect(device.status()).toEqual(["0 64 delay 0 0 0"]);
  });

  it("bios of several ages leave in order, also when one is sent while another comes", async () => {
    rig.ram("r");
    await create("0 64 delay r 0 10", "low");
    const { bdev } = await create("0 64 delay low 0 3");
    const ended: number[] = [];
    for (let age = 0; age < 4; age++) {
      const { bio } = rig.bio(bdev, ReqOp.READ, age, new Uint8Array(512));
      bio.onEndIo = (done) => {
        ended.push(age);
        done.put();
      };
      rig.layer.submitBio(bio);
      rig.executor.advance(2);
    }
    rig.executor.advance(4);
    expect(ended).toEqual([]);
    rig.executor.advance(1);
    expect(ended).toEqual([0]);
    rig.executor.advance(6);
    expect(ended).toEqual([0, 1, 2, 3]);
  });

  it("a suspend sends on what waits, and nothing waits until it is resumed", async () => {
    rig.ram("r");
    const device = await create("0 64 delay r 0 1000000");
    const bio = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    await rig.run(device.suspend());
    expect([bio.ends, rig.executor.nowMs()]).toEqual([[BlkStatus.OK], 0]);
    await rig.run(device.resume());
    const late = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.advance(999_999);
    expect(late.ends).toEqual([]);
    rig.executor.advance(1);
    expect(late.ends).toEqual([BlkStatus.OK]);
  });

  it("a delay may be as long as 32 bits of milliseconds", async () => {
    rig.ram("r");
    const { bdev } = await create("0 64 delay r 0 4294967295");
    const bio = rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512));
    rig.executor.advance(4_294_967_294);
    expect(bio.ends).toEqual([]);
    rig.executor.advance(1);
    expect(bio.ends).toEqual([BlkStatus.OK]);
    await expect(create("0 64 delay r 0 4294967296", "bad")).rejects.toThrow(/the delay in milliseconds is a decimal/);
  });

  it("without a delay nothing waits; contexts do not pass; wrong counts of arguments are refused", async () => {
    cryptoDisk(rig, "r");
    const { bdev } = await create("0 64 delay r 0 0");
    expect(blkCryptoProfileOf(bdev.queue)).toBeNull();
    expect(delayTarget.features & DmFeature.PASSES_CRYPTO).toBe(0);
    await expect(create("0 64 delay r 0 0 r", "bad")).rejects.toThrow(/4 arguments, expected 3, 6 or 9/);
  });
});

describe("flakey", () => {
  const up = () => rig.executor.advance(1000);
  const status = (bdev: Parameters<Rig["submit"]>[0], op: number, data: Uint8Array) => {
    const bio = rig.submit(bdev, op, 0, data);
    rig.executor.runUntilIdle();
    return bio.ends[0];
  };

  it("is good while up, and fails all I/O while down", async () => {
    rig.ram("r");
    const { bdev } = await create("0 64 flakey r 0 1 2");
    const seen = Array.from({ length: 7 }, () => {
      const each = [status(bdev, ReqOp.READ, new Uint8Array(512)), status(bdev, ReqOp.WRITE, pattern(512))];
      up();
      return each;
    });
    const [good, bad] = [
      [BlkStatus.OK, BlkStatus.OK],
      [BlkStatus.IOERR, BlkStatus.IOERR],
    ];
    expect(seen).toEqual([good, bad, bad, good, bad, bad, good]);
  });

  it.each([
    ["1 drop_writes", BlkStatus.OK, BlkStatus.OK],
    ["1 error_writes", BlkStatus.OK, BlkStatus.IOERR],
    ["1 error_reads", BlkStatus.IOERR, BlkStatus.OK],
    ["2 error_reads error_writes", BlkStatus.IOERR, BlkStatus.IOERR],
  ])("%s", async (features, readStatus, writeStatus) => {
    const disk = rig.ram("r");
    const device = await create(`0 64 flakey r 8 0 1 ${features}`);
    expect(device.table()).toEqual([`0 64 flakey r 8 0 1 ${features}`]);
    expect(status(device.bdev, ReqOp.WRITE, pattern(512))).toBe(writeStatus);
    expect(status(device.bdev, ReqOp.READ, new Uint8Array(512))).toBe(readStatus);
    const isStored = writeStatus === BlkStatus.OK && features !== "1 drop_writes";
    expect(read(disk, 8, 512)).toEqual(isStored ? pattern(512) : new Uint8Array(512));
  });

  it("features that do nothing are as none: all I/O fails", async () => {
    rig.ram("r");
    const device = await create("0 64 flakey r 0 0 1 4 random_read_corrupt 0 random_write_corrupt 0");
    expect(device.table()).toEqual(["0 64 flakey r 0 0 1 2 error_reads error_writes"]);
    expect(status(device.bdev, ReqOp.READ, new Uint8Array(512))).toBe(BlkStatus.IOERR);
    expect(status(device.bdev, ReqOp.WRITE, pattern(512))).toBe(BlkStatus.IOERR);
  });

  it("features may have capital letters", async () => {
    rig.ram("r");
    const device = await create("0 64 flakey r 0 0 1 6 Error_Writes CORRUPT_bio_byte 1 R 0 0");
    expect(device.table()).toEqual(["0 64 flakey r 0 0 1 6 error_writes corrupt_bio_byte 1 r 0 0"]);
  });

  it("replaces a byte of reads, or of writes, of bios with the flags; the writer's memory stays", async () => {
    const disk = rig.ram("r");
    const reads = await create("0 64 flakey r 0 0 1 5 corrupt_bio_byte 3 r 7 0", "reads");
    const writes = await create(`0 64 flakey r 0 0 1 5 corrupt_bio_byte 600 w 9 ${ReqFlag.SYNC}`, "writes");
    expect(writes.table()).toEqual([`0 64 flakey r 0 0 1 5 corrupt_bio_byte 600 w 9 ${ReqFlag.SYNC}`]);
    const data = pattern(1024);
    status(writes.bdev, ReqOp.WRITE, data);
    expect(read(disk, 0, 1024)).toEqual(data);
    const before = data.slice();
    status(writes.bdev, ReqOp.WRITE | ReqFlag.SYNC, data);
    expect(data).toEqual(before);
    const stored = data.slice();
    stored[599] = 9;
    expect(read(disk, 0, 1024)).toEqual(stored);
    status(writes.bdev, ReqOp.WRITE | ReqFlag.SYNC, data.subarray(0, 512));
    const back = new Uint8Array(1024);
    status(reads.bdev, ReqOp.READ, back);
    stored[2] = 7;
    expect(back).toEqual(stored);
  });

  it("corrupts bios at random", async () => {
    const disk = rig.ram("r");
    const reads = await create("0 64 flakey r 0 0 1 2 random_read_corrupt 500000000", "reads");
    const writes = await create("0 64 flakey r 0 0 1 2 random_write_corrupt 1000000000", "writes");
    const data = pattern(512);
    await disk.bdev.write(0, data);
    let corrupted = 0;
    for (let round = 0; round < 100; round++) {
      const back = new Uint8Array(512);
      status(reads.bdev, ReqOp.READ, back);
      corrupted += Number(back.some((byte, index) => byte !== data[index]));
    }
    expect(corrupted).toBeGreaterThan(30);
    expect(corrupted).toBeLessThan(70);
    const before = data.slice();
    status(writes.bdev, ReqOp.WRITE, data);
    expect(data).toEqual(before);
    expect(read(disk, 0, 512).filter((byte, index) => byte !== data[index])).toHaveLength(1);
  });

  it.each([
    ["0 0", "both intervals are 0"],
    ["4294967295 1", "both intervals have 4294967296 seconds, expected at most 4294967295"],
    ["1 1 2 error_reads error_reads", "error_reads is given twice"],
    ["1 1 12 error_reads", "the number of features is a decimal number, 0 to 11"],
    ["1 1 2 drop_writes error_writes", "writes are dropped, failed or corrupted"],
    ["1 1 6 drop_writes corrupt_bio_byte 1 w 0 0", "writes are dropped, failed or corrupted"],
    ["1 1 6 error_reads corrupt_bio_byte 1 r 0 0", "reads are failed or corrupted"],
    ["1 1 5 corrupt_bio_byte 0 r 0 0", "the byte is a decimal number, 1 to"],
    ["1 1 5 corrupt_bio_byte 1 x 0 0", "the direction is r or w"],
    ["1 1 1 explode", "unknown feature"],
    ["1 1 1 drop_writes more", "1 more arguments"],
  ])("%s is refused: %s", async (args, message) => {
    rig.ram("r");
    await expect(create(`0 64 flakey r 0 ${args}`)).rejects.toThrow(message);
  });

  it("passes contexts on", async () => {
    cryptoDisk(rig, "ufs");
    const { bdev } = await create("0 64 flakey ufs 0 1 0");
    expect(blkCryptoProfileOf(bdev.queue)).not.toBeNull();
    expect(flakeyTarget.features & DmFeature.PASSES_CRYPTO).not.toBe(0);
  });
});

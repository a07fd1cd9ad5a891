import { BlkStatus, type BlockDevice, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectStatus, newBio, newEmptyBio, submitAll } from "./bios.js";
import type { BlockDeviceSuiteOptions } from "./block-device-suite.js";
import { expectSameBytes, pattern } from "./bytes.js";
import { useDevice } from "./fixture.js";

async function readBack(bdev: BlockDevice, byteOffset: number, bytes: number): Promise<Uint8Array> {
  const back = pattern(bytes, 0xbad);
  await bdev.read(byteOffset, back);
  return back;
}

/** What each operation does, through the promise methods and through bios. */
export function describeOperations(options: BlockDeviceSuiteOptions): void {
  describe("operations", () => {
    const fixture = useDevice(options);

    it("reads back what was written, in odd counts of logical blocks, and leaves the neighbours alone", async () => {
      const { bdev } = fixture.device;
      const blockBytes = bdev.queue.limits.logicalBlockBytes;
      const expected = pattern(64 * blockBytes, 1);
      await bdev.write(0, expected);
      for (const [block, blocks] of [
        [1, 1],
        [5, 3],
        [17, 7],
        [31, 13],
        [50, 11],
      ] as const) {
        const data = pattern(blocks * blockBytes, block);
        await bdev.write(block * blockBytes, data);
        expected.set(data, block * blockBytes);
        expectSameBytes(await readBack(bdev, block * blockBytes, data.length), data);
      }
      expectSameBytes(await readBack(bdev, 0, expected.length), expected);
    });

    it("reads and writes the first and the last block", async () => {
      const { bdev } = fixture.device;
      const blockBytes = bdev.queue.limits.logicalBlockBytes;
      for (const byteOffset of [0, bdev.bytes - blockBytes]) {
        const data = pattern(blockBytes, byteOffset + 1);
        await bdev.write(byteOffset, data);
        expectSameBytes(await readBack(bdev, byteOffset, blockBytes), data);
      }
    });

    it("writes from and reads into the middle of a larger buffer, and leaves the rest of it alone", async () => {
      const { bdev } = fixture.device;
      const blockBytes = bdev.queue.limits.logicalBlockBytes;
      const buffer = pattern(5 * blockBytes + 7, 3);
      const before = buffer.slice();
      await bdev.write(0, buffer.subarray(3, 3 + 2 * blockBytes));
      expectSameBytes(buffer, before, "the buffer after the write");
      const into = new Uint8Array(5 * blockBytes);
      await bdev.read(0, into.subarray(blockBytes + 1, 3 * blockBytes + 1));
      const expected = new Uint8Array(5 * blockBytes);
      expected.set(before.subarray(3, 3 + 2 * blockBytes), blockBytes + 1);
      expectSameBytes(into, expected, "the buffer after the read");
    });

    it("ends transfers and flushes of no bytes at once", async () => {
      const { bdev } = fixture.device;
      await bdev.write(0, new Uint8Array(0));
      await bdev.read(bdev.bytes, new Uint8Array(0));
      await expectStatus(newEmptyBio(bdev, ReqOp.WRITE, 0, 0), BlkStatus.OK);
      await bdev.flush();
    });

    it("flushes, FUA writes and writes behind a flush end well, many at a time", async () => {
      const { bdev } = fixture.device;
      const data = pattern(4096, 4);
      const flags = [0, ReqFlag.FUA, ReqFlag.PREFLUSH, ReqFlag.PREFLUSH | ReqFlag.FUA];
      const bios = Array.from({ length: 64 }, (_, index) =>
        newBio(bdev, ReqOp.WRITE | flags[index % 4]!, index * 4096, data),
      );
      bios.push(...Array.from({ length: 16 }, () => newEmptyBio(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0)));
      expect(new Set(await submitAll(bios))).toEqual(new Set([BlkStatus.OK]));
      for (let index = 0; index < 64; index++) expectSameBytes(await readBack(bdev, index * 4096, 4096), data);
      await bdev.write(0, pattern(4096, 5), { fua: true });
      await bdev.flush();
      expectSameBytes(await readBack(bdev, 0, 4096), pattern(4096, 5));
    });

    it("write zeroes makes exactly its range read as zeroes, small and large", async () => {
      const { bdev } = fixture.device;
      const blockBytes = bdev.queue.limits.logicalBlockBytes;
      const expected = pattern(6 * 2 ** 20, 6);
      await bdev.write(0, expected);
      for (const [byteOffset, bytes] of [
        [blockBytes, blockBytes],
        [65536 - blockBytes, 3 * blockBytes],
        [2 ** 20 + blockBytes, 3 * 2 ** 20],
      ] as const) {
        await bdev.writeZeroes(byteOffset, bytes);
        expected.fill(0, byteOffset, byteOffset + bytes);
      }
      expectSameBytes(await readBack(bdev, 0, expected.length), expected);
    });

    it("write zeroes with NOUNMAP zeroes too", async (context) => {
      const { bdev } = fixture.device;
      context.skip(bdev.queue.limits.maxWriteZeroesSectors === 0, "the device has no write zeroes");
      await bdev.write(0, pattern(3 * 2 ** 20, 7));
      await expectStatus(newEmptyBio(bdev, ReqOp.WRITE_ZEROES | ReqFlag.NOUNMAP, 0, 3 * 2 ** 20), BlkStatus.OK);
      expectSameBytes(await readBack(bdev, 0, 3 * 2 ** 20), new Uint8Array(3 * 2 ** 20));
    });

    it("discards, or says that it cannot, and leaves the neighbours alone", async () => {
      const { bdev } = fixture.device;
      const blockBytes = Math.max(4096, bdev.queue.limits.logicalBlockBytes);
      const expected = pattern(2 ** 20, 8);
      await bdev.write(0, expected);
      if (bdev.queue.limits.maxDiscardSectors === 0) {
        await expect(bdev.discard(0, blockBytes)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
        await expectStatus(newEmptyBio(bdev, ReqOp.DISCARD, 0, blockBytes), BlkStatus.NOTSUPP);
        return expectSameBytes(await readBack(bdev, 0, expected.length), expected);
      }
      await bdev.discard(3 * blockBytes, 21 * blockBytes);
      const back = await readBack(bdev, 0, expected.length);
      if (options.discardZeroes) expected.fill(0, 3 * blockBytes, 24 * blockBytes);
      else back.set(expected.subarray(3 * blockBytes, 24 * blockBytes), 3 * blockBytes);
      expectSameBytes(back, expected);
    });

    it("a partition maps onto its part of the disk", async () => {
      const { bdev } = fixture.device;
      const part = bdev.disk.partition("part1", 2048, 1024);
      const data = pattern(8192, 9);
      await part.write(4096, data);
      expectSameBytes(await readBack(bdev, 2048 * 512 + 4096, data.length), data);
    });

    it("the medium holds what was written once it is flushed", async (context) => {
      const { bdev, readMedium } = fixture.device;
      if (readMedium === undefined) return context.skip("the medium is out of reach");
      const data = pattern(3 * 4096, 10);
      await bdev.write(8192, data);
      await bdev.flush();
      const onMedium = new Uint8Array(data.length);
      await readMedium(8192, onMedium);
      expectSameBytes(onMedium, data, "the medium");
    });

    it("what was written is there after closing and opening again", async (context) => {
      const { bdev, reopen } = fixture.device;
      if (reopen === undefined) return context.skip("the medium does not outlive the device");
      const data = pattern(5 * 4096, 11);
      await bdev.write(4096, data);
      fixture.device = await reopen();
      expectSameBytes(await readBack(fixture.device.bdev, 4096, data.length), data);
    });
  });
}

import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectStatus, newBio, newEmptyBio, submitAll } from "./bios.js";
import type { BlockDeviceSuiteOptions } from "./block-device-suite.js";
import { expectSameBytes, pattern } from "./bytes.js";
import { useDevice } from "./fixture.js";

/** What a device refuses, and that nothing happens then. */
export function describeErrors(options: BlockDeviceSuiteOptions): void {
  describe("refusals", () => {
    const fixture = useDevice(options);

    it("I/O outside the device: EINVAL from the promise methods, IOERR in bios", async () => {
      const { bdev } = fixture.device;
      const block = bdev.queue.limits.logicalBlockBytes;
      const last = pattern(block, 1);
      await bdev.write(bdev.bytes - block, last);
      for (const byteOffset of [-block, bdev.bytes - block, bdev.bytes, 2 ** 50]) {
        const buffer = new Uint8Array(2 * block);
        await expect(bdev.read(byteOffset, buffer)).rejects.toMatchObject({ code: "EINVAL" });
        await expect(bdev.write(byteOffset, buffer)).rejects.toMatchObject({ code: "EINVAL" });
        await expect(bdev.discard(byteOffset, 2 * block)).rejects.toMatchObject({ code: "EINVAL" });
        await expect(bdev.writeZeroes(byteOffset, 2 * block)).rejects.toMatchObject({ code: "EINVAL" });
        for (const op of [ReqOp.READ, ReqOp.WRITE]) {
          await expectStatus(newBio(bdev, op, byteOffset, buffer), BlkStatus.IOERR);
        }
        for (const op of [ReqOp.DISCARD, ReqOp.WRITE_ZEROES]) {
          await expectStatus(newEmptyBio(bdev, op, byteOffset, 2 * block), BlkStatus.IOERR);
        }
      }
      const back = new Uint8Array(block);
      await bdev.read(bdev.bytes - block, back);
      expectSameBytes(back, last, "the last block");
    });

    it("offsets and lengths that are no multiple of the logical block", async () => {
      const { bdev } = fixture.device;
      const block = bdev.queue.limits.logicalBlockBytes;
      for (const [byteOffset, bytes] of [
        [1, block],
        [0, block - 1],
        [block / 2, block],
        [0, block + 100],
      ] as const) {
        const buffer = new Uint8Array(bytes);
        await expect(bdev.read(byteOffset, buffer)).rejects.toMatchObject({ code: "EINVAL" });
        await expect(bdev.write(byteOffset, buffer)).rejects.toMatchObject({ code: "EINVAL" });
      }
      await expectStatus(newBio(bdev, ReqOp.WRITE, 0, new Uint8Array(block + 100)), BlkStatus.IOERR);
      await expectStatus(newBio(bdev, ReqOp.READ, 0, new Uint8Array(100)), BlkStatus.IOERR);
    });

    it("sectors inside a logical block", async (context) => {
      const { bdev } = fixture.device;
      const block = bdev.queue.limits.logicalBlockBytes;
      context.skip(block === 512, "the logical block is a sector");
      await expectStatus(newBio(bdev, ReqOp.WRITE, 512, new Uint8Array(block)), BlkStatus.IOERR);
      await expectStatus(newBio(bdev, ReqOp.READ, 0, new Uint8Array(512)), BlkStatus.IOERR);
    });

    it("a flush that is no write, and operations nobody knows", async () => {
      const { bdev } = fixture.device;
      const block = bdev.queue.limits.logicalBlockBytes;
      await expectStatus(newBio(bdev, ReqOp.READ | ReqFlag.PREFLUSH, 0, new Uint8Array(block)), BlkStatus.IOERR);
      await expectStatus(newEmptyBio(bdev, 0x7f, 0, block), BlkStatus.NOTSUPP);
    });

    it("one bad bio among good ones fails alone", async () => {
      const { bdev } = fixture.device;
      const data = pattern(4096, 2);
      const statuses = await submitAll([
        newBio(bdev, ReqOp.WRITE, 0, data),
        newBio(bdev, ReqOp.WRITE, bdev.bytes, data),
        newBio(bdev, ReqOp.WRITE, 8192, data),
      ]);
      expect(statuses).toEqual([BlkStatus.OK, BlkStatus.IOERR, BlkStatus.OK]);
    });

    it("everything once the disk is closed", async () => {
      const { bdev } = fixture.device;
      await bdev.disk.close();
      await expectStatus(newBio(bdev, ReqOp.READ, 0, new Uint8Array(4096)), BlkStatus.IOERR);
      await expect(bdev.write(0, new Uint8Array(4096))).rejects.toMatchObject({ code: "EIO" });
    });

    it("closing waits for what is in flight", async () => {
      const { bdev } = fixture.device;
      const data = pattern(65536, 3);
      const ended = submitAll(Array.from({ length: 64 }, (_, index) => newBio(bdev, ReqOp.WRITE, index * 65536, data)));
      await bdev.disk.close();
      expect(bdev.queue.inFlight).toBe(0);
      expect(new Set(await ended)).toEqual(new Set([BlkStatus.OK]));
    });
  });

  describe("read-only", () => {
    const fixture = useDevice(options, true);

    it("reads and flushes, and refuses every change", async () => {
      const { bdev } = fixture.device;
      const before = new Uint8Array(8192);
      await bdev.read(0, before);
      await bdev.flush();
      const data = pattern(4096, 1);
      await expect(bdev.write(0, data)).rejects.toMatchObject({ code: "EPERM" });
      await expect(bdev.write(0, data, { fua: true })).rejects.toMatchObject({ code: "EPERM" });
      await expect(bdev.discard(0, 4096)).rejects.toMatchObject({ code: "EPERM" });
      await expect(bdev.writeZeroes(0, 4096)).rejects.toMatchObject({ code: "EPERM" });
      await expectStatus(newBio(bdev, ReqOp.WRITE, 0, data), BlkStatus.IOERR);
      await expectStatus(newEmptyBio(bdev, ReqOp.DISCARD, 0, 4096), BlkStatus.IOERR);
      await expectStatus(newEmptyBio(bdev, ReqOp.WRITE_ZEROES, 0, 4096), BlkStatus.IOERR);
      const after = new Uint8Array(8192);
      await bdev.read(0, after);
      expectSameBytes(after, before);
    });
  });
}

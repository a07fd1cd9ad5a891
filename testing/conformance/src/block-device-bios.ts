import { BIO_MAX_VECS, BlkMqQueue, BlkStatus, type BlockDevice, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectStatus, newBio, submitAll } from "./bios.js";
import type { BlockDeviceSuiteOptions } from "./block-device-suite.js";
import { expectSameBytes, pattern } from "./bytes.js";
import { useDevice } from "./fixture.js";

/** Writes `data` with one bio of the given vectors, reads it back with one of others, and compares. */
async function roundTrip(bdev: BlockDevice, data: Uint8Array, writeVecs: number[], readVecs: number[]): Promise<void> {
  const back = pattern(data.length, 0xbad);
  await expectStatus(newBio(bdev, ReqOp.WRITE, 0, data, writeVecs), BlkStatus.OK);
  await expectStatus(newBio(bdev, ReqOp.READ, 0, back, readVecs), BlkStatus.OK);
  expectSameBytes(back, data);
}

/** What is about the shape and number of bios. */
export function describeBios(options: BlockDeviceSuiteOptions): void {
  describe("bios", () => {
    const fixture = useDevice(options);

    it("with several vectors, cut anywhere", async () => {
      const data = pattern(64 * 1024, 1);
      await roundTrip(fixture.device.bdev, data, [4096, 512, 1024, 8192], [512, 512, 512, 16384]);
      if (fixture.device.bdev.queue.limits.dmaAlignmentBytes > 1) return;
      await roundTrip(fixture.device.bdev, data, [100, 412, 4095, 1], [4097, 3]);
    });

    it("with as many vectors as a bio holds, and the next one is refused", async () => {
      const { bdev } = fixture.device;
      const vecs = new Array<number>(BIO_MAX_VECS).fill(4096);
      await roundTrip(bdev, pattern(BIO_MAX_VECS * 4096, 2), vecs, vecs);
      const smallest = Math.max(512, bdev.queue.limits.dmaAlignmentBytes);
      const small = new Array<number>(BIO_MAX_VECS).fill(smallest);
      const full = newBio(bdev, ReqOp.READ, 0, new Uint8Array(BIO_MAX_VECS * smallest), small);
      expect(full.addBuffer(new Uint8Array(512))).toBe(false);
      await expectStatus(full, BlkStatus.OK);
    });

    it("larger than the device takes at once, in one vector and in many", async () => {
      const { bdev } = fixture.device;
      const { maxSectors, logicalBlockBytes } = bdev.queue.limits;
      const bytes = Math.min(2 * maxSectors * SECTOR_BYTES + 3 * logicalBlockBytes, 6 * 2 ** 20);
      const vecs = new Array<number>(200).fill(32768);
      await roundTrip(bdev, pattern(bytes, 3), [], vecs);
      await roundTrip(bdev, pattern(bytes, 4), vecs, []);
    });

    it("more at a time than the queue is deep", async () => {
      const { bdev } = fixture.device;
      const depth = bdev.queue instanceof BlkMqQueue ? bdev.queue.queueDepth : 128;
      const count = Math.min(4 * depth + 7, 900);
      const blockBytes = Math.max(4096, bdev.queue.limits.logicalBlockBytes);
      const blockCount = Math.floor(bdev.bytes / blockBytes);
      // A stride keeps most neighbours apart, so that they stay requests of their own.
      const places = Array.from({ length: count }, (_, index) => ((index * 7) % blockCount) * blockBytes);
      const written = places.map((_, index) => pattern(blockBytes, index));
      const writes = places.map((place, index) => newBio(bdev, ReqOp.WRITE, place, written[index]!));
      expect(new Set(await submitAll(writes))).toEqual(new Set([BlkStatus.OK]));
      const back = places.map(() => new Uint8Array(blockBytes));
      const reads = places.map((place, index) => newBio(bdev, ReqOp.READ, place, back[index]!));
      expect(new Set(await submitAll(reads))).toEqual(new Set([BlkStatus.OK]));
      places.forEach((_, index) => {
        expectSameBytes(back[index]!, written[index]!, `bio ${index}`);
      });
    });

    it("of neighbours, plugged together in both directions", async () => {
      const { bdev, layer } = fixture.device;
      const data = pattern(32 * 4096, 5);
      const back = new Uint8Array(data.length);
      const order = Array.from({ length: 32 }, (_, index) => (index < 16 ? 15 - index : index));
      const piece = (buffer: Uint8Array, index: number) => buffer.subarray(index * 4096, (index + 1) * 4096);
      for (const [op, buffer] of [
        [ReqOp.WRITE, data],
        [ReqOp.READ, back],
      ] as const) {
        layer.startPlug();
        const ended = submitAll(order.map((index) => newBio(bdev, op, index * 4096, piece(buffer, index))));
        layer.finishPlug();
        expect(new Set(await ended)).toEqual(new Set([BlkStatus.OK]));
      }
      expectSameBytes(back, data);
    });

    it("that end may be put and used again at once, and submit others while they end", async () => {
      const { bdev, layer } = fixture.device;
      const data = pattern(4096, 6);
      let left = 300;
      await new Promise<void>((resolve, reject) => {
        const next = (): void => {
          const bio = newBio(bdev, ReqOp.WRITE, (left % 8) * 4096, data);
          bio.onEndIo = (ended) => {
            const { status } = ended;
            ended.put();
            left--;
            if (status !== BlkStatus.OK) reject(new Error(`a write ended with ${status}`));
            else if (left === 0) resolve();
            else next();
          };
          layer.submitBio(bio);
        };
        next();
      });
    });
  });
}

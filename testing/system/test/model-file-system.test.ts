import { BlkStatus, BlockLayer, HostExecutor, ReqOp } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import type { FscryptFile } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";
import { type FileBlock, ModelFileSystem, type ModelInode } from "./support/model-file-system.js";

const BLOCK = 4096;
const newLayer = (): BlockLayer =>
  new BlockLayer({
    executor: new HostExecutor(),
    cryptoFallback: new BlkCryptoFallback({ engine: createNodeEngine() }),
  });

const masterKey = noise(64, 1);

/** A file of its own policy and inode number, under one master key. */
function file(policy: FscryptFile["policy"], inodeNumber: number): FscryptFile {
  const nonce = noise(16, inodeNumber);
  return { policy, masterKey, contentsMode: 1, nonce, uuid: "00".repeat(16), inodeNumber };
}

function kernelFile({ record }: KernelVector): FscryptFile {
  return {
    policy: record.policy!,
    masterKey: Buffer.from(record.masterKeyHex!, "hex"),
    contentsMode: record.contentsMode!,
    nonce: Buffer.from(record.nonceHex!, "hex"),
    uuid: record.uuid!,
    inodeNumber: record.ino!,
  };
}

/** A run of a file's blocks, contiguous on the device. */
function blocksOf(inode: ModelInode, logicalBlock: number, physicalBlock: number, content: Uint8Array): FileBlock[] {
  return Array.from({ length: content.length / BLOCK }, (_, i) => ({
    inode,
    logicalBlock: logicalBlock + i,
    physicalBlock: physicalBlock + i,
    memory: content.subarray(i * BLOCK, (i + 1) * BLOCK),
  }));
}

describe("a model file system", () => {
  describe("[INT-6] cuts bios where the block layer may not merge", () => {
    it("takes contiguous blocks of one file into one bio, and begins another where the file or its blocks do not go on", async () => {
      const disk = new InlineDisk(newLayer(), { bytes: 64 * BLOCK });
      const fs = new ModelFileSystem([disk.disk.part0], BLOCK);
      const [first, second] = [fs.open(file("v2-IV_INO_LBLK_64", 5)), fs.open(file("v2-per-file", 6))];
      const status = await fs.submitBlocks(disk.disk.part0, ReqOp.WRITE, [
        ...blocksOf(first, 0, 10, noise(3 * BLOCK, 2)),
        // Next on the device, but not next in the file.
        ...blocksOf(first, 7, 13, noise(BLOCK, 3)),
        // Next on the device and with the DUN that follows, but of another file.
        ...blocksOf(second, 8, 14, noise(2 * BLOCK, 4)),
        // Next in the file, but elsewhere on the device.
        ...blocksOf(second, 10, 30, noise(BLOCK, 5)),
      ]);
      expect(status).toBe(BlkStatus.OK);
      expect(fs.submitted.map(({ key, sector, blocks }) => [key === second.key, sector / 8, blocks])).toEqual([
        [false, 10, 3],
        [false, 13, 1],
        [true, 14, 2],
        [true, 30, 1],
      ]);
    });

    it("files with a key in common have bios of their own: their DUNs do not continue", async () => {
      const disk = new InlineDisk(newLayer(), { bytes: 64 * BLOCK });
      const fs = new ModelFileSystem([disk.disk.part0], BLOCK);
      const [a, b] = [fs.open(file("v2-IV_INO_LBLK_64", 5)), fs.open(file("v2-IV_INO_LBLK_64", 6))];
      expect(a.key).toBe(b.key);
      await fs.submitBlocks(disk.disk.part0, ReqOp.WRITE, [
        ...blocksOf(a, 0, 0, noise(BLOCK, 2)),
        ...blocksOf(b, 0, 1, noise(BLOCK, 3)),
      ]);
      expect(fs.submitted).toHaveLength(2);
    });

    const wrap = kernelVectors().filter(({ id }) => id.startsWith("s61-xts-ino32-wrap-"));
    const firstBlock = wrap[0]!.record.firstLogicalBlock!;

    it.each(["by blocks", "by a run"])(
      "a file whose 32-bit DUN wraps is cut at the wrap, on hardware with 32 DUN bits: %s",
      async (how) => {
        expect(wrap.map(({ firstDun }) => firstDun)).toEqual([2n ** 32n - 2n, 0n]);
        const disk = new InlineDisk(newLayer(), { bytes: 16 * BLOCK, maxDunBytes: 4 });
        const device = disk.disk.part0;
        const fs = new ModelFileSystem([device], BLOCK);
        const inode = fs.open(kernelFile(wrap[0]!));
        const content = Buffer.concat(wrap.map((vector) => vector.plaintext()));
        disk.disk.queue.layer.startPlug();
        const written =
          how === "by blocks"
            ? fs.submitBlocks(device, ReqOp.WRITE, blocksOf(inode, firstBlock, 4, content))
            : fs.submitRun(device, ReqOp.WRITE, inode, firstBlock, 4, content);
        disk.disk.queue.layer.finishPlug();
        expect(await written).toBe(BlkStatus.OK);

        expect(fs.submitted.map(({ firstDun, blocks }) => [firstDun, blocks])).toEqual([
          [2n ** 32n - 2n, 2],
          [0n, 2],
        ]);
        // Neighbours on the device under one plug, yet the queue did not join them: a wrap does not continue.
        expect(disk.requests.map(({ crypt, bytes }) => [crypt!.firstDun, bytes])).toEqual([
          [2n ** 32n - 2n, 2 * BLOCK],
          [0n, 2 * BLOCK],
        ]);
        const medium = disk.medium.subarray(4 * BLOCK, 8 * BLOCK);
        for (const [i, vector] of wrap.entries())
          assertCiphertext(vector, medium.subarray(2 * i * BLOCK, 2 * (i + 1) * BLOCK));
      },
    );

    it("the limit is what is left until the wrap, and none for other policies", () => {
      const disk = new InlineDisk(newLayer(), { bytes: 16 * BLOCK });
      const fs = new ModelFileSystem([disk.disk.part0], BLOCK);
      const inode = fs.open(kernelFile(wrap[0]!));
      const limits = [0, 1, 2].map((block) => fs.limitIoBlocks(inode, firstBlock + block, 100));
      expect(limits).toEqual([2, 1, 100]);
      expect(fs.limitIoBlocks(fs.open(file("v2-IV_INO_LBLK_64", 5)), 2 ** 32 - 1, 100)).toBe(100);
    });
  });

  describe("[INT-7] on several devices", () => {
    it("starts and evicts each key on all of them, before they close and before the keys are wiped", async () => {
      const layer = newLayer();
      const disks = [0, 1].map((n) => new InlineDisk(layer, { bytes: 16 * BLOCK, name: `inline${n}` }));
      await using plain = new RamDisk(layer, { bytes: 16 * BLOCK });
      const devices = [...disks.map(({ disk }) => disk.part0), plain.bdev];
      const fs = new ModelFileSystem(devices, BLOCK);
      const inodes = [5, 6].map((number) => fs.open(file("v2-per-file", number)));
      const content = noise(2 * BLOCK, 9);
      for (const device of devices) {
        for (const [i, inode] of inodes.entries()) {
          expect(await fs.submitRun(device, ReqOp.WRITE, inode, 0, 4 * i, content)).toBe(BlkStatus.OK);
        }
      }

      await fs.unmount();

      for (const { calls, profile } of disks) {
        expect(calls.map(({ op }) => op)).toEqual(["keyslotProgram", "keyslotProgram", "keyslotEvict", "keyslotEvict"]);
        for (const call of calls) expect(call).toMatchObject({ queueIsLive: true, keyIsUsable: true });
        expect(profile.slotTable().every(({ key }) => key === null)).toBe(true);
      }
      expect((layer.cryptoFallback as BlkCryptoFallback).slotTable().every(({ key }) => key === null)).toBe(true);
      for (const { key } of inodes) expect(() => key.withBytes(() => {})).toThrow(/wiped/);
    });

    it("[API-14] a key evicted on one of them stays programmed on the others", async () => {
      const layer = newLayer();
      const disks = [0, 1].map((n) => new InlineDisk(layer, { bytes: 16 * BLOCK, name: `inline${n}` }));
      const devices = disks.map(({ disk }) => disk.part0);
      const fs = new ModelFileSystem(devices, BLOCK);
      const inode = fs.open(file("v2-per-file", 5));
      const content = noise(BLOCK, 9);
      for (const device of devices) await fs.submitRun(device, ReqOp.WRITE, inode, 0, 0, content);

      await blkCryptoEvictKey(devices[0]!, inode.key);
      const back = new Uint8Array(BLOCK);
      expect(await fs.submitRun(devices[1]!, ReqOp.READ, inode, 0, 0, back)).toBe(BlkStatus.OK);
      expect(firstDifference(back, content)).toBe(-1);
      expect(disks.map(({ calls }) => calls.map(({ op }) => op))).toEqual([
        ["keyslotProgram", "keyslotEvict"],
        ["keyslotProgram"],
      ]);
    });
  });
});

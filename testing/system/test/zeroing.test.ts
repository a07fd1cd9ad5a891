import { BIO_MAX_VECS, BlkStatus, BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";

const PAGE = 4096;
const MAX_BIO_BYTES = BIO_MAX_VECS * PAGE;
const RANGE_BYTES = 2 * MAX_BIO_BYTES + 5 * PAGE;

function makeVolume() {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const bioBytes: number[] = [];
  layer.tracepoints.blockBioQueue.subscribe((bio) => bioBytes.push(bio.bytes));
  const limits = { maxSectors: 65535 - (65535 % 8), maxWriteZeroesSectors: 1 << 20 };
  const disk = new InlineDisk(layer, { bytes: 4 * MAX_BIO_BYTES, limits });
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: noise(64, 1), dataUnitBytes: PAGE, dunBytes: 8 });
  blkCryptoStartUsingKey(disk.disk.part0, key);
  return { disk, bioBytes, volume: new Volume(disk.disk.part0, { key, firstDun: 1000n }) };
}

describe("zeroing an encrypted range", () => {
  it("[INT-8] writes each data unit's ciphertext of zeroes, in bios of at most 256 pages", async () => {
    const { disk, bioBytes, volume } = makeVolume();
    disk.medium.fill(0xee);
    await volume.writeZeroes(3 * PAGE, RANGE_BYTES);

    expect(bioBytes).toEqual([MAX_BIO_BYTES, MAX_BIO_BYTES, 5 * PAGE]);
    // Units of both ends and of a seam: the oracle is slow.
    for (const unit of [0, 1, 255, 256, 511, 512, 516]) {
      const at = (3 + unit) * PAGE;
      const dun = 1000n + BigInt(3 + unit);
      const expected = referenceEncrypt("xts(aes)", noise(64, 1), PAGE, dun, new Uint8Array(PAGE));
      expect(firstDifference(disk.medium.subarray(at, at + PAGE), expected), `unit ${unit}`).toBe(-1);
    }
    for (const at of [2 * PAGE, 3 * PAGE + RANGE_BYTES]) {
      expect(disk.medium.subarray(at, at + PAGE).every((byte) => byte === 0xee)).toBe(true);
    }
    const zeroes = new Uint8Array(PAGE).fill(1);
    await volume.read(3 * PAGE + 300 * PAGE, zeroes);
    expect(zeroes.every((byte) => byte === 0)).toBe(true);
  });

  it("[INT-8] stops at the first error, and reports that one", async () => {
    const { disk, volume } = makeVolume();
    const secondBio = MAX_BIO_BYTES / 512;
    disk.failOn = ({ sector }) => (sector >= secondBio ? BlkStatus.NOSPC : BlkStatus.OK);
    await expect(volume.writeZeroes(0, RANGE_BYTES)).rejects.toMatchObject({ code: "ENOSPC" });
    expect(Math.max(...disk.requests.map(({ sector }) => sector))).toBeLessThan(2 * secondBio);
  });
});

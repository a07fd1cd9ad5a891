import { deflateSync } from "node:zlib";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoModeName,
  cryptoModeByName,
} from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { referenceDecrypt, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";
import { cipherNames } from "./support/modes.js";

const BYTES = 65536;

/** A device, and its medium past everything that encrypts. */
interface Stack {
  readonly device: Volume["bdev"];
  readonly medium: () => Uint8Array;
}

const stacks: readonly [name: string, make: () => Stack][] = [
  [
    "the fallback over a RAM disk",
    () => {
      const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
      const ram = new RamDisk(new BlockLayer({ executor: new HostExecutor(), cryptoFallback }), { bytes: 2 * BYTES });
      const medium = (): Uint8Array => {
        const bytes = new Uint8Array(2 * BYTES);
        ram.readMedium(0, bytes);
        return bytes;
      };
      return { device: ram.bdev, medium };
    },
  ],
  [
    "a disk that encrypts inline",
    () => {
      const disk = new InlineDisk(new BlockLayer({ executor: new HostExecutor() }), { bytes: 2 * BYTES });
      return { device: disk.disk.part0, medium: () => disk.medium };
    },
  ],
];
const modes = Object.keys(cipherNames) as CryptoModeName[];
const cases = stacks.flatMap(([name, make]) => modes.map((mode) => ({ name, make, mode })));

/** A key of the mode, made of `seed`. */
function newKey(mode: CryptoModeName, seed: number, dataUnitBytes: number): BlkCryptoKey {
  const bytes = noise(cryptoModeByName(mode).keyBytes, seed);
  return new BlkCryptoKey({ mode, bytes, dataUnitBytes, dunBytes: 8 });
}

describe.each(cases)("$name, $mode", ({ make, mode }) => {
  const { device, medium } = make();
  const cipherName = cipherNames[mode];

  it.each([512, 4096])("[INT-10] what is written decrypts independently, data units of %i", async (unit) => {
    const key = newKey(mode, 1, unit);
    blkCryptoStartUsingKey(device, key);
    const content = noise(BYTES, 2);
    await new Volume(device, { key, firstDun: 2n ** 32n - 3n }).write(0, content);
    const decrypted = key.withBytes((bytes) =>
      referenceDecrypt(cipherName, bytes, unit, 2n ** 32n - 3n, medium().subarray(0, BYTES)),
    );
    expect(firstDifference(decrypted, content)).toBe(-1);
    await blkCryptoEvictKey(device, key);
  });

  it.each([512, 4096])(
    "[INT-10] what a random medium reads as encrypts to that medium, data units of %i",
    async (unit) => {
      const random = noise(BYTES, 3);
      await device.write(0, random);
      const key = newKey(mode, 4, unit);
      blkCryptoStartUsingKey(device, key);
      const read = new Uint8Array(BYTES);
      await new Volume(device, { key, firstDun: 5n }).read(0, read);
      const encrypted = key.withBytes((bytes) => referenceEncrypt(cipherName, bytes, unit, 5n, read));
      expect(firstDifference(encrypted, random)).toBe(-1);
      await blkCryptoEvictKey(device, key);
    },
  );

  it("[INT-10] the same plaintext under two keys and many DUNs shows no repetition", async () => {
    const unit = 512;
    const plaintext = new Uint8Array(BYTES);
    const keys = [newKey(mode, 5, unit), newKey(mode, 6, unit)];
    for (const [i, key] of keys.entries()) {
      blkCryptoStartUsingKey(device, key);
      await new Volume(device, { key }).write(i * BYTES, plaintext);
    }
    const bytes = medium();
    const blocks = new Set<string>();
    for (let at = 0; at < bytes.length; at += 16) blocks.add(Buffer.from(bytes.subarray(at, at + 16)).toString("hex"));
    expect(blocks.size).toBe(bytes.length / 16);
    // A repetition within the window of deflate, 32 KiB, makes it shorter; so does any bias of its bytes.
    expect(deflateSync(bytes, { level: 9 }).length).toBeGreaterThan(bytes.length);
    for (const key of keys) await blkCryptoEvictKey(device, key);
  });
});

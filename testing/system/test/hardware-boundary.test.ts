import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import * as profilePackage from "@inlinecrypt/blk-crypto-profile";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";

/** Names of a value's members, own and inherited, of what it is and of what it makes. */
function memberNames(value: unknown): string[] {
  const names: string[] = [];
  const start = typeof value === "function" ? (value.prototype as object | undefined) : value;
  for (
    let at = start;
    at !== null && typeof at === "object" && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return names;
}

describe("encryption parameters ride on I/O requests", () => {
  it("[INT-2] the profile package exports nothing that en- or decrypts memory", () => {
    const exported = Object.entries(profilePackage);
    expect(exported.length).toBeGreaterThan(5);
    for (const [name, value] of exported) {
      for (const member of [name, ...memberNames(value)]) {
        expect(`${name}.${member}`).not.toMatch(/\.(en|de)crypt|\.crypt$|cipher(Unit|Data|Bytes)/i);
      }
    }
  });

  it("[INT-2] low-level ops get a key and a slot, never data; data and DUN come with the request", async () => {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const disk = new InlineDisk(layer, { bytes: 1 << 20 });
    const device = disk.disk.part0;
    const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: noise(64, 1), dataUnitBytes: 4096, dunBytes: 8 });
    blkCryptoStartUsingKey(device, key);
    const volume = new Volume(device, { key, firstDun: 77n });
    const content = noise(65536, 2);
    await volume.write(0, content);
    await volume.read(0, new Uint8Array(65536));
    await blkCryptoEvictKey(device, key);

    expect(disk.calls.map(({ op, args }) => [op, ...args])).toEqual([
      ["keyslotProgram", key, 0],
      ["keyslotEvict", key, 0],
    ]);
    expect(disk.requests).toEqual(
      [true, false].map((write) => ({ write, sector: 0, bytes: 65536, crypt: { firstDun: 77n, dataUnitBytes: 4096 } })),
    );
    const expected = referenceEncrypt("xts(aes)", noise(64, 1), 4096, 77n, content);
    expect(firstDifference(disk.medium.subarray(0, 65536), expected)).toBe(-1);
  });
});

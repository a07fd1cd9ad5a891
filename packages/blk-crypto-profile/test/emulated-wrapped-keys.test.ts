import { inspect } from "node:util";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { hwKdf } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";

const ROOT_KEY = new Uint8Array(32).map((_, index) => 0xc0 + index);
const BLOB_BYTES = 60;

/** Blobs are written into buffers of 128 bytes, as profiles lend them. */
async function blobOf(write: (into: Uint8Array) => number | Promise<number>): Promise<Uint8Array> {
  const buffer = new Uint8Array(128);
  return buffer.slice(0, await write(buffer));
}

const importKey = (keys: EmulatedWrappedKeys, rawKey: Uint8Array): Promise<Uint8Array> =>
  blobOf((into) => keys.llOps.importKey(rawKey, into));
const generateKey = (keys: EmulatedWrappedKeys): Promise<Uint8Array> => blobOf((into) => keys.llOps.generateKey(into));
const prepareKey = (keys: EmulatedWrappedKeys, ltKey: Uint8Array): Promise<Uint8Array> =>
  blobOf((into) => keys.llOps.prepareKey(ltKey, into));
const swSecretOf = (keys: EmulatedWrappedKeys, ephKey: Uint8Array): Uint8Array => {
  const swSecret = new Uint8Array(32);
  void keys.llOps.deriveSwSecret(ephKey, swSecret);
  return swSecret;
};
const badMessage = expect.objectContaining({ code: "EBADMSG" });

describe("emulated wrapped keys", () => {
  it("[SYS-9] import and prepare give a blob of table 2.14's inline key and software secret", async () => {
    const keys = new EmulatedWrappedKeys();
    const ltKey = await importKey(keys, ROOT_KEY);
    const ephKey = await prepareKey(keys, ltKey);
    expect([ltKey.length, ephKey.length]).toEqual([BLOB_BYTES, BLOB_BYTES]);
    expect(keys.unwrapInlineKey(ephKey)).toEqual(hwKdf.inlineEncryptionKey(ROOT_KEY));
    expect(swSecretOf(keys, ephKey)).toEqual(hwKdf.swSecret(ROOT_KEY));
  });

  it("[SYS-9] generates a different key each time", async () => {
    const keys = new EmulatedWrappedKeys();
    const blobs = [await generateKey(keys), await generateKey(keys)];
    const inlineKeys = await Promise.all(blobs.map(async (blob) => keys.unwrapInlineKey(await prepareKey(keys, blob))));
    expect(inlineKeys[0]).not.toEqual(inlineKeys[1]);
  });

  it("wraps one key into a different blob each time", async () => {
    const keys = new EmulatedWrappedKeys();
    expect(await importKey(keys, ROOT_KEY)).not.toEqual(await importKey(keys, ROOT_KEY));
  });

  it("takes its random bytes from where it is told", async () => {
    const make = (): EmulatedWrappedKeys => new EmulatedWrappedKeys({ randomBytes: (into) => into.fill(7) });
    expect(await generateKey(make())).toEqual(await generateKey(make()));
    expect(await generateKey(make())).not.toEqual(await generateKey(new EmulatedWrappedKeys()));
  });

  it("[SYS-10] a reboot ends ephemeral blobs, not long-term ones", async () => {
    const keys = new EmulatedWrappedKeys();
    const ltKey = await importKey(keys, ROOT_KEY);
    const before = await prepareKey(keys, ltKey);
    keys.reboot();
    expect(() => keys.unwrapInlineKey(before)).toThrow(badMessage);
    expect(() => swSecretOf(keys, before)).toThrow(badMessage);
    const after = await prepareKey(keys, ltKey);
    expect(keys.unwrapInlineKey(after)).toEqual(hwKdf.inlineEncryptionKey(ROOT_KEY));
  });

  it("[SYS-10] long-term blobs work wherever the hardware's key is the same", async () => {
    const hardwareKey = new Uint8Array(32).fill(1);
    const [first, second, other] = [{ hardwareKey }, { hardwareKey }, {}].map((each) => new EmulatedWrappedKeys(each));
    hardwareKey.fill(0);
    const ltKey = await importKey(first!, ROOT_KEY);
    const ephKey = await prepareKey(second!, ltKey);
    expect(second!.unwrapInlineKey(ephKey)).toEqual(hwKdf.inlineEncryptionKey(ROOT_KEY));
    expect(() => first!.unwrapInlineKey(ephKey)).toThrow(badMessage);
    await expect(prepareKey(other!, ltKey)).rejects.toThrow(badMessage);
  });

  it("[SYS-7] [API-18] refuses anything that is not such a blob", async () => {
    const keys = new EmulatedWrappedKeys();
    const ltKey = await importKey(keys, ROOT_KEY);
    const ephKey = await prepareKey(keys, ltKey);
    const flipped = ltKey.map((byte, index) => (index === 20 ? byte ^ 1 : byte));
    for (const bad of [
      new Uint8Array(0),
      ltKey.subarray(1),
      ltKey.subarray(0, 28),
      new Uint8Array(60),
      flipped,
      ephKey,
    ]) {
      await expect(prepareKey(keys, bad)).rejects.toThrow(badMessage);
    }
    expect(() => keys.unwrapInlineKey(ltKey)).toThrow(badMessage);
    expect(() => swSecretOf(keys, ltKey)).toThrow(badMessage);
  });

  it("takes raw keys of 32 bytes, and a hardware key of 32 bytes", async () => {
    const keys = new EmulatedWrappedKeys();
    for (const length of [16, 31, 33, 64]) {
      await expect(importKey(keys, new Uint8Array(length))).rejects.toThrow(/32 bytes, got/);
    }
    expect(() => new EmulatedWrappedKeys({ hardwareKey: new Uint8Array(16) })).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringContaining("hardwareKey has 32 bytes, got 16") }),
    );
  });

  it("shows no key, and keeps none", async () => {
    const handed: Uint8Array[] = [];
    const randomBytes = (into: Uint8Array): Uint8Array => {
      handed.push(into);
      return into.fill(0xde);
    };
    const keys = new EmulatedWrappedKeys({ randomBytes });
    await prepareKey(keys, await generateKey(keys));
    const shown = [inspect(keys, { showHidden: true, depth: 9 }), JSON.stringify(keys), String(keys)].join();
    expect(shown).not.toMatch(/222|dede/i);
    const keysHanded = handed.filter((bytes) => bytes.length === 32);
    expect(keysHanded).toHaveLength(3);
    for (const bytes of keysHanded) expect(bytes).toEqual(new Uint8Array(32));
  });

  it("wraps and unwraps nothing once disposed", async () => {
    const keys = new EmulatedWrappedKeys();
    const ltKey = await importKey(keys, ROOT_KEY);
    const ephKey = await prepareKey(keys, ltKey);
    keys[Symbol.dispose]();
    expect(() => keys.unwrapInlineKey(ephKey)).toThrow(badMessage);
    await expect(prepareKey(keys, ltKey)).rejects.toThrow(badMessage);
    await expect(importKey(keys, ROOT_KEY)).rejects.toThrow(expect.objectContaining({ code: "ENODEV" }));
  });
});

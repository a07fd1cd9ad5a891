import { inspect } from "node:util";
import { encryptDataUnits, ieee1619Vectors } from "@inlinecrypt/reference-crypto";
import { describe, expect, test } from "vitest";
import { type Skcipher, type SkcipherEngine, SkcipherError } from "../../src/index.js";
import { engines, KEY, limbs, noise } from "../support.js";

/** What `call` throws; only a SkcipherError will do. */
function errorOf(call: () => void): SkcipherError {
  try {
    call();
  } catch (error) {
    if (error instanceof SkcipherError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function keyed(engine: SkcipherEngine, key: Uint8Array = KEY): Skcipher {
  const cipher = engine.alloc("xts(aes)");
  cipher.setKey(key);
  return cipher;
}

function encrypted(cipher: Skcipher, plaintext: Uint8Array, dataUnitBytes = 512, dun = 0n): Uint8Array {
  const ciphertext = new Uint8Array(plaintext.length);
  cipher.encrypt(plaintext, ciphertext, dataUnitBytes, limbs(dun));
  return ciphertext;
}

describe.each(engines)("engine $name", ({ create }) => {
  const engine = create();

  describe("the engine", () => {
    test("lists, supports and describes xts(aes)", () => {
      expect(engine.ciphers).toEqual(["xts(aes)"]);
      expect(engine.supports("xts(aes)")).toBe(true);
      expect(engine.supports("adiantum(xchacha12,aes)")).toBe(false);
      const status = engine.describe();
      expect(status).toMatchObject({ name: engine.name, available: true, ciphers: ["xts(aes)"] });
      expect(status).not.toHaveProperty("reason");
    });

    test("refuses an unknown cipher and lists those it has", () => {
      const error = errorOf(() => engine.alloc("xts(sm4)"));
      expect(error).toMatchObject({ code: "ENOENT", errno: -2, op: "alloc" });
      expect(error.message).toMatch(/"xts\(sm4\)".*it has: xts\(aes\)/);
    });

    test("a cipher tells its name, key length and IV length", () => {
      expect(engine.alloc("xts(aes)")).toMatchObject({ name: "xts(aes)", keyBytes: 64, ivBytes: 16 });
    });
  });

  describe("ciphertext", () => {
    const cases = ieee1619Vectors().filter((vector) => vector.key.length === 64);

    test("there are five IEEE 1619 vectors for AES-256", () => expect(cases).toHaveLength(5));

    test.each(cases)("IEEE 1619 $name, both ways", (vector) => {
      const cipher = keyed(engine, vector.key);
      const ciphertext = encrypted(cipher, vector.plaintext, 512, vector.dun);
      expect(ciphertext).toEqual(vector.ciphertext);
      const plaintext = new Uint8Array(512);
      cipher.decrypt(ciphertext, plaintext, 512, limbs(vector.dun));
      expect(plaintext).toEqual(vector.plaintext);
    });

    test.each([
      { dataUnitBytes: 512, dataUnits: 300 },
      { dataUnitBytes: 4096, dataUnits: 33 },
      { dataUnitBytes: 16384, dataUnits: 5 },
      { dataUnitBytes: 65536, dataUnits: 2 },
    ])("$dataUnits data units of $dataUnitBytes in one call, more than the scratch memory holds", (shape) => {
      const plaintext = noise(shape.dataUnits * shape.dataUnitBytes);
      const cipher = keyed(engine);
      const ciphertext = encrypted(cipher, plaintext, shape.dataUnitBytes, 7n);
      expect(Buffer.compare(ciphertext, encryptDataUnits(KEY, 7n, shape.dataUnitBytes, plaintext))).toBe(0);
      cipher.decrypt(ciphertext, ciphertext, shape.dataUnitBytes, limbs(7n));
      expect(Buffer.compare(ciphertext, plaintext)).toBe(0);
    });

    test("two ciphers in turns do not disturb each other", () => {
      const otherKey = noise(64, 65);
      const [one, other] = [keyed(engine), keyed(engine, otherKey)];
      const plaintext = noise(1024);
      for (let turn = 0n; turn < 3n; turn++) {
        expect(encrypted(one, plaintext, 512, turn)).toEqual(encryptDataUnits(KEY, turn, 512, plaintext));
        expect(encrypted(other, plaintext, 512, turn)).toEqual(encryptDataUnits(otherKey, turn, 512, plaintext));
      }
      other.clear();
      expect(encrypted(one, plaintext)).toEqual(encryptDataUnits(KEY, 0n, 512, plaintext));
    });

    test.each([512, 65536])("shared memory is as good as any, data units of %i", (dataUnitBytes) => {
      const plaintext = noise(dataUnitBytes);
      const shared = new Uint8Array(new SharedArrayBuffer(dataUnitBytes));
      shared.set(plaintext);
      keyed(engine).encrypt(shared, shared, dataUnitBytes, limbs(0n));
      expect(Buffer.compare(shared, encryptDataUnits(KEY, 0n, dataUnitBytes, plaintext))).toBe(0);
    });

    test("no data is no error", () => {
      const none = new Uint8Array(0);
      keyed(engine).encrypt(none, none, 512, limbs(0n));
      keyed(engine).decrypt(none, none, 512, limbs(0n));
    });
  });

  describe("keys", () => {
    test.each([0, 32, 48, 63, 65, 128])("a key of %i bytes is refused, and the message says so", (bytes) => {
      const error = errorOf(() => engine.alloc("xts(aes)").setKey(noise(bytes)));
      expect(error).toMatchObject({ code: "EINVAL", errno: -22, op: "setKey" });
      expect(error.message).toMatch(new RegExp(`has 64 bytes; this one has ${bytes}$`));
    });

    test("a string is no key, even of 64 characters", () => {
      const error = errorOf(() => engine.alloc("xts(aes)").setKey("a".repeat(64) as unknown as Uint8Array));
      expect(error).toMatchObject({ code: "EINVAL", op: "setKey" });
      expect(error.message).toMatch(/Uint8Array of 64 bytes/);
    });

    test.each([0, 1])("[FB-24] equal halves are refused (%i)", (fill) => {
      const error = errorOf(() => engine.alloc("xts(aes)").setKey(new Uint8Array(64).fill(fill)));
      expect(error).toMatchObject({ code: "EINVAL", op: "setKey" });
      expect(error.message).toMatch(/halves .* must differ/);
    });

    test.each([0, 31, 32, 63])("halves that differ in byte %i alone are accepted", (at) => {
      const key = new Uint8Array(64);
      key[at] = 0x80;
      const plaintext = noise(512);
      expect(encrypted(keyed(engine, key), plaintext)).toEqual(encryptDataUnits(key, 0n, 512, plaintext));
    });

    test("the key is copied: the caller may wipe its own", () => {
      const key = KEY.slice();
      const cipher = keyed(engine, key);
      expect(key).toEqual(KEY);
      key.fill(0);
      for (const dataUnitBytes of [512, 65536]) {
        const plaintext = noise(dataUnitBytes);
        const expected = encryptDataUnits(KEY, 0n, dataUnitBytes, plaintext);
        expect(Buffer.compare(encrypted(cipher, plaintext, dataUnitBytes), expected)).toBe(0);
      }
    });

    test("a key at an odd address is as good", () => {
      const padded = new Uint8Array(67);
      padded.set(KEY, 3);
      expect(encrypted(keyed(engine, padded.subarray(3)), noise(512))).toEqual(encrypted(keyed(engine), noise(512)));
    });

    test("without a key there is neither encrypting nor decrypting", () => {
      const cipher = engine.alloc("xts(aes)");
      const data = new Uint8Array(512);
      for (const op of ["encrypt", "decrypt"] as const) {
        expect(errorOf(() => cipher[op](data, data, 512, limbs(0n)))).toMatchObject({
          code: "ENOKEY",
          errno: -126,
          op,
        });
      }
    });

    test("clear() takes the key away, may be repeated, and another key may follow", () => {
      const cipher = keyed(engine);
      cipher.clear();
      cipher.clear();
      expect(errorOf(() => encrypted(cipher, noise(512))).code).toBe("ENOKEY");
      const otherKey = noise(64, 99);
      cipher.setKey(otherKey);
      expect(encrypted(cipher, noise(512))).toEqual(encryptDataUnits(otherKey, 0n, 512, noise(512)));
    });

    test("a key replaces the one before it, for all data unit sizes", () => {
      const cipher = keyed(engine);
      const otherKey = noise(64, 99);
      cipher.setKey(otherKey);
      for (const dataUnitBytes of [512, 65536]) {
        const expected = encryptDataUnits(otherKey, 0n, dataUnitBytes, noise(dataUnitBytes));
        expect(Buffer.compare(encrypted(cipher, noise(dataUnitBytes), dataUnitBytes), expected)).toBe(0);
      }
    });

    test("a refused key leaves none behind", () => {
      const cipher = keyed(engine);
      expect(errorOf(() => cipher.setKey(new Uint8Array(64))).code).toBe("EINVAL");
      expect(errorOf(() => encrypted(cipher, noise(512))).code).toBe("ENOKEY");
    });

    test("neither inspect nor JSON nor an error shows the key", () => {
      const cipher = keyed(engine);
      const shown = [
        inspect(cipher, { showHidden: true, depth: null }),
        inspect(engine, { showHidden: true, depth: null }),
        JSON.stringify(cipher),
        inspect(errorOf(() => cipher.encrypt(KEY, KEY, 512, limbs(0n)))),
        inspect(errorOf(() => cipher.setKey(new Uint8Array([...KEY.subarray(0, 32), ...KEY.subarray(0, 32)])))),
      ].join("\n");
      const [decimal, hex] = [[...KEY.subarray(0, 4)].join(", "), Buffer.from(KEY.subarray(0, 4)).toString("hex")];
      expect(shown).not.toContain(decimal);
      expect(shown).not.toContain(decimal.replaceAll(" ", ""));
      expect(shown).not.toContain(hex);
      expect(JSON.parse(JSON.stringify(cipher))).toEqual({ name: "xts(aes)", keyBytes: 64, ivBytes: 16 });
    });
  });

  describe("requests that are refused", () => {
    const cipher = keyed(engine);
    const buffer = new Uint8Array(4096);
    const dun = limbs(0n);
    const refused: { why: string; src: unknown; dst: unknown; unit: unknown; dun: unknown; message: RegExp }[] = [
      ...[0, -512, 16, 256, 511, 513, 768, 131072, 512.5, Number.NaN, Number.POSITIVE_INFINITY].map((unit) => ({
        why: `a data unit of ${unit}`,
        src: buffer,
        dst: buffer,
        unit,
        dun,
        message: new RegExp(`power of two, 512 to 65536; it is ${unit}$`),
      })),
      {
        why: "lengths that differ",
        src: buffer,
        dst: new Uint8Array(2048),
        unit: 512,
        dun,
        message: /source \(4096 bytes\) and destination \(2048\) differ/,
      },
      {
        why: "a part of a data unit",
        src: buffer.subarray(0, 1536),
        dst: buffer.subarray(0, 1536),
        unit: 1024,
        dun,
        message: /1536 bytes are not a multiple of the data unit, 1024/,
      },
      {
        why: "a destination just behind the source's start",
        src: buffer.subarray(0, 2048),
        dst: buffer.subarray(1, 2049),
        unit: 512,
        dun,
        message: /same bytes or have none in common/,
      },
      {
        why: "a destination that ends in the source",
        src: buffer.subarray(2047, 4095),
        dst: buffer.subarray(0, 2048),
        unit: 512,
        dun,
        message: /same bytes or have none in common/,
      },
      { why: "a DUN of four limbs", src: buffer, dst: buffer, unit: 512, dun: new Uint32Array(4), message: /8 limbs/ },
      {
        why: "a DUN of 64-bit limbs",
        src: buffer,
        dst: buffer,
        unit: 512,
        dun: new BigUint64Array(8),
        message: /8 limbs/,
      },
      {
        why: "an array as a DUN",
        src: buffer,
        dst: buffer,
        unit: 512,
        dun: [0, 0, 0, 0, 0, 0, 0, 0],
        message: /8 limbs/,
      },
      {
        why: "a source of 16-bit elements",
        src: new Uint16Array(512),
        dst: new Uint8Array(512),
        unit: 512,
        dun,
        message: /must be Uint8Arrays/,
      },
      { why: "an array as destination", src: buffer, dst: [...buffer], unit: 512, dun, message: /must be Uint8Arrays/ },
    ];

    test.each(refused)("$why", ({ src, dst, unit, dun, message }) => {
      for (const op of ["encrypt", "decrypt"] as const) {
        const error = errorOf(() =>
          cipher[op](src as Uint8Array, dst as Uint8Array, unit as number, dun as Uint32Array),
        );
        expect(error).toMatchObject({ code: "EINVAL", errno: -22, op });
        expect(error.message).toMatch(message);
      }
      expect(buffer).toEqual(new Uint8Array(4096));
    });

    test("neighbours in one buffer are no overlap", () => {
      const both = new Uint8Array(1024);
      cipher.encrypt(both.subarray(0, 512), both.subarray(512), 512, dun);
      cipher.encrypt(both.subarray(512), both.subarray(0, 512), 512, dun);
    });
  });
});

test("every engine is named after its subpath", () => {
  expect(engines.map(({ create }) => create().name)).toEqual(["portable", "node", "node"]);
});

import { inspect } from "node:util";
import { ieee1619Vectors, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, test } from "vitest";
import { type Skcipher, SkcipherError } from "../../src/index.js";
import { ciphers, engines, KEY, limbs, noise, type TestedCipher } from "../support.js";

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

function encrypted(cipher: Skcipher, plaintext: Uint8Array, dataUnitBytes = 512, dun = 0n): Uint8Array {
  const ciphertext = new Uint8Array(plaintext.length);
  cipher.encrypt(plaintext, ciphertext, dataUnitBytes, limbs(dun));
  return ciphertext;
}

/** The oracle is slow: what several engines are compared with is computed once. */
const oracleAnswers = new Map<string, Uint8Array>();

function oracle(
  { name }: TestedCipher,
  key: Uint8Array,
  dataUnitBytes: number,
  dun: bigint,
  plaintext: Uint8Array,
): Uint8Array {
  const question = [name, Buffer.from(key).toString("hex"), dataUnitBytes, dun, plaintext.length].join();
  let answer = oracleAnswers.get(question);
  if (answer === undefined) {
    answer = referenceEncrypt(name, key, dataUnitBytes, dun, plaintext);
    oracleAnswers.set(question, answer);
  }
  return answer;
}

describe.each(engines)("engine $name", ({ create }) => {
  const engine = create();

  test("lists, supports and describes its ciphers", () => {
    const names = ciphers.map(({ name }) => name);
    expect(engine.ciphers).toEqual(names);
    expect(names.map((name) => engine.supports(name))).toEqual([true, true, true, true]);
    expect(engine.supports("xts(twofish)")).toBe(false);
    const status = engine.describe();
    expect(status).toMatchObject({ name: engine.name, available: true, ciphers: names });
    expect(status).not.toHaveProperty("reason");
    expect(status.algorithms.map(({ cipher, available }) => [cipher, available])).toEqual(
      names.map((name) => [name, true]),
    );
  });

  test("refuses an unknown cipher and lists those it has", () => {
    const error = errorOf(() => engine.alloc("xts(twofish)"));
    expect(error).toMatchObject({ code: "ENOENT", errno: -2, op: "alloc" });
    expect(error.message).toMatch(/"xts\(twofish\)".*it has: xts\(aes\), essiv\(/);
  });

  test("ciphers of different names in turns do not disturb each other", () => {
    const plaintext = noise(2048);
    const keyed = ciphers.map((tested) => {
      const cipher = engine.alloc(tested.name);
      cipher.setKey(noise(tested.keyBytes, 7));
      return { tested, cipher };
    });
    for (let turn = 0n; turn < 3n; turn++) {
      for (const { tested, cipher } of keyed) {
        const expected = oracle(tested, noise(tested.keyBytes, 7), 1024, turn, plaintext);
        expect(Buffer.compare(encrypted(cipher, plaintext, 1024, turn), expected)).toBe(0);
      }
    }
  });

  const ieeeVectors = ieee1619Vectors().filter((vector) => vector.key.length === 64);

  test("there are five IEEE 1619 vectors for AES-256", () => expect(ieeeVectors).toHaveLength(5));

  test.each(ieeeVectors)("IEEE 1619 $name, both ways", (vector) => {
    const cipher = engine.alloc("xts(aes)");
    cipher.setKey(vector.key);
    const ciphertext = encrypted(cipher, vector.plaintext, 512, vector.dun);
    expect(ciphertext).toEqual(vector.ciphertext);
    const plaintext = new Uint8Array(512);
    cipher.decrypt(ciphertext, plaintext, 512, limbs(vector.dun));
    expect(plaintext).toEqual(vector.plaintext);
  });

  describe.each(["xts(aes)", "xts(sm4)"])("weak keys of %s", (name) => {
    const cipher = engine.alloc(name);

    test.each([0, 1])("equal halves are refused (%i)", (fill) => {
      const error = errorOf(() => cipher.setKey(new Uint8Array(cipher.keyBytes).fill(fill)));
      expect(error).toMatchObject({ code: "EINVAL", op: "setKey" });
      expect(error.message).toMatch(/halves .* must differ/);
    });

    test.each([0, 0.5, -1])("halves that differ in one byte are accepted", (at) => {
      const tested = ciphers.find((candidate) => candidate.name === name)!;
      const key = new Uint8Array(cipher.keyBytes);
      key[at < 0 ? key.length - 1 : at * key.length] = 0x80;
      cipher.setKey(key);
      const plaintext = noise(512);
      expect(encrypted(cipher, plaintext)).toEqual(oracle(tested, key, 512, 0n, plaintext));
    });

    test("a refused key leaves none behind", () => {
      cipher.setKey(noise(cipher.keyBytes));
      expect(errorOf(() => cipher.setKey(new Uint8Array(cipher.keyBytes))).code).toBe("EINVAL");
      expect(errorOf(() => encrypted(cipher, noise(512))).code).toBe("ENOKEY");
    });
  });
});

const everyCipher = engines.flatMap(({ name, create }) => {
  const engine = create();
  return ciphers.map((tested) => ({ title: `${tested.name} of engine ${name}`, engine, tested }));
});

describe.each(everyCipher)("$title", ({ engine, tested }) => {
  const KEY_OF_CIPHER = noise(tested.keyBytes, 64);

  function keyed(key: Uint8Array = KEY_OF_CIPHER): Skcipher {
    const cipher = engine.alloc(tested.name);
    cipher.setKey(key);
    return cipher;
  }

  function expectCiphertext(cipher: Skcipher, key: Uint8Array, dataUnitBytes: number, dun = 0n): void {
    const plaintext = noise(dataUnitBytes);
    const expected = oracle(tested, key, dataUnitBytes, dun, plaintext);
    expect(Buffer.compare(encrypted(cipher, plaintext, dataUnitBytes, dun), expected)).toBe(0);
  }

  test("tells its name, key length and IV length", () => {
    const { name, keyBytes, ivBytes } = tested;
    expect(engine.alloc(name)).toMatchObject({ name, keyBytes, ivBytes });
  });

  describe("ciphertext", () => {
    test.each([
      { dataUnitBytes: 512, dataUnits: 300 },
      { dataUnitBytes: 4096, dataUnits: 33 },
      { dataUnitBytes: 16384, dataUnits: 5 },
      { dataUnitBytes: 65536, dataUnits: 2 },
    ])("$dataUnits data units of $dataUnitBytes in one call, more than the scratch memory holds", (shape) => {
      const plaintext = noise(shape.dataUnits * shape.dataUnitBytes);
      const cipher = keyed();
      const ciphertext = encrypted(cipher, plaintext, shape.dataUnitBytes, 7n);
      const expected = oracle(tested, KEY_OF_CIPHER, shape.dataUnitBytes, 7n, plaintext);
      expect(Buffer.compare(ciphertext, expected)).toBe(0);
      cipher.decrypt(ciphertext, ciphertext, shape.dataUnitBytes, limbs(7n));
      expect(Buffer.compare(ciphertext, plaintext)).toBe(0);
    });

    test("two ciphers in turns do not disturb each other", () => {
      const otherKey = noise(tested.keyBytes, 65);
      const [one, other] = [keyed(), keyed(otherKey)];
      for (let turn = 0n; turn < 3n; turn++) {
        expectCiphertext(one, KEY_OF_CIPHER, 512, turn);
        expectCiphertext(other, otherKey, 512, turn);
      }
      other.clear();
      expectCiphertext(one, KEY_OF_CIPHER, 512);
    });

    test("calls of any shape, both ways in turns, do not disturb the next", () => {
      const cipher = keyed();
      for (const [turn, bytes] of [512, 65536, 2048, 131072, 512].entries()) {
        const plaintext = noise(bytes);
        const dataUnitBytes = Math.min(bytes, turn % 2 === 0 ? 512 : 4096);
        const ciphertext = encrypted(cipher, plaintext, dataUnitBytes, 9n);
        expect(Buffer.compare(ciphertext, oracle(tested, KEY_OF_CIPHER, dataUnitBytes, 9n, plaintext))).toBe(0);
        const back = new Uint8Array(bytes);
        cipher.decrypt(ciphertext, back, dataUnitBytes, limbs(9n));
        expect(Buffer.compare(back, plaintext)).toBe(0);
      }
    });

    test.each([512, 65536])("shared memory is as good as any, data units of %i", (dataUnitBytes) => {
      const shared = new Uint8Array(new SharedArrayBuffer(dataUnitBytes));
      shared.set(noise(dataUnitBytes));
      const cipher = keyed();
      cipher.encrypt(shared, shared, dataUnitBytes, limbs(0n));
      const expected = oracle(tested, KEY_OF_CIPHER, dataUnitBytes, 0n, noise(dataUnitBytes));
      expect(Buffer.compare(shared, expected)).toBe(0);
      cipher.decrypt(shared, shared, dataUnitBytes, limbs(0n));
      expect(Buffer.compare(shared, noise(dataUnitBytes))).toBe(0);
    });

    test("no data is no error", () => {
      const none = new Uint8Array(0);
      keyed().encrypt(none, none, 512, limbs(0n));
      keyed().decrypt(none, none, 512, limbs(0n));
    });
  });

  describe("keys", () => {
    const { keyBytes } = tested;

    test.each([0, 8, 24, 48, 128, keyBytes - 1, keyBytes + 1])("a key of %i bytes is refused", (bytes) => {
      const error = errorOf(() => engine.alloc(tested.name).setKey(noise(bytes)));
      expect(error).toMatchObject({ code: "EINVAL", errno: -22, op: "setKey" });
      expect(error.message).toMatch(new RegExp(`has ${keyBytes} bytes; this one has ${bytes}$`));
    });

    test("a string is no key, even of as many characters", () => {
      const error = errorOf(() => engine.alloc(tested.name).setKey("a".repeat(keyBytes) as unknown as Uint8Array));
      expect(error).toMatchObject({ code: "EINVAL", op: "setKey" });
      expect(error.message).toMatch(new RegExp(`Uint8Array of ${keyBytes} bytes`));
    });

    test("the key is copied: the caller may wipe its own", () => {
      const key = KEY_OF_CIPHER.slice();
      const cipher = keyed(key);
      expect(key).toEqual(KEY_OF_CIPHER);
      key.fill(0);
      expectCiphertext(cipher, KEY_OF_CIPHER, 512);
      expectCiphertext(cipher, KEY_OF_CIPHER, 65536);
    });

    test("a key at an odd address is as good", () => {
      const padded = new Uint8Array(keyBytes + 3);
      padded.set(KEY_OF_CIPHER, 3);
      expectCiphertext(keyed(padded.subarray(3)), KEY_OF_CIPHER, 512);
    });

    test("without a key there is neither encrypting nor decrypting", () => {
      const cipher = engine.alloc(tested.name);
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
      const cipher = keyed();
      cipher.clear();
      cipher.clear();
      expect(errorOf(() => encrypted(cipher, noise(512))).code).toBe("ENOKEY");
      const otherKey = noise(keyBytes, 99);
      cipher.setKey(otherKey);
      expectCiphertext(cipher, otherKey, 512);
    });

    test("a key replaces the one before it, for all data unit sizes", () => {
      const cipher = keyed();
      const otherKey = noise(keyBytes, 99);
      cipher.setKey(otherKey);
      expectCiphertext(cipher, otherKey, 512);
      expectCiphertext(cipher, otherKey, 65536);
    });

    test("neither inspect nor JSON nor an error shows the key", () => {
      const cipher = keyed();
      encrypted(cipher, noise(512));
      const shown = [
        inspect(cipher, { showHidden: true, depth: null }),
        inspect(engine, { showHidden: true, depth: null }),
        JSON.stringify(cipher),
        inspect(errorOf(() => cipher.encrypt(KEY, KEY, 512, limbs(0n)))),
        inspect(errorOf(() => cipher.setKey(new Uint8Array([...KEY_OF_CIPHER, 0])))),
      ].join("\n");
      const start = KEY_OF_CIPHER.subarray(0, 4);
      const decimal = [...start].join(", ");
      expect(shown).not.toContain(decimal);
      expect(shown).not.toContain(decimal.replaceAll(" ", ""));
      expect(shown).not.toContain(Buffer.from(start).toString("hex"));
      const { name, ivBytes } = tested;
      expect(JSON.parse(JSON.stringify(cipher))).toEqual({ name, keyBytes, ivBytes });
    });
  });

  describe("requests that are refused", () => {
    const cipher = keyed();
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
  expect(engines.map(({ create }) => create().name)).toEqual(["portable", "node", "node", "node"]);
});

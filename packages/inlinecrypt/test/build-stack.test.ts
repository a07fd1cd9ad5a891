import { createCipheriv, createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { NbdClient } from "@inlinecrypt/nbd";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { RequestError } from "../src/failure.js";
import { buildStack } from "../src/stack/build-stack.js";
import type { StackDefinition } from "../src/stack/stack-definition.js";
import { Scratch } from "./support/scratch.js";

const UNIT = 4096;

/** A loop device of 16 data units, served encrypted. */
function definitionIn(scratch: Scratch, change: Partial<StackDefinition> = {}): StackDefinition {
  return {
    version: 1,
    devices: { disk: { driver: "loop", file: scratch.path("disk.img"), size: 16 * UNIT } },
    keys: { k: { file: scratch.path("disk.key") } },
    volumes: { secret: { device: "disk", key: "k", firstDun: 7n } },
    exports: [{ volume: "secret", nbd: { unix: scratch.path("s.sock") } }],
    ...change,
  };
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >> 8)) & 255);
}

/** AES-256-XTS of whole data units by OpenSSL, one unit a call. */
function encryptUnits(key: Uint8Array, firstDun: bigint, plaintext: Uint8Array): Buffer {
  const units: Buffer[] = [];
  for (let at = 0; at < plaintext.length; at += UNIT) {
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64LE(firstDun + BigInt(at / UNIT));
    units.push(createCipheriv("aes-256-xts", key, iv).update(plaintext.subarray(at, at + UNIT)));
  }
  return Buffer.concat(units);
}

describe("a stack", () => {
  it("serves a file whose medium is the cipher's output, and leaves nothing open", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const socket = scratch.path("s.sock");
    const stack = await buildStack(definitionIn(scratch));
    expect(stack.exports).toHaveLength(1);
    expect(stack.exports[0]!.uri).toBe(`nbd+unix:///secret?socket=${socket}`);
    expect(stack.exports[0]!.volume.bytes).toBe(16 * UNIT);

    const plaintext = pattern(16 * UNIT);
    const client = await NbdClient.connect({ unix: socket }, { exportName: "secret" });
    await client.write(0, plaintext);
    expect(await client.read(0, plaintext.length)).toEqual(plaintext);
    await client.close();
    const usedSlots = stack.fallbackSlotTable().filter((slot) => slot.key !== null);
    expect(usedSlots).toMatchObject([
      { slotIndex: 0, key: { mode: "AES-256-XTS", dataUnitBytes: UNIT }, references: 0, programmings: 1 },
    ]);

    const secret = stack.volumes.get("secret")!;
    await Promise.all([stack.close(), stack.close()]);
    expect(existsSync(socket)).toBe(false);
    expect(() => secret.key!.withBytes(() => {})).toThrow("wiped");
    await expect(secret.volume.read(0, new Uint8Array(UNIT))).rejects.toThrow("IOERR");
    expect(readFileSync(scratch.path("disk.img")).equals(encryptUnits(key, 7n, plaintext))).toBe(true);
  });

  it("may be used without NBD, with several volumes on RAM, plain ones too", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    await using stack = await buildStack({
      version: 1,
      devices: { a: { driver: "ram", size: 8 * UNIT }, b: { driver: "ram", size: 8 * UNIT } },
      keys: { k: { file: scratch.path("disk.key") } },
      volumes: { one: { device: "a", key: "k" }, two: { device: "b", key: "k", firstDun: 8n }, raw: { device: "b" } },
    });
    const plaintext = pattern(8 * UNIT);
    await stack.volumes.get("two")!.volume.write(0, plaintext);
    await stack.volumes.get("one")!.volume.write(0, plaintext);
    const medium = new Uint8Array(8 * UNIT);
    await stack.volumes.get("raw")!.volume.read(0, medium);
    expect(encryptUnits(key, 8n, plaintext).equals(medium)).toBe(true);
    expect(stack.exports).toEqual([]);
    expect([...stack.devices.keys()]).toEqual(["a", "b"]);
  });

  it("serves exports of one address by one server, in the definition's order", async () => {
    using scratch = new Scratch();
    const tcp = { host: "127.0.0.1", port: 0 };
    await using stack = await buildStack({
      version: 1,
      devices: { a: { driver: "ram", size: 512 }, b: { driver: "ram", size: 1024 } },
      volumes: { a: { device: "a" }, b: { device: "b" } },
      exports: [
        { volume: "a", nbd: tcp },
        { volume: "b", nbd: { unix: scratch.path("b") } },
        { volume: "a", nbd: tcp, name: "again", readOnly: true },
      ],
    });
    const [first, second, third] = stack.exports.map(({ uri }) => new URL(uri));
    expect(second!.href).toBe(`nbd+unix:///b?socket=${scratch.path("b")}`);
    expect(first!.port).toBe(third!.port);
    expect([first!.pathname, third!.pathname]).toEqual(["/a", "/again"]);
    const address = { host: "127.0.0.1", port: Number(first!.port) };
    await using client = await NbdClient.connect(address, { exportName: "again" });
    await expect(client.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EPERM" });
  });

  it("asks of a key only the DUN bytes its volumes need, unless it is told", async () => {
    using scratch = new Scratch();
    scratch.keyFile();
    const bytesFor = async (firstDun: bigint, dunBytes?: number) => {
      await using stack = await buildStack({
        version: 1,
        devices: { d: { driver: "ram", size: 16 * UNIT } },
        keys: { k: { file: scratch.path("disk.key"), dunBytes } },
        volumes: { v: { device: "d", key: "k", firstDun } },
      });
      return stack.volumes.get("v")!.key!.dunBytes;
    };
    expect(await bytesFor(0n)).toBe(1);
    expect(await bytesFor(240n)).toBe(1);
    expect(await bytesFor(241n)).toBe(2);
    expect(await bytesFor(2n ** 128n - 16n)).toBe(16);
    expect(await bytesFor(0n, 8)).toBe(8);
    await expect(bytesFor(2n ** 128n - 15n)).rejects.toThrow(
      `volume v: with a first DUN of ${2n ** 128n - 15n} its last is ${2n ** 128n}, and AES-256-XTS ends at 2^128 - 1`,
    );
    await expect(bytesFor(300n, 1)).rejects.toThrow("does not fit the key's 1 DUN bytes");
  });

  it("tells of key files that everyone can read", async () => {
    using scratch = new Scratch();
    scratch.write("disk.key", pattern(64), 0o644);
    const warnings: string[] = [];
    await using _ = await buildStack(definitionIn(scratch), { warn: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringContaining("is open to every user")]);
  });
});

describe("a stack that cannot be built", () => {
  async function failureOf(definition: StackDefinition, engine?: SkcipherEngine): Promise<Error> {
    return buildStack(definition, engine && { engine }).then(
      async (stack) => {
        await stack.close();
        expect.fail("the stack was built");
      },
      (error) => error,
    );
  }

  it("is taken down again when its last part fails", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const socket = scratch.path("s.sock");
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(socket, resolve));
    let engineKeys = 0;
    const error = await failureOf(
      definitionIn(scratch),
      countingEngine((count) => (engineKeys += count)),
    );
    await new Promise((resolve) => other.close(resolve));
    expect(error).toMatchObject({ code: "EBUSY", message: expect.stringContaining(socket) });
    expect(engineKeys).toBe(0);
    expect(JSON.stringify([error.message, error.stack])).not.toContain(key.toString("hex"));

    await using again = await buildStack(definitionIn(scratch));
    expect(again.exports).toHaveLength(1);
  });

  it("says when nothing encrypts", async () => {
    using scratch = new Scratch();
    scratch.keyFile();
    const error = await failureOf(definitionIn(scratch, { cryptoFallback: false }));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toBe(
      `${scratch.path("disk.img")} does not encrypt AES-256-XTS in hardware, and the software fallback is off (ENOPKG)`,
    );
  });

  it("says when a mode has no cipher, before it asks for the mode's key", async () => {
    using scratch = new Scratch();
    const keys = { k: { mode: "Adiantum", file: scratch.path("none") } } as const;
    const withoutCiphers = { ...createNodeEngine(), supports: () => false } as SkcipherEngine;
    const error = await failureOf(definitionIn(scratch, { keys }), withoutCiphers);
    expect(error.message).toContain(
      "mode Adiantum is known, but no cipher engine here computes adiantum(xchacha12,aes)",
    );
  });

  it.each([
    ["is no multiple of the data unit", 5 * 512, "2560 bytes are not a multiple of the data unit of 4096"],
    ["is smaller than a data unit", 512, "512 bytes are not a multiple of the data unit of 4096"],
    ["is no multiple of a sector", 1000, "1000 bytes, expected a multiple of the logical block of 512"],
    ["is empty", 0, "0 bytes"],
  ])("names a file that %s", async (_, bytes, message) => {
    using scratch = new Scratch();
    scratch.keyFile();
    const file = scratch.write("disk.img", new Uint8Array(bytes));
    const error = await failureOf(definitionIn(scratch, { devices: { disk: { driver: "loop", file } } }));
    expect(error.message).toContain(file);
    expect(error.message).toContain(message);
  });

  it.each([
    [
      "no whole data units",
      { driver: "loop", file: "disk.img", size: 5 * 512 },
      "device disk of volume secret: a size of 2560 bytes is not a multiple of the key's data unit of 4096",
    ],
    [
      "no whole blocks",
      { driver: "ufs", backing: "disk.img", size: 2 ** 20 + 512 },
      "device disk: a size of 1049088 bytes is not a multiple of its block of 4096",
    ],
  ] as const)(
    "creates no file for a size of %s: it would be in the way of the right one",
    async (_, device, message) => {
      using scratch = new Scratch();
      scratch.keyFile();
      const file = scratch.path("disk.img");
      const disk = device.driver === "loop" ? { ...device, file } : { ...device, backing: file };
      const error = await failureOf(definitionIn(scratch, { devices: { disk } }));
      expect(error.message).toBe(message);
      expect(existsSync(file)).toBe(false);
    },
  );

  it("names a file that is missing, or of another size", async () => {
    using scratch = new Scratch();
    const file = scratch.path("none.img");
    const missing = await failureOf(definitionIn(scratch, { devices: { disk: { driver: "loop", file } } }));
    expect(missing).toMatchObject({ code: "ENOENT", message: expect.stringContaining(file) });
    const small = { driver: "loop", file: scratch.write("small.img", new Uint8Array(512)), size: 8192 } as const;
    const wrong = await failureOf(definitionIn(scratch, { devices: { disk: small } }));
    expect(wrong.message).toContain("exists with 512 bytes, expected 8192");
    expect(createHash("sha256").update(readFileSync(small.file)).digest("hex")).toBe(
      createHash("sha256").update(new Uint8Array(512)).digest("hex"),
    );
  });
});

/** An engine that tells of every key set (+1) and cleared (-1) in its ciphers. */
function countingEngine(count: (change: number) => void): SkcipherEngine {
  const engine = createNodeEngine();
  return {
    name: engine.name,
    ciphers: engine.ciphers,
    supports: (name) => engine.supports(name),
    describe: () => engine.describe(),
    alloc(name) {
      const cipher = engine.alloc(name);
      let keyed = false;
      return {
        ...{ name: cipher.name, keyBytes: cipher.keyBytes, ivBytes: cipher.ivBytes },
        setKey(key) {
          cipher.setKey(key);
          if (!keyed) count(1);
          keyed = true;
        },
        clear() {
          cipher.clear();
          if (keyed) count(-1);
          keyed = false;
        },
        encrypt: (src, dst, bytes, dun) => cipher.encrypt(src, dst, bytes, dun),
        decrypt: (src, dst, bytes, dun) => cipher.decrypt(src, dst, bytes, dun),
      };
    },
  };
}

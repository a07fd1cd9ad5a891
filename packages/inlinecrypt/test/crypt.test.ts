import { createCipheriv } from "node:crypto";
import { Readable, Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { main } from "../src/main.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

function encryptUnits(key: Uint8Array, firstDun: bigint, unitBytes: number, plaintext: Uint8Array): Buffer {
  const units: Buffer[] = [];
  for (let at = 0; at < plaintext.length; at += unitBytes) {
    const iv = Buffer.from((firstDun + BigInt(at / unitBytes)).toString(16).padStart(32, "0"), "hex").reverse();
    units.push(createCipheriv("aes-256-xts", key, iv).update(plaintext.subarray(at, at + unitBytes)));
  }
  return Buffer.concat(units);
}

/** Cuts `bytes` where `cuts` say. */
function chunksOf(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const end = Math.min(bytes.length, at + (cuts[index % cuts.length] ?? bytes.length));
    chunks.push(bytes.slice(at, end));
    at = end;
  }
  return chunks;
}

describe("crypt", () => {
  it("en- and decrypts the same bytes however they arrive, and leaves the input alone", async () => {
    using scratch = new Scratch();
    const { path, key } = scratch.keyFile();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(512, 1024, 4096),
        fc.nat({ max: 9 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 6 }),
        fc.bigInt({ min: 0n, max: 2n ** 128n - 10n }),
        async (unitBytes, units, cuts, firstDun) => {
          const plaintext = Uint8Array.from({ length: units * unitBytes }, (_, at) => (at * 7) & 255);
          const chunks = chunksOf(plaintext, cuts);
          const options = ["--key-file", path, "--data-unit-size", `${unitBytes}`, "--first-dun", `${firstDun}`];
          const encrypting = new FakeIo(chunks);
          expect(await main(["crypt", "encrypt", ...options], encrypting)).toBe(0);
          expect(encrypting.stdout.bytes.equals(encryptUnits(key, firstDun, unitBytes, plaintext))).toBe(true);
          expect(Buffer.concat(chunks).equals(plaintext)).toBe(true);
          const decrypting = new FakeIo(chunksOf(encrypting.stdout.bytes, cuts.toReversed()));
          expect(await main(["crypt", "decrypt", ...options], decrypting)).toBe(0);
          expect(decrypting.stdout.bytes.equals(plaintext)).toBe(true);
        },
      ),
      { numRuns: 60, seed: 20261122 },
    );
  });

  it("takes the number of the first data unit in hex", async () => {
    using scratch = new Scratch();
    const { path, key } = scratch.keyFile();
    const io = new FakeIo([new Uint8Array(4096)]);
    expect(await main(["crypt", "encrypt", "--key-file", path, "--first-dun", `0x1${"0".repeat(20)}`], io)).toBe(0);
    expect(io.stdout.bytes.equals(encryptUnits(key, 1n << 80n, 4096, new Uint8Array(4096)))).toBe(true);
  });

  it("ends with 1 inside a data unit, having written the whole ones before it", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    const io = new FakeIo([new Uint8Array(5000), new Uint8Array(3500)]);
    expect(await main(["crypt", "encrypt", "--key-file", path], io)).toBe(1);
    expect(io.stdout.bytes.length).toBe(8192);
    expect(io.stderr.text).toBe(
      "inlinecrypt: the input's 8500 bytes are not a multiple of the data unit of 4096; " +
        "the last 308 were not written, the 8192 before them were\n",
    );
  });

  it("ends with 1 where data unit numbers end, never wrapping them", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    const last = ["--key-file", path, "--data-unit-size", "512", "--first-dun", `${2n ** 128n - 1n}`];
    expect(await main(["crypt", "encrypt", ...last], new FakeIo([new Uint8Array(512)]))).toBe(0);
    const io = new FakeIo([new Uint8Array(512), new Uint8Array(512)]);
    expect(await main(["crypt", "encrypt", ...last], io)).toBe(1);
    expect(io.stdout.bytes.length).toBe(512);
    expect(io.stderr.text).toContain("past xts(aes)'s last data unit number, 2^128 - 1");
    const beyond = new FakeIo();
    expect(await main(["crypt", "encrypt", "--key-file", path, "--first-dun", `${2n ** 128n}`], beyond)).toBe(2);
    expect(beyond.stderr.text).toContain("does not fit AES-256-XTS, whose data unit numbers end at 2^128 - 1");
  });

  it("reads no faster than its output is taken", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    let given = 0;
    function* endless() {
      for (;;) {
        given++;
        yield new Uint8Array(65536);
      }
    }
    let failWrite: (error: Error) => void = () => {};
    let sayWriting: () => void = () => {};
    const writing = new Promise<void>((resolve) => {
      sayWriting = resolve;
    });
    const slow = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => {
        failWrite = done;
        sayWriting();
      },
    });
    const io = { ...new FakeIo(endless()), stdout: slow };
    const running = main(["crypt", "encrypt", "--key-file", path], io);
    await writing;
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(8);
    slow.on("error", () => {});
    failWrite(Object.assign(new Error("gone"), { code: "EPIPE", syscall: "write" }));
    expect(await running).toBe(0);
  });

  it("ends quietly when its reader leaves, and with 1 when the output cannot be written", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    const failing = async (code: string) => {
      const io = new FakeIo([new Uint8Array(4096), new Uint8Array(4096)]);
      const error = Object.assign(new Error("write failed"), { code, syscall: "write" });
      const stdout = new Writable({ write: (_chunk, _encoding, done) => done(error) });
      stdout.on("error", () => {});
      const exitCode = await main(["crypt", "encrypt", "--key-file", path], { ...io, stdout });
      return [exitCode, io.stderr.text];
    };
    expect(await failing("EPIPE")).toEqual([0, ""]);
    expect(await failing("ENOSPC")).toEqual([
      1,
      "inlinecrypt: cannot write standard output: no space left on the device (ENOSPC)\n",
    ]);
  });

  it("ends with 1 when the input cannot be read", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    const error = Object.assign(new Error("read failed"), { code: "EISDIR", syscall: "read" });
    const stdin = new Readable({ read: () => void stdin.destroy(error) });
    const io = new FakeIo();
    expect(await main(["crypt", "decrypt", "--key-file", path], { ...io, stdin })).toBe(1);
    expect(io.stderr.text).toBe("inlinecrypt: cannot read standard input: it is a folder (EISDIR)\n");
  });

  it("warns on stderr of a key file that everyone can read", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const io = new FakeIo();
    expect(await main(["crypt", "encrypt", "--key-file", scratch.write("open.key", key, 0o644)], io)).toBe(0);
    expect(io.stderr.text).toMatch(/^inlinecrypt: key file .*open\.key is open to every user/);
    expect(io.stdout.bytes.length).toBe(0);
  });

  it.each([
    [["--key-file", "none.key"], 1, "cannot read key file none.key: no such file or folder (ENOENT)"],
    [["--key-file", "none.key", "--mode", "Adiantum"], 1, "cannot read key file none.key: no such file or folder"],
    [["--key-file", "k", "--mode", "ROT13"], 2, "AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS"],
    [["--key-file", "k", "--data-unit-size", "256"], 2, "expected a power of two from 512 to 65536"],
    [["--key-file", "k", "--first-dun", "-1"], 2, "expected a number from 0"],
    [[], 2, "required option '--key-file <key>' not specified"],
  ])("refuses %j", async (options, exitCode, message) => {
    const io = new FakeIo();
    expect(await main(["crypt", "encrypt", ...options], io)).toBe(exitCode);
    expect(io.stderr.text).toContain(message);
    expect(io.stdout.text).toBe("");
  });
});

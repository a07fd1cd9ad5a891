import { chmodSync } from "node:fs";
import { BlkError } from "@inlinecrypt/blk-core";
import { cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { RequestError } from "../src/failure.js";
import { readKeyFile } from "../src/key-file.js";
import { loadKey } from "../src/load-key.js";
import { Scratch } from "./support/scratch.js";

const xts = cryptoModeByName("AES-256-XTS");
const essiv = cryptoModeByName("AES-128-CBC-ESSIV");
const key = Uint8Array.from({ length: 64 }, (_, index) => 200 - index);
const hex = Buffer.from(key).toString("hex");

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail("expected a rejection"),
    (error) => error,
  );
}

describe("readKeyFile", () => {
  it.each([
    ["raw bytes", key],
    ["hex", hex],
    ["upper-case hex with a newline", `${hex.toUpperCase()}\n`],
    ["hex in groups", hex.replace(/(..)/g, "$1 ").replace(/(.{48})/g, "$1\r\n\t")],
  ])("reads %s", async (_, content) => {
    using scratch = new Scratch();
    const read = await readKeyFile(scratch.write("k", content), xts);
    expect(read.bytes).toEqual(key);
    expect(read.warning).toBeNull();
  });

  it.each([
    ["nothing", "", "holds nothing"],
    ["half a key", key.subarray(32), "holds 32 bytes"],
    ["a key and a newline", Buffer.concat([key, Buffer.from("\n")]), "holds 65 bytes"],
    ["half a key in hex, as many characters as the key has bytes", hex.slice(64), "holds 64 hex digits"],
    ["an odd digit", hex.slice(1), "holds 127 hex digits"],
    ["a disk", new Uint8Array(100_000).fill(1), "holds over 4096 bytes"],
  ])("refuses %s", async (_, content, found) => {
    using scratch = new Scratch();
    const path = scratch.write("k", content);
    const error = await failure(readKeyFile(path, xts));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toBe(`key file ${path} ${found}; a key for AES-256-XTS is 64 bytes, or 128 hex digits`);
  });

  it("asks for the length of the mode", async () => {
    using scratch = new Scratch();
    expect((await readKeyFile(scratch.write("k", hex.slice(0, 32)), essiv)).bytes).toEqual(key.subarray(0, 16));
    const error = await failure(readKeyFile(scratch.write("k", key), essiv));
    expect(error.message).toContain("AES-128-CBC-ESSIV is 16 bytes");
  });

  it("never shows what it read", async () => {
    using scratch = new Scratch();
    const error = await failure(readKeyFile(scratch.write("k", `${hex}00`), xts));
    expect(JSON.stringify([error.message, error.stack, Object.entries(error)])).not.toContain(hex.slice(0, 16));
  });

  it("names a file that is missing, a folder, or not to be read", async () => {
    using scratch = new Scratch();
    const missing = scratch.path("none");
    expect((await failure(readKeyFile(missing, xts))).message).toBe(
      `cannot read key file ${missing}: no such file or folder (ENOENT)`,
    );
    expect((await failure(readKeyFile(scratch.folder, xts))).message).toContain("it is a folder (EISDIR)");
  });

  it.runIf(process.getuid?.() !== 0 && process.platform !== "win32")("names a file it may not read", async () => {
    using scratch = new Scratch();
    const path = scratch.write("k", key, 0o000);
    expect((await failure(readKeyFile(path, xts))).message).toContain("permission denied (EACCES)");
  });

  it.runIf(process.platform !== "win32")("warns of a file that everyone can read, and only of that", async () => {
    using scratch = new Scratch();
    const path = scratch.write("k", key);
    chmodSync(path, 0o640);
    expect((await readKeyFile(path, xts)).warning).toBeNull();
    chmodSync(path, 0o644);
    expect((await readKeyFile(path, xts)).warning).toBe(
      `key file ${path} is open to every user of this machine (mode 0644); chmod 600 makes it yours alone`,
    );
  });
});

describe("loadKey", () => {
  const options = { mode: xts, dataUnitBytes: 4096, dunBytes: 8 };

  it("makes a key with the file's bytes", async () => {
    using scratch = new Scratch();
    const loaded = await loadKey({ file: scratch.write("k", hex), ...options });
    expect(loaded.key.withBytes((bytes) => Uint8Array.from(bytes))).toEqual(key);
    expect(loaded.key.dataUnitBytes).toBe(4096);
  });

  it("refuses equal halves, naming the file", async () => {
    using scratch = new Scratch();
    const file = scratch.write("k", hex.slice(0, 64).repeat(2));
    const error = await failure(loadKey({ file, ...options }));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toBe(`key file ${file}: the two halves of the AES-256-XTS key are equal; XTS needs two keys`);
  });

  it("passes on what else the key refuses", async () => {
    using scratch = new Scratch();
    const error = await failure(loadKey({ file: scratch.write("k", hex), ...options, dunBytes: 17 }));
    expect(error).toBeInstanceOf(BlkError);
    expect(error.message).toContain("dunBytes is 17");
  });
});

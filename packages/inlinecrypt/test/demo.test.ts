import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { demo } from "../src/command/demo.js";
import { RequestError } from "../src/failure.js";
import { main } from "../src/main.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith("inlinecrypt-demo-"));

describe("demo", () => {
  let scratch: Scratch;
  let before: string | undefined;

  beforeEach(() => {
    scratch = new Scratch();
    before = process.env.TMPDIR;
    process.env.TMPDIR = scratch.folder;
  });

  afterEach(() => {
    expect(leftovers()).toEqual([]);
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    scratch[Symbol.dispose]();
  });

  it("stores generated text, shows both sides on one screen, and ends with 0", async () => {
    const io = new FakeIo();
    expect(await main(["demo"], io)).toBe(0);
    const lines = io.stdout.text.split("\n").slice(0, -1);
    expect(lines.length).toBeLessThan(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(88);
    expect(lines[0]).toMatch(
      /^generated text, 8\.0 MiB: stored over NBD, read back identical \(sha256 [0-9a-f]{8}…\)$/,
    );
    const sample = /^00000000 {2}6c 69 6e 65 20 30 30 30 line 000 {2}((?:[0-9a-f]{2} ){8})/m.exec(io.stdout.text);
    expect(sample?.[1]).toBeDefined();
    expect(sample![1]).not.toBe("6c 69 6e 65 20 30 30 30 ");
    expect(io.stdout.text).toMatch(/^ {6}0 {2}AES-256-XTS {2}4096 bytes {11}0 {13}1 {3}\(99 more, empty\)$/m);
    expect(io.stdout.text).toMatch(/written at [\d.]+ .iB\/s, read at [\d.]+ .iB\/s/);
    expect(io.stdout.text).toContain("npx inlinecrypt serve --file my.img --size 1GiB --key-file my.key");
    expect(io.stderr.text).toBe("");
  });

  it.each([1, 63, 4096, 300_001])("stores a file of %i bytes", async (bytes) => {
    const io = new FakeIo();
    expect(await main(["demo", scratch.write("mine.bin", randomBytes(bytes))], io)).toBe(0);
    expect(io.stdout.text).toMatch(/^mine\.bin, /);
  });

  it("shows a place where something is", async () => {
    const content = Buffer.alloc(20_000);
    content.write("here is something to look at", 8192);
    const io = new FakeIo();
    expect(await main(["demo", scratch.write("holey", content)], io)).toBe(0);
    expect(io.stdout.text).toMatch(/^00002000 {2}68 65 72 65 20 69 73 20 here is /m);
  });

  it("stores an image, unpacked, when no path is given", async () => {
    const image = scratch.write("disk.img.gz", gzipSync(Buffer.alloc(10_000, "an image ")));
    const io = new FakeIo();
    expect(await main(["demo", "--image", image], io)).toBe(0);
    expect(io.stdout.text).toMatch(/^disk\.img, 9\.8 KiB:/);
    const own = new FakeIo();
    expect(await main(["demo", "--image", image, scratch.write("own", "mine")], own)).toBe(0);
    expect(own.stdout.text).toMatch(/^own, 4 bytes:/);
  });

  it("ends with 1 when what comes back is not what was stored", async () => {
    const damage = demo(new FakeIo(), scratch.write("mine", randomBytes(100_000)), {}, async (disk) => {
      const medium = await open(disk.imageFile, "r+");
      await medium.write(Uint8Array.of((await byteAt(disk.readMedium(50_000, 1))) ^ 1), 0, 1, 50_000);
      await medium.close();
    });
    await expect(damage).rejects.toThrow(RequestError);
    await expect(damage).rejects.toThrow(
      /^mine came back changed: sha256 [0-9a-f]{64} went in, [0-9a-f]{64} came out$/,
    );
  });

  it("stops and cleans up on a signal", async () => {
    const io = new FakeIo();
    const interrupted = demo(io, scratch.write("mine", randomBytes(100_000)), {}, async () => {
      io.signals.emit("SIGINT");
    });
    await expect(interrupted).rejects.toMatchObject({ exitCode: 130, message: "interrupted by SIGINT" });
  });

  it("leaves nothing behind when a second signal ends the process at once", async () => {
    const fake = new FakeIo();
    const leftAtExit: string[][] = [];
    const io = { ...fake, exitNow: () => void leftAtExit.push(leftovers()) };
    const interrupted = demo(io, scratch.write("mine", randomBytes(100_000)), {}, async () => {
      expect(leftovers()).toHaveLength(1);
      io.signals.emit("SIGINT");
      fake.timeMs = 1000;
      io.signals.emit("SIGINT");
    });
    await expect(interrupted).rejects.toThrow();
    expect(leftAtExit).toEqual([[]]);
  });

  it("tells of a temporary folder that cannot be made", async () => {
    process.env.TMPDIR = scratch.path("none");
    const io = new FakeIo();
    const exitCode = await main(["demo"], io);
    process.env.TMPDIR = scratch.folder;
    expect(exitCode).toBe(1);
    expect(io.stderr.text).toBe(
      `inlinecrypt: cannot make a folder in ${scratch.path("none")}: no such file or folder (ENOENT)\n`,
    );
  });

  it.each([
    ["none", "no such file or folder (ENOENT)"],
    ["empty", "it is empty"],
    [".", "it is a folder, expected a file"],
  ])("refuses %s", async (name, message) => {
    scratch.write("empty", "");
    const io = new FakeIo();
    expect(await main(["demo", scratch.path(name)], io)).toBe(1);
    expect(io.stderr.text).toContain(message);
  });

  it.each([
    ["empty", () => scratch.write("empty.img", ""), "it is empty"],
    ["nothing, packed", () => scratch.write("empty.img.gz", gzipSync("")), "what it holds is empty"],
    ["a folder", () => scratch.folder, "it is a folder, expected a file"],
    ["without end", () => "/dev/zero", "it is a special file, expected a file"],
  ])("refuses an image that is %s", async (_, image, message) => {
    const io = new FakeIo();
    const path = image();
    expect(await main(["demo", "--image", path], io)).toBe(1);
    expect(io.stderr.text).toContain(`${path}: ${message}`);
  });

  it("refuses an image that cannot be unpacked", async () => {
    const broken = scratch.write("broken.gz", gzipSync(Buffer.alloc(1000)).subarray(0, 20));
    const io = new FakeIo();
    expect(await main(["demo", "--image", broken], io)).toBe(1);
    expect(io.stderr.text).toContain(`cannot unpack image ${broken}: unexpected end of file`);
  });
});

async function byteAt(bytes: Promise<Uint8Array>): Promise<number> {
  return (await bytes)[0]!;
}

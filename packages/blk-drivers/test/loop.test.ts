import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LoopDevice, type LoopOverFile } from "../src/loop.js";
import { blockSpecialBytes } from "../src/loop-block-size.js";

const MIB = 2 ** 20;
let folder: string;
let layer: BlockLayer;
let opened: LoopDevice[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "loop-"));
  layer = new BlockLayer({ executor: new HostExecutor() });
  opened = [];
});

afterEach(async () => {
  for (const loop of opened) await loop.close();
  expect(layer.bioSet.inUse).toBe(0);
  await rm(folder, { recursive: true });
});

async function open(name: string, options: Omit<LoopOverFile, "file"> = {}): Promise<LoopDevice> {
  const loop = await LoopDevice.open(layer, { file: join(folder, name), ...options });
  opened.push(loop);
  return loop;
}

async function newFile(name: string, bytes: number): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, new Uint8Array(bytes).fill(0xa5));
  return path;
}

function canDiscard(loop: LoopDevice): boolean {
  return loop.bdev.queue.limits.maxDiscardSectors > 0;
}

async function spaceOf(name: string): Promise<number> {
  return (await stat(join(folder, name))).blocks * 512;
}

describe("LoopDevice.open", () => {
  it("creates a sparse file of the size asked for, and opens it again", async () => {
    const loop = await open("new.img", { sizeBytes: 64 * MIB });
    expect(loop.bdev.bytes).toBe(64 * MIB);
    expect((await stat(join(folder, "new.img"))).size).toBe(64 * MIB);
    expect(await spaceOf("new.img")).toBeLessThan(MIB);
    await loop.bdev.write(0, new Uint8Array(512).fill(1));
    await loop.close();
    const again = await open("new.img", { sizeBytes: 64 * MIB });
    const back = new Uint8Array(512);
    await again.bdev.read(0, back);
    expect(back).toEqual(new Uint8Array(512).fill(1));
  });

  it("takes the size of an existing file, and its path as the name", async () => {
    const path = await newFile("old.img", 3 * 512);
    const loop = await open("old.img");
    expect(loop.bdev.sectorCount).toBe(3);
    expect(loop.disk.name).toBe(path);
    expect((await open("old.img", { name: "loop7" })).disk.name).toBe("loop7");
  });

  it("read-only leaves the file as it is and offers no discard", async () => {
    await chmod(await newFile("old.img", 8192), 0o400);
    const loop = await open("old.img", { readOnly: true });
    expect(canDiscard(loop)).toBe(false);
    expect(loop.bdev.readOnly).toBe(true);
    await expect(loop.bdev.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EPERM" });
  });

  it.each<[string, Omit<LoopOverFile, "file">, string, RegExp]>([
    ["missing.img", {}, "ENOENT", /missing\.img cannot be opened: it does not exist; .*give a size/],
    ["missing.img", { sizeBytes: 4096, readOnly: true }, "ENOENT", /it does not exist; .* read-only, none is created/],
    ["no/folder.img", { sizeBytes: 4096 }, "ENOENT", /folder\.img cannot be created: .*existing folder/],
    ["old", { logicalBlockBytes: 1024 }, "EINVAL", /old: 1536 bytes, expected a multiple of the logical block of 1024/],
    ["old", { sizeBytes: 4096 }, "EINVAL", /old exists with 1536 bytes, expected 4096/],
    ["ragged", {}, "EINVAL", /ragged: 1000 bytes, expected a multiple of the logical block of 512/],
    ["empty", {}, "EINVAL", /empty: 0 bytes, expected .* and not 0/],
    ["new", { sizeBytes: 1000 }, "EINVAL", /sizeBytes of .*new: 1000 bytes, expected a multiple/],
    ["new", { sizeBytes: 0 }, "EINVAL", /0 bytes, expected .* and not 0/],
    ["new", { sizeBytes: -512 }, "EINVAL", /-512 bytes, expected a multiple/],
    ["new", { sizeBytes: 4096, logicalBlockBytes: 1000 }, "EINVAL", /logicalBlockBytes is 1000, expected a power/],
    ["old", { queueDepth: 0 }, "EINVAL", /queueDepth is 0, expected 1 to 10240/],
    [".", {}, "EISDIR", /is a folder, expected a file/],
    ["pipe", {}, "EINVAL", /pipe is a pipe, expected a regular or block special file/],
    ["/dev/null", {}, "EINVAL", /null is a character device, expected a regular or block special file/],
    ["link", { sizeBytes: 4096 }, "EEXIST", /link cannot be created: it is a link that leads nowhere/],
  ])("refuses %s with %j: %s", async (name, options, code, message) => {
    await newFile("old", 1536);
    await newFile("ragged", 1000);
    await newFile("empty", 0);
    await symlink(join(folder, "nowhere"), join(folder, "link"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const before = await readdir(folder);
    const file = name.startsWith("/") ? name : join(folder, name);
    await expect(LoopDevice.open(layer, { file, ...options })).rejects.toMatchObject({
      name: "BlkError",
      code,
      message: expect.stringMatching(message),
    });
    expect(await readdir(folder)).toEqual(before);
  });

  it("removes what it could not create in full", async (context) => {
    const refused = await open("huge.img", { sizeBytes: 2 ** 53 - 512 }).catch((error: Error) => error);
    if (refused instanceof LoopDevice) return context.skip("the file system takes files of any size");
    expect(refused.message).toMatch(/huge\.img cannot be created with 9007199254740480 bytes: .* \(EFBIG\)/);
    expect(await readdir(folder)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)("refuses a file without permission", async () => {
    await chmod(await newFile("secret.img", 4096), 0o000);
    await expect(open("secret.img")).rejects.toMatchObject({ code: "EACCES" });
  });
});

describe("LoopDevice", () => {
  it("gives space back on discard and on zeroing large ranges, where the file system can", async (context) => {
    const loop = await open("disk.img", { sizeBytes: 16 * MIB });
    context.skip(!canDiscard(loop), "no holes can be punched here");
    await loop.bdev.write(0, new Uint8Array(16 * MIB).fill(1));
    await loop.bdev.flush();
    const full = await spaceOf("disk.img");
    expect(full).toBeGreaterThanOrEqual(16 * MIB);
    await loop.bdev.discard(0, 4 * MIB);
    await loop.bdev.writeZeroes(8 * MIB, 4 * MIB);
    expect(await spaceOf("disk.img")).toBeLessThanOrEqual(full - 8 * MIB);
    expect((await stat(join(folder, "disk.img"))).size).toBe(16 * MIB);
  });

  it("keeps working on its file when that is renamed or removed", async () => {
    const loop = await open("disk.img", { sizeBytes: 4 * MIB });
    await rm(join(folder, "disk.img"));
    await loop.bdev.write(0, new Uint8Array(8192).fill(1), { fua: true });
    if (canDiscard(loop)) await loop.bdev.discard(0, 4096);
    const back = new Uint8Array(8192);
    await loop.bdev.read(0, back);
    expect(back[8191]).toBe(1);
    expect(back[0]).toBe(canDiscard(loop) ? 0 : 1);
  });

  it("has no holes to offer when there is no fallocate program", async () => {
    const { PATH } = process.env;
    try {
      process.env.PATH = folder;
      expect(canDiscard(await open("disk.img", { sizeBytes: 4 * MIB }))).toBe(false);
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("closes once, however often it is asked", async () => {
    const loop = await open("disk.img", { sizeBytes: 4096 });
    const closing = loop.close();
    expect(loop.close()).toBe(closing);
    await closing;
    await loop[Symbol.asyncDispose]();
    await expect(loop.bdev.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
  });
});

describe("the size of a block special file", () => {
  it("is read from sysfs, by device number", async () => {
    // makedev(259, 5) and makedev(8, 0x12345), as <sys/sysmacros.h> encodes them.
    for (const [rdev, name] of [
      [0x10305, "259:5"],
      [0x12300845, "8:74565"],
    ] as const) {
      const of = join(folder, "dev", "block", name);
      await mkdir(of, { recursive: true });
      await writeFile(join(of, "size"), "2048\n");
      expect(await blockSpecialBytes("/dev/x", rdev, folder)).toBe(MIB);
    }
  });

  it("is unknown where there is no sysfs", async () => {
    await expect(blockSpecialBytes("/dev/x", 0x801, folder)).rejects.toMatchObject({
      code: "EOPNOTSUPP",
      message: expect.stringMatching(
        /\/dev\/x: the size .* is read from .*dev\/block\/8:1\/size, which cannot be read/,
      ),
    });
  });
});

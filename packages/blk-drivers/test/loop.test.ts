import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlkStatus, BlockLayer, HostExecutor, ReqFlag, ReqOp, submitBioWait } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LoopDevice, type LoopDeviceOptions } from "../src/loop.js";

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

async function open(name: string, options: Omit<LoopDeviceOptions, "file"> = {}): Promise<LoopDevice> {
  const loop = await LoopDevice.open(layer, { file: join(folder, name), ...options });
  opened.push(loop);
  return loop;
}

async function fileOf(name: string, bytes: number, fill = 0xa5): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, new Uint8Array(bytes).fill(fill));
  return path;
}

describe("LoopDevice.open", () => {
  it("creates a sparse file of the size asked for, and opens it again", async () => {
    const loop = await open("new.img", { sizeBytes: 64 * MIB });
    expect(loop.bdev.bytes).toBe(64 * MIB);
    const stats = await stat(join(folder, "new.img"));
    expect(stats.size).toBe(64 * MIB);
    expect(stats.blocks * 512).toBeLessThan(MIB);
    await loop.bdev.write(0, new Uint8Array(512).fill(1));
    await loop.close();
    const again = await open("new.img", { sizeBytes: 64 * MIB });
    const back = new Uint8Array(512);
    await again.bdev.read(0, back);
    expect(back).toEqual(new Uint8Array(512).fill(1));
  });

  it("takes the size of an existing file, and its path as the name", async () => {
    const path = await fileOf("old.img", 3 * 512);
    const loop = await open("old.img");
    expect(loop.bdev.sectorCount).toBe(3);
    expect(loop.disk.name).toBe(path);
    expect((await open("old.img", { name: "loop7" })).disk.name).toBe("loop7");
  });

  it.each<[string, Omit<LoopDeviceOptions, "file">, string, RegExp]>([
    ["missing.img", {}, "ENOENT", /missing\.img cannot be opened: it does not exist; .*give a size/],
    ["missing.img", { sizeBytes: 4096, readOnly: true }, "ENOENT", /missing\.img cannot be opened: it does not exist/],
    ["no/folder.img", { sizeBytes: 4096 }, "ENOENT", /folder\.img cannot be created: .*existing folder/],
    [
      "here",
      { logicalBlockBytes: 1024 },
      "EINVAL",
      /here: 1536 bytes, expected a multiple of the logical block of 1024/,
    ],
    ["here", { sizeBytes: 4096 }, "EINVAL", /here exists with 1536 bytes, expected 4096/],
    ["new.img", { sizeBytes: 1000 }, "EINVAL", /new\.img: 1000 bytes, expected a multiple of the logical block of 512/],
    ["new.img", { sizeBytes: 0 }, "EINVAL", /0 bytes, expected .* and not 0/],
    ["new.img", { sizeBytes: 4096, logicalBlockBytes: 1000 }, "EINVAL", /logicalBlockBytes is 1000, expected a power/],
    ["new.img", { sizeBytes: 4096, queueDepth: 0 }, "EINVAL", /queueDepth is 0, expected 1 to 10240/],
    [".", {}, "EISDIR", /is a folder, expected a file/],
    ["link", { sizeBytes: 4096 }, "EEXIST", /link cannot be created/],
  ])("refuses %s with %j: %s", async (name, options, code, message) => {
    await fileOf("here", 1536);
    await symlink(join(folder, "nowhere"), join(folder, "link"));
    await expect(open(name, options)).rejects.toMatchObject({
      name: "BlkError",
      code,
      message: expect.stringMatching(message),
    });
  });
});

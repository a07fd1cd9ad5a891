import { fstatSync, readdirSync, readlinkSync } from "node:fs";
import { type FileHandle, mkdtemp, open, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LoopDevice, type LoopOverFile } from "../src/loop.js";
import { nodeLoopIo, type OperationDone } from "../src/loop-io.js";
import { newFailingLoop, systemError } from "./failing-loop.js";

const SECTOR = new Uint8Array(512).fill(0x5a);

describe("closing a loop device", () => {
  it("syncs what was written while the last sync was on its way", async () => {
    const syncs: OperationDone[] = [];
    const loop = await newFailingLoop({ fdatasync: (_fd, done) => void syncs.push(done) });
    const flushed = loop.bdev.flush();
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toHaveLength(1);
    await loop.bdev.write(0, SECTOR);
    syncs[0]!(null);
    await flushed;
    await loop.disk.close();
    const closed = loop.backing.close();
    expect(syncs).toHaveLength(2);
    syncs[1]!(null);
    await closed;
    await loop.cleanUp();
  });

  it("says that the last flush failed, even if nothing was written since", async () => {
    const loop = await newFailingLoop({ fdatasync: (_fd, done) => done(systemError("EIO")) });
    await loop.bdev.write(0, SECTOR);
    await expect(loop.bdev.flush()).rejects.toMatchObject({ code: "EIO" });
    await loop.disk.close();
    await expect(loop.backing.close()).rejects.toMatchObject({ code: "EIO" });
    await loop.cleanUp();
  });
});

describe("interruptions", () => {
  it("are counted anew for each request", async () => {
    let interruptions = Number.POSITIVE_INFINITY;
    const loop = await newFailingLoop({
      write: (fd, from, offset, bytes, position, done) => {
        if (interruptions-- > 0) setImmediate(done, systemError("EINTR"), 0);
        else nodeLoopIo.write(fd, from, offset, bytes, position, done);
      },
    });
    await expect(loop.bdev.write(0, SECTOR)).rejects.toMatchObject({ code: "EIO" });
    interruptions = 1;
    await loop.bdev.write(0, SECTOR);
    await loop.cleanUp();
  });
});

describe("LoopDevice.open", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "loop-"));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true });
  });

  function openLoop(options: Omit<LoopOverFile, "file">): Promise<LoopDevice> {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    return LoopDevice.open(layer, { file: join(folder, "disk.img"), ...options });
  }

  it.skipIf(process.platform === "win32")("puts a new file on the medium, and then its name", async () => {
    const synced: number[] = [];
    const probe = await open(folder, "r");
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
      synced.push(fstatSync(this.fd).ino);
    });
    const loop = await openLoop({ sizeBytes: 4096 });
    expect(synced).toEqual([(await stat(join(folder, "disk.img"))).ino, (await stat(folder)).ino]);
    await loop.close();
  });

  it.skipIf(process.platform !== "linux").each([{ sizeBytes: 8192 }, { queueDepth: 0 }])(
    "leaves no file open when it fails: %j",
    async (options) => {
      await writeFile(join(folder, "disk.img"), new Uint8Array(4096));
      await expect(openLoop(options)).rejects.toMatchObject({ code: "EINVAL" });
      const open = readdirSync("/proc/self/fd").map(targetOf);
      expect(open.filter((path) => path.startsWith(folder))).toEqual([]);
    },
  );
});

/** What a descriptor of this process leads to; empty for the one that listed them, which is closed again. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

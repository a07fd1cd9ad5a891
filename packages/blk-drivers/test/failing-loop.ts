import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockDevice, BlockLayer, type GenDisk, HostExecutor } from "@inlinecrypt/blk-core";
import { newLoopDisk } from "../src/loop-disk.js";
import { type LoopFile, openLoopFile } from "../src/loop-file.js";
import { LoopFileBacking } from "../src/loop-file-backing.js";
import { type LoopIo, nodeLoopIo } from "../src/loop-io.js";

/** A loop disk on a real file whose system calls a test replaces. */
export interface FailingLoop {
  layer: BlockLayer;
  disk: GenDisk;
  bdev: BlockDevice;
  backing: LoopFileBacking;
  file: LoopFile;
  /** Closes what the test has not, and removes the file. */
  cleanUp: () => Promise<void>;
}

/** A file of 4 MiB with `replaced` in place of the real calls. */
export async function newFailingLoop(replaced: Partial<LoopIo>, punches = true): Promise<FailingLoop> {
  const folder = await mkdtemp(join(tmpdir(), "loop-"));
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const path = join(folder, "disk.img");
  const file = await openLoopFile({ file: path, readOnly: false, sizeBytes: 4 * 2 ** 20, logicalBlockBytes: 512 });
  const backing = new LoopFileBacking(file, { ...nodeLoopIo, ...replaced }, punches);
  const disk = newLoopDisk(layer, backing, { name: "loop0", logicalBlockBytes: 512 });
  const cleanUp = async (): Promise<void> => {
    await disk.close();
    await file.handle.close();
    await rm(folder, { recursive: true });
  };
  return { layer, disk, bdev: disk.part0, backing, file, cleanUp };
}

/** An error as the operating system gives it. */
export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code });
}

import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { type BlockDeviceUnderTest, blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { LoopDevice, type LoopOverFile } from "../src/loop.js";
import { RamDisk } from "../src/ram.js";

blockDeviceSuite("RamDisk", {
  discardZeroes: true,
  async setup({ readOnly }) {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const ram = new RamDisk(layer, { bytes: MIN_DEVICE_BYTES, readOnly });
    return {
      layer,
      bdev: ram.bdev,
      readMedium: (byteOffset, into) => ram.readMedium(byteOffset, into),
      teardown: () => ram.close(),
    };
  },
});

for (const options of [{}, { logicalBlockBytes: 4096 }, { queueDepth: 2 }]) {
  blockDeviceSuite(`LoopDevice ${JSON.stringify(options)}`, {
    discardZeroes: true,
    // Discards start a process each.
    randomRuns: 60,
    async setup({ readOnly }) {
      const folder = await mkdtemp(join(tmpdir(), "loop-"));
      const file = join(folder, "disk.img");
      if (readOnly) await (await LoopDevice.open(newLayer(), { file, sizeBytes: MIN_DEVICE_BYTES })).close();
      return loopUnderTest(folder, { ...options, file, sizeBytes: MIN_DEVICE_BYTES, readOnly });
    },
  });
}

for (const depth of [1, 3]) {
  blockDeviceSuite(`LoopDevice over ${depth === 1 ? "a RamDisk" : "LoopDevices over a RamDisk"}`, {
    discardZeroes: true,
    async setup({ readOnly }) {
      const layer = newLayer();
      const ram = new RamDisk(layer, { bytes: MIN_DEVICE_BYTES });
      const loops: LoopDevice[] = [];
      for (let level = 1; level <= depth; level++) {
        const device = loops.at(-1)?.bdev ?? ram.bdev;
        loops.push(await LoopDevice.open(layer, { device, readOnly: readOnly && level === depth }));
      }
      return {
        layer,
        bdev: loops.at(-1)!.bdev,
        readMedium: (byteOffset, into) => ram.readMedium(byteOffset, into),
        async teardown() {
          for (const loop of loops.reverse()) await loop.close();
          await ram.close();
        },
      };
    },
  });
}

function newLayer(): BlockLayer {
  return new BlockLayer({ executor: new HostExecutor() });
}

async function loopUnderTest(folder: string, options: LoopOverFile): Promise<BlockDeviceUnderTest> {
  const layer = newLayer();
  const loop = await LoopDevice.open(layer, options);
  return {
    layer,
    bdev: loop.bdev,
    async readMedium(byteOffset, into) {
      const handle = await open(options.file);
      await handle.read(into, 0, into.length, byteOffset);
      await handle.close();
    },
    async reopen() {
      await loop.close();
      return loopUnderTest(folder, options);
    },
    async teardown() {
      await loop.close();
      await rm(folder, { recursive: true });
    },
  };
}

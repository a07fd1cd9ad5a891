import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { type BlockDeviceUnderTest, blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { SeededRandom, SimDisk, type SimDiskBehaviour, type SimMedium } from "../src/index.js";
import { SelfRunningExecutor } from "./self-running-executor.js";

type Variant = Omit<SimDiskBehaviour, "random">;

const variants: Record<string, Variant> = {
  "with wide latencies": { latency: { minMs: 0, maxMs: 50 } },
  "with a write cache": { writeCache: true },
  "with a write cache, FUA and four requests at a time": { writeCache: true, fua: true, queueDepth: 4 },
  "of 4 KiB blocks with small limits": {
    writeCache: true,
    limits: { logicalBlockBytes: 4096, maxSectors: 64, maxSegments: 16, maxDiscardSectors: 128 },
  },
  "that tears at 4 KiB": { writeCache: true, fua: true, limits: { physicalBlockBytes: 4096 } },
};

for (const [name, options] of Object.entries(variants)) {
  blockDeviceSuite(`SimDisk ${name}`, {
    discardZeroes: true,
    async setup({ readOnly }) {
      return underTest(new BlockLayer({ executor: new SelfRunningExecutor() }), { ...options, readOnly });
    },
  });
}

blockDeviceSuite("SimDisk in real time", {
  discardZeroes: true,
  randomRuns: 20,
  async setup({ readOnly }) {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    return underTest(layer, { writeCache: true, readOnly, latency: { minMs: 0, maxMs: 0 } });
  },
});

function underTest(layer: BlockLayer, options: Variant, medium?: SimMedium): BlockDeviceUnderTest {
  const behaviour = { ...options, random: new SeededRandom(1) };
  const disk = new SimDisk(layer, medium ? { ...behaviour, medium } : { ...behaviour, bytes: MIN_DEVICE_BYTES });
  return {
    layer,
    bdev: disk.bdev,
    readMedium: (byteOffset, into) => disk.readMedium(byteOffset, into),
    async reopen() {
      await disk.close();
      const again = new BlockLayer({ executor: new SelfRunningExecutor() });
      return underTest(again, options, disk.medium);
    },
    teardown: () => disk.close(),
  };
}

import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { type BlockDeviceSuiteOptions, blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { DeviceMapper } from "../src/index.js";

const SECTORS = MIN_DEVICE_BYTES / 512;

/** Devices over RAM disks `sda` to `sdd`; the last is the one to test. `$` stands for the sectors of the device. */
const stacks: Readonly<Record<string, { tables: readonly string[]; discardZeroes?: boolean; randomRuns?: number }>> = {
  linear: { tables: ["0 $ linear sda 8"] },
  "linear in pieces": { tables: ["0 8 linear sda 8\n8 1000 linear sdb 0\n1008 15376 linear sdc 1"] },
  striped: { tables: ["0 $ striped 4 8 sda 0 sdb 8 sdc 16 sdd 24"] },
  "striped in chunks that are no power of two": {
    tables: ["0 16383 striped 3 43 sda 0 sdb 0 sdc 0\n16383 1 linear sda 9000"],
  },
  "linear over striped over linear": {
    tables: ["0 9000 linear sda 8", "0 $ striped 2 16 dm0 0 sdb 0", "0 100 linear dm1 0\n100 16284 linear dm1 100"],
  },
};

for (const [name, { tables, discardZeroes = true, randomRuns = 60 }] of Object.entries(stacks)) {
  blockDeviceSuite(name, { discardZeroes, randomRuns, setup: (wanted) => setUp(tables, wanted.readOnly) });
}

async function setUp(tables: readonly string[], readOnly: boolean): ReturnType<BlockDeviceSuiteOptions["setup"]> {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const disks = ["sda", "sdb", "sdc", "sdd"].map((name) => new RamDisk(layer, { name, bytes: 2 * MIN_DEVICE_BYTES }));
  const dm = new DeviceMapper({ layer, device: (name) => disks.find(({ disk }) => disk.name === name)?.bdev ?? null });
  for (const [index, table] of tables.entries()) {
    const isTop = index === tables.length - 1;
    await dm.create({ name: `dm${index}`, table: table.replace("$", String(SECTORS)), readOnly: isTop && readOnly });
  }
  return {
    layer,
    bdev: dm.get(`dm${tables.length - 1}`).bdev,
    async teardown() {
      await dm[Symbol.asyncDispose]();
      for (const disk of disks) await disk.close();
    },
  };
}

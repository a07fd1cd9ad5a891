import { type BlockDevice, BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { type BlockDeviceSuiteOptions, blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { DeviceMapper } from "../src/index.js";
import { mqRam } from "./mq-ram.js";
import { pattern } from "./support.js";

const SECTORS = MIN_DEVICE_BYTES / 512;
const KEY = Buffer.from(pattern(64, 5)).toString("hex");

interface Stack {
  /** Over RAM disks `sda` to `sdd`, and `path0` and `path1`, two ways to one. The last device, of `$` sectors, is tested. */
  readonly tables: readonly string[];
  /** @default true */
  readonly discardZeroes?: boolean;
}

const stacks: Readonly<Record<string, Stack>> = {
  linear: { tables: ["0 $ linear sda 8"] },
  "linear in pieces": { tables: ["0 8 linear sda 8\n8 1000 linear sdb 0\n1008 15376 linear sdc 1"] },
  striped: { tables: ["0 $ striped 4 8 sda 0 sdb 8 sdc 16 sdd 24"] },
  "striped in chunks that are no power of two": {
    tables: ["0 16383 striped 3 43 sda 0 sdb 0 sdc 0\n16383 1 linear sda 9000"],
  },
  "delay without a delay": { tables: ["0 $ delay sda 8 0"] },
  "delay of a millisecond for flushes": { tables: ["0 $ delay sda 8 0 sda 8 0 sda 8 1"] },
  "flakey that is always up": { tables: ["0 $ flakey sda 8 1 0"] },
  crypt: { tables: [`0 $ crypt aes-xts-plain64 ${KEY} 0 sda 8 1 allow_discards`], discardZeroes: false },
  "crypt in sectors of 4096": {
    tables: [`0 $ crypt aes-xts-plain64 ${KEY} 0 sda 8 2 sector_size:4096 iv_large_sectors`],
    discardZeroes: false,
  },
  inlinecrypt: { tables: [`0 $ inlinecrypt aes-xts-plain64 ${KEY} 0 path0 8`], discardZeroes: false },
  "default-key": {
    tables: [`0 $ default-key aes-xts-plain64 ${KEY} 0 path0 8 1 allow_discards`],
    discardZeroes: false,
  },
  "multipath, round-robin": { tables: ["0 $ multipath 0 0 1 1 round-robin 0 2 1 path0 1 path1 1"] },
  "multipath, service-time": { tables: ["0 $ multipath 0 0 1 1 service-time 0 2 2 path0 1 1 path1 1 9"] },
  "linear over striped over linear": {
    tables: ["0 9000 linear sda 8", "0 $ striped 2 16 dm0 0 sdb 0", "0 100 linear dm1 0\n100 16284 linear dm1 100"],
  },
  "crypt over striped over multipath": {
    tables: [
      "0 $ multipath 0 0 1 1 round-robin 0 2 1 path0 1 path1 1",
      "0 $ striped 2 64 dm0 0 sda 0",
      `0 $ crypt aes-xts-plain64 ${KEY} 0 dm1 0`,
    ],
    discardZeroes: false,
  },
  "striped over inlinecrypt over linear": {
    tables: ["0 $ linear path0 8", `0 $ inlinecrypt aes-xts-plain64 ${KEY} 0 dm0 0`, "0 $ striped 2 8 dm1 0 sdb 0"],
    discardZeroes: false,
  },
};

for (const [name, { tables, discardZeroes = true }] of Object.entries(stacks)) {
  blockDeviceSuite(name, { discardZeroes, randomRuns: 25, setup: (wanted) => setUp(tables, wanted.readOnly) });
}

async function setUp(tables: readonly string[], readOnly: boolean): ReturnType<BlockDeviceSuiteOptions["setup"]> {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const disks = ["sda", "sdb", "sdc", "sdd"].map((name) => new RamDisk(layer, { name, bytes: 2 * MIN_DEVICE_BYTES }));
  const memory = new Uint8Array(2 * MIN_DEVICE_BYTES);
  const devices = new Map<string, BlockDevice>(disks.map(({ disk, bdev }) => [disk.name, bdev]));
  for (const name of ["path0", "path1"]) devices.set(name, mqRam(layer, name, memory));
  const dm = new DeviceMapper({
    layer,
    device: (name) => devices.get(name) ?? null,
    skcipherEngine: createNodeEngine(),
  });
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

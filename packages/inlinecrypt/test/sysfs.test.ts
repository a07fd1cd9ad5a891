import { existsSync } from "node:fs";
import { BlkMqQueue, BlkStatus, type BlockDevice, BlockLayer, GenDisk, HostExecutor } from "@inlinecrypt/blk-core";
import { BlkCryptoProfile, type BlkCryptoProfileOptions } from "@inlinecrypt/blk-crypto-profile";
import { expect, it } from "vitest";
import { cryptoFilesJson, cryptoFilesText } from "../src/command/sysfs.js";
import { main } from "../src/main.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

const NOTHING = { keyslotProgram: () => {}, keyslotEvict: () => {} };

/** A device with a crypto profile, or without. */
function newDevice(name: string, options?: BlkCryptoProfileOptions): BlockDevice {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const queue = new BlkMqQueue(layer, { ops: { queueRq: () => BlkStatus.IOERR } });
  if (options !== undefined) queue.registerCryptoProfile(new BlkCryptoProfile(layer, options));
  return new GenDisk({ name, queue, sectorCount: 8 }).part0;
}

function newDevices(): Map<string, BlockDevice> {
  const flash = {
    slotCount: 32,
    modesSupported: { "AES-256-XTS": 512 | 4096, "SM4-XTS": 4096 },
    maxDunBytesSupported: 8,
    llOps: NOTHING,
  };
  const mapped = {
    slotCount: 0,
    modesSupported: { Adiantum: 4096 },
    maxDunBytesSupported: 24,
    keyTypesSupported: ["raw", "hw-wrapped"],
  } as const;
  return new Map([
    ["flash", newDevice("flash", flash)],
    ["mapped", newDevice("mapped", mapped)],
    ["disk", newDevice("disk")],
  ]);
}

it("[SYS-1] [SYS-2] shows the files of each device, and where there are none", () => {
  expect(cryptoFilesText(newDevices())).toBe(
    [
      "flash/queue/crypto",
      "├── max_dun_bits: 64",
      "├── num_keyslots: 32",
      "├── raw_keys: supported",
      "└── modes",
      "    ├── AES-256-XTS: 0x1200",
      "    └── SM4-XTS: 0x1000",
      "mapped/queue/crypto",
      "├── max_dun_bits: 192",
      "├── num_keyslots: 0",
      "├── raw_keys: supported",
      "├── hw_wrapped_keys: supported",
      "└── modes",
      "    └── Adiantum: 0x1000",
      "disk/queue/crypto: no such directory, disk does not encrypt",
      "",
    ].join("\n"),
  );
});

it("[SYS-1] [SYS-2] shows the same as JSON", () => {
  expect(JSON.parse(cryptoFilesJson(newDevices()))).toEqual({
    devices: {
      flash: {
        max_dun_bits: "64",
        num_keyslots: "32",
        raw_keys: "supported",
        "modes/AES-256-XTS": "0x1200",
        "modes/SM4-XTS": "0x1000",
      },
      mapped: {
        max_dun_bits: "192",
        num_keyslots: "0",
        raw_keys: "supported",
        hw_wrapped_keys: "supported",
        "modes/Adiantum": "0x1000",
      },
      disk: null,
    },
  });
});

it("opens the devices of a stack file for reading, and neither keys nor exports", async () => {
  using scratch = new Scratch();
  scratch.write("disk.img", new Uint8Array(4096));
  scratch.write(
    "stack.yaml",
    `version: 1
devices:
  disk: { driver: loop, file: ./disk.img }
  memory: { driver: ram, size: 1MiB }
keys:
  k: { mode: AES-256-XTS, file: ./there-is-no-such.key }
volumes:
  secret: { device: disk, key: k }
exports:
  - { volume: secret, nbd: "unix:./s.sock" }
`,
  );
  const text = new FakeIo();
  expect(await main(["sysfs", scratch.path("stack.yaml")], text)).toBe(0);
  expect(text.stdout.text).toBe(
    "disk/queue/crypto: no such directory, disk does not encrypt\n" +
      "memory/queue/crypto: no such directory, memory does not encrypt\n",
  );
  const json = new FakeIo();
  expect(await main(["sysfs", "--json", scratch.path("stack.yaml")], json)).toBe(0);
  expect(JSON.parse(json.stdout.text)).toEqual({ devices: { disk: null, memory: null } });
  expect(existsSync(scratch.path("s.sock"))).toBe(false);
  expect(text.stderr.text + json.stderr.text).toBe("");
});

it("creates no file, and says which is missing", async () => {
  using scratch = new Scratch();
  scratch.write("stack.yaml", "version: 1\ndevices:\n  disk: { driver: loop, file: ./new.img, size: 1MiB }\n");
  const io = new FakeIo();
  expect(await main(["sysfs", scratch.path("stack.yaml")], io)).toBe(1);
  expect(io.stderr.text).toContain(scratch.path("new.img"));
  expect(existsSync(scratch.path("new.img"))).toBe(false);
});

it("ends with 2 without a stack file, or with a bad one", async () => {
  expect(await main(["sysfs"], new FakeIo())).toBe(2);
  using scratch = new Scratch();
  scratch.write("stack.yaml", "version: 1\ndevices: { disk: { driver: none } }\n");
  expect(await main(["sysfs", scratch.path("stack.yaml")], new FakeIo())).toBe(2);
});

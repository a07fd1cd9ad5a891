import { BlkMqQueue, GenDisk, noneElevator } from "@inlinecrypt/blk-core";
import { blkCryptoProfileOf, CryptoCapabilities, formatSysfs, queueCryptoSysfs } from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { FakeHardware, makeQueue, makeRig } from "./support.ts";

type RigOptions = Parameters<typeof makeRig>[1];

const diskWith = (options: RigOptions): GenDisk => makeQueue(makeRig(new FakeHardware(), options)).disk;
const filesOf = (disk: GenDisk): Record<string, string> =>
  Object.fromEntries([...queueCryptoSysfs(disk)!].map(([path, read]) => [path, read()]));

describe("queue/crypto of sysfs", () => {
  it("[SYS-2] says what the table says, in the kernel's format", () => {
    const disk = diskWith({
      slotCount: 32,
      modesSupported: { "AES-256-XTS": 512 | 4096, Adiantum: 4096 },
      maxDunBytesSupported: 8,
      keyTypesSupported: ["raw", "hw-wrapped"],
    });
    expect(filesOf(disk)).toEqual({
      max_dun_bits: "64\n",
      num_keyslots: "32\n",
      raw_keys: "supported\n",
      hw_wrapped_keys: "supported\n",
      "modes/AES-256-XTS": "0x1200\n",
      "modes/Adiantum": "0x1000\n",
    });
  });

  it("[SYS-2] every mode has its file, under its name", () => {
    const modesSupported = { "AES-256-XTS": 512, "AES-128-CBC-ESSIV": 1024, Adiantum: 2 ** 31, "SM4-XTS": 1 };
    const { max_dun_bits, num_keyslots, raw_keys, ...modes } = filesOf(diskWith({ slotCount: 0, modesSupported }));
    expect([max_dun_bits, num_keyslots, raw_keys]).toEqual(["64\n", "0\n", "supported\n"]);
    expect(modes).toEqual({
      "modes/AES-256-XTS": "0x200\n",
      "modes/AES-128-CBC-ESSIV": "0x400\n",
      "modes/Adiantum": "0x80000000\n",
      "modes/SM4-XTS": "0x1\n",
    });
  });

  it.each([
    [["raw"], ["raw_keys"]],
    [["hw-wrapped"], ["hw_wrapped_keys"]],
    [[], []],
  ] as const)("[SYS-2] [PROF-6] key types %o show %o", (keyTypesSupported, shown) => {
    const files = Object.keys(filesOf(diskWith({ keyTypesSupported, modesSupported: {} })));
    expect(files.filter((path) => path.endsWith("_keys"))).toEqual(shown);
    expect(files.some((path) => path.startsWith("modes/"))).toBe(false);
  });

  it("[SYS-2] is read live; which files there are was decided when the disk came into being", () => {
    const disk = diskWith({ modesSupported: { "AES-256-XTS": 512 } });
    blkCryptoProfileOf(disk.queue)!.capabilities.update(
      new CryptoCapabilities({ modesSupported: { "AES-256-XTS": 4096, Adiantum: 512 }, maxDunBytesSupported: 4 }),
    );
    expect(filesOf(disk)).toMatchObject({ max_dun_bits: "32\n", "modes/AES-256-XTS": "0x1000\n" });
    expect(filesOf(disk)).not.toHaveProperty("modes/Adiantum");
  });

  it("[SYS-1] exists exactly when the queue had a profile as the disk came into being", () => {
    const { layer, profile } = makeRig(new FakeHardware());
    const ops = { queueRq: () => 0 as const };
    const queue = new BlkMqQueue(layer, { ops, elevator: noneElevator });
    const disk = new GenDisk({ name: "late0", queue, sectorCount: 8 });
    queue.registerCryptoProfile(profile);
    expect(queueCryptoSysfs(disk)).toBeNull();
    expect(blkCryptoProfileOf(queue)).toBe(profile);
  });
});

describe("formatSysfs", () => {
  it("[SYS-2] draws a tree, one line a file", () => {
    const disk = diskWith({ modesSupported: { "AES-256-XTS": 4096, "SM4-XTS": 512 } });
    expect(formatSysfs("test0/queue/crypto", queueCryptoSysfs(disk)!)).toBe(
      [
        "test0/queue/crypto",
        "├── max_dun_bits: 64",
        "├── num_keyslots: 2",
        "├── raw_keys: supported",
        "└── modes",
        "    ├── AES-256-XTS: 0x1000",
        "    └── SM4-XTS: 0x200",
        "",
      ].join("\n"),
    );
  });

  it("draws directories between files", () => {
    const files = new Map([
      ["a/x", () => "1\n"],
      ["a/b/y", () => "2\n"],
      ["z", () => "3\n"],
    ]);
    expect(formatSysfs("root", files)).toBe("root\n├── a\n│   ├── x: 1\n│   └── b\n│       └── y: 2\n└── z: 3\n");
  });
});

import { createCipheriv } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { main } from "../src/main.js";
import { buildStack } from "../src/stack/build-stack.js";
import type { StackDefinition } from "../src/stack/stack-definition.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

const MIB = 1 << 20;
const SECTORS = MIB / 512;

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >> 8)) & 255);
}

/** AES-256-XTS of one data unit by OpenSSL. */
function encryptUnit(key: Uint8Array, dun: bigint, plaintext: Uint8Array): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64LE(dun);
  return createCipheriv("aes-256-xts", key, iv).update(plaintext);
}

const ufsAndTables: StackDefinition["devices"] = {
  flash: { driver: "ufs", size: MIB, keyslots: 4, dataUnitSizes: [4096] },
  disk: { driver: "ram", size: MIB },
  native: { driver: "dm", table: [`0 ${SECTORS} linear flash 0`] },
  mixed: { driver: "dm", table: [`0 1024 linear flash 1024`, `1024 1024 linear disk 0`] },
};

describe("a UFS disk in a stack", () => {
  it("encrypts by itself, and keeps its blocks in a file", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const backing = scratch.path("flash.img");
    const definition: StackDefinition = {
      version: 1,
      devices: { flash: { driver: "ufs", size: MIB, backing, keyslots: 2 } },
      keys: { k: { file: scratch.path("disk.key") } },
      volumes: { secret: { device: "flash", key: "k", firstDun: 5n } },
    };
    const stack = await buildStack(definition);
    await stack.volumes.get("secret")!.volume.write(8192, pattern(4096));
    expect(stack.fallbackSlotTable().every((slot) => slot.key === null)).toBe(true);
    await stack.close();
    expect(readFileSync(backing).subarray(8192, 12288)).toEqual(encryptUnit(key, 7n, pattern(4096)));
    const again = await buildStack(definition);
    const back = new Uint8Array(4096);
    await again.volumes.get("secret")!.volume.read(8192, back);
    await again.close();
    expect(back).toEqual(pattern(4096));
  });

  it("encrypts without the software fallback", async () => {
    using scratch = new Scratch();
    scratch.keyFile();
    const stack = await buildStack({
      version: 1,
      cryptoFallback: false,
      devices: ufsAndTables,
      keys: { k: { file: scratch.path("disk.key") } },
      volumes: { secret: { device: "native", key: "k" } },
    });
    await stack.volumes.get("secret")!.volume.write(0, pattern(4096));
    await stack.close();
  });
});

describe("mapped devices in a stack", () => {
  it("pass encryption through where all below can, and not where one cannot", async () => {
    using scratch = new Scratch();
    scratch.keyFile();
    const stack = await buildStack({
      version: 1,
      devices: ufsAndTables,
      keys: { k: { file: scratch.path("disk.key") } },
      volumes: { native: { device: "native", key: "k" }, mixed: { device: "mixed", key: "k" } },
    });
    await stack.volumes.get("native")!.volume.write(0, pattern(4096));
    expect(stack.fallbackSlotTable().every((slot) => slot.key === null)).toBe(true);
    await stack.volumes.get("mixed")!.volume.write(0, pattern(4096));
    expect(stack.fallbackSlotTable().some((slot) => slot.key !== null)).toBe(true);
    await stack.close();
  });

  it("take the keys of their tables from the stack", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const file = scratch.path("disk.img");
    writeFileSync(file, new Uint8Array(MIB));
    const stack = await buildStack({
      version: 1,
      devices: {
        disk: { driver: "loop", file },
        secret: { driver: "dm", table: [`0 ${SECTORS} crypt aes-xts-plain64 :64:logon:k 0 disk 0`] },
      },
      keys: { k: { file: scratch.path("disk.key") } },
    });
    await stack.devices.get("secret")!.write(512, pattern(512));
    await stack.close();
    expect(readFileSync(file).subarray(512, 1024)).toEqual(encryptUnit(key, 1n, pattern(512)));
  });

  it("[INT-3] stop encryption at a loop device on them, and the fallback serves it", async () => {
    using scratch = new Scratch();
    const { key } = scratch.keyFile();
    const backing = scratch.path("flash.img");
    const stack = await buildStack({
      version: 1,
      devices: {
        flash: { driver: "ufs", size: MIB, backing, keyslots: 4, dataUnitSizes: [4096] },
        native: { driver: "dm", table: [`0 ${SECTORS} linear flash 0`] },
        loop: { driver: "loop", device: "native" },
      },
      keys: { k: { file: scratch.path("disk.key") } },
      volumes: { direct: { device: "native", key: "k" }, looped: { device: "loop", key: "k" } },
    });
    await stack.volumes.get("direct")!.volume.write(0, pattern(4096));
    expect(stack.fallbackSlotTable().every((slot) => slot.key === null)).toBe(true);
    await stack.volumes.get("looped")!.volume.write(4096, pattern(4096));
    expect(stack.fallbackSlotTable().some((slot) => slot.key !== null)).toBe(true);
    await stack.close();
    expect(readFileSync(backing).subarray(0, 4096)).toEqual(encryptUnit(key, 0n, pattern(4096)));
    expect(readFileSync(backing).subarray(4096, 8192)).toEqual(encryptUnit(key, 1n, pattern(4096)));
  });

  it.each([
    ["a device there is none of", [`0 ${SECTORS} linear flsh 0`], /no device "flsh"/],
    ["a target there is none of", [`0 ${SECTORS} lineal disk 0`], /unknown target type "lineal".*linear/],
    ["a key there is none of", [`0 ${SECTORS} crypt aes-xts-plain64 :64:logon:x 0 disk 0`], /no logon key "x"/],
  ])("refuse %s, and close what was open", async (_what, table, message) => {
    const devices: StackDefinition["devices"] = { disk: { driver: "ram", size: MIB }, top: { driver: "dm", table } };
    await expect(buildStack({ version: 1, devices })).rejects.toThrow(message);
  });
});

describe("commands that look at a stack's devices", () => {
  function stackFile(scratch: Scratch): string {
    scratch.keyFile();
    return scratch.write(
      "stack.yaml",
      `version: 1
devices:
  flash: { driver: ufs, size: 1MiB, keyslots: 4, dataUnitSizes: [4KiB] }
  disk: { driver: ram, size: 1MiB }
  top: { driver: dm, table: ["0 2048 linear flash 0"] }
  secret: { driver: dm, table: ["0 2048 crypt aes-xts-plain64 :64:logon:k 0 disk 0"] }
keys:
  k: { file: disk.key }
  other: { file: missing.key }
volumes: { v: { device: top, key: other } }
`,
    );
  }

  it("dm table prints them as dmsetup does, without keys", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    expect(await main(["dm", "table", stackFile(scratch)], io)).toBe(0);
    expect(io.stdout.text).toBe(
      "top: 0 2048 linear flash 0\nsecret: 0 2048 crypt aes-xts-plain64 :64:logon:k 0 disk 0\n",
    );
  });

  it("dm status, for machines", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    expect(await main(["dm", "status", stackFile(scratch), "--json"], io)).toBe(0);
    expect(JSON.parse(io.stdout.text)).toEqual({ devices: { top: ["0 2048 linear "], secret: ["0 2048 crypt "] } });
  });

  it("dm and sysfs show a target that encrypts in software, as serve has it", async () => {
    using scratch = new Scratch();
    scratch.keyFile();
    const line = "0 2048 inlinecrypt aes-xts-plain64 :64:logon:k 0 disk 0";
    const path = scratch.write(
      "stack.yaml",
      `version: 1
devices:
  disk: { driver: ram, size: 1MiB }
  secret: { driver: dm, table: ["${line}"] }
keys: { k: { file: disk.key } }
`,
    );
    const table = new FakeIo();
    expect([await main(["dm", "table", path], table), table.stderr.text]).toEqual([0, ""]);
    expect(table.stdout.text).toBe(`secret: ${line}\n`);
    const sysfs = new FakeIo();
    expect([await main(["sysfs", path], sysfs), sysfs.stderr.text]).toEqual([0, ""]);
    expect(sysfs.stdout.text).toContain("disk/queue/crypto: no such directory, disk does not encrypt");
  });

  it("dm says when there are none", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const path = scratch.write("stack.yaml", "version: 1\ndevices: { d: { driver: ram, size: 1M } }");
    expect(await main(["dm", "table", path], io)).toBe(0);
    expect(io.stdout.text).toBe("No devices found\n");
  });

  it("[SYS-1] sysfs shows keyslots of hardware, none of mapped devices, and nothing of the others", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    expect(await main(["sysfs", stackFile(scratch), "--json"], io)).toBe(0);
    const capable = { max_dun_bits: "64", raw_keys: "supported", "modes/AES-256-XTS": "0x1000" };
    expect(JSON.parse(io.stdout.text).devices).toEqual({
      flash: { ...capable, num_keyslots: "4" },
      disk: null,
      top: { ...capable, num_keyslots: "0" },
      secret: null,
    });
  });

  it("create nothing", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const path = scratch.write("stack.yaml", "version: 1\ndevices: { d: { driver: ufs, size: 1M, backing: new.img } }");
    expect(await main(["sysfs", path], io)).toBe(1);
    expect(io.stderr.text).toMatch(/new\.img/);
    expect(existsSync(scratch.path("new.img"))).toBe(false);
  });
});

import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { BlkCryptoProfile, blkCryptoProfileOf, CryptoCapabilities } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { allTargets, DmFeature, type DmTargetType, linearTarget, MapResult } from "../src/index.js";
import { CryptoRig, ciphertext, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { pattern, read } from "./support.js";

let rig: CryptoRig;
beforeEach(() => {
  rig = new CryptoRig();
});
afterEach(() => rig.close());

function spyOnDispose(): MockInstance<() => void> {
  return vi.spyOn(BlkCryptoProfile.prototype, Symbol.dispose as never) as unknown as MockInstance<() => void>;
}

describe("the profile of a table", () => {
  it("[DM-1] has no keyslots and programs nothing", async () => {
    cryptoDisk(rig, "ufs");
    const { bdev } = await rig.create("0 64 linear ufs 0");
    const profile = blkCryptoProfileOf(bdev.queue)!;
    expect(profile.slotCount).toBe(0);
    expect(profile.slotTable()).toEqual([]);
    expect(bdev.disk.cryptoSysfs!.get("num_keyslots")!()).toBe("0\n");
  });

  it("[DM-2] is the intersection over all devices of all targets", async () => {
    cryptoDisk(rig, "a", {
      modesSupported: { "AES-256-XTS": 512 | 4096, Adiantum: 4096 },
      maxDunBytesSupported: 16,
      keyTypesSupported: ["raw", "hw-wrapped"],
    });
    cryptoDisk(rig, "b", { modesSupported: { "AES-256-XTS": 4096, "SM4-XTS": 512 }, maxDunBytesSupported: 8 });
    await rig.create("0 64 linear a 0\n64 64 linear b 0");
    rig.expectCapabilities("dm", 4096, 8, ["raw"]);
    expect([2, 3, 4].map((modeNum) => rig.capabilitiesOf()!.dataUnitMask(modeNum))).toEqual([0, 0, 0]);
  });

  it("[DM-3] a target that does not pass contexts or a device without a profile clears it; no devices restrict nothing", async () => {
    cryptoDisk(rig, "ufs");
    rig.sim("plain");
    rig.dm.registerTarget({
      name: "nowhere",
      version: [1, 0, 0],
      features: DmFeature.PASSES_CRYPTO,
      ctr: () => ({ map: () => MapResult.KILL, table: () => "" }),
    });
    await rig.create("0 64 linear ufs 0\n64 64 linear plain 0", "mixed");
    await rig.create("0 64 linear ufs 0\n64 64 error", "opaque");
    await rig.create("0 64 nowhere\n64 64 linear ufs 0", "free");
    expect([rig.capabilitiesOf("mixed"), rig.capabilitiesOf("opaque")]).toEqual([null, null]);
    rig.expectCapabilities("free", 512 | 4096, 8, ["raw"]);
  });

  it("[DM-4] is none at all when no mode is left", async () => {
    cryptoDisk(rig, "a", { modesSupported: { "AES-256-XTS": 512 } });
    cryptoDisk(rig, "b", { modesSupported: { "AES-256-XTS": 4096 } });
    const { bdev } = await rig.create("0 64 linear a 0\n64 64 linear b 0");
    expect(blkCryptoProfileOf(bdev.queue)).toBeNull();
    expect(bdev.disk.cryptoSysfs).toBeNull();
  });

  it("[DM-5] targets say by a feature whether contexts pass", () => {
    const passes = (type: DmTargetType) => (type.features & DmFeature.PASSES_CRYPTO) !== 0;
    // `multipath` differs from the kernel's on purpose, and `default-key` is Android's.
    expect(allTargets.filter(passes).map(({ name }) => name)).toEqual([
      "linear",
      "striped",
      "flakey",
      "multipath",
      "default-key",
    ]);
    const opaque = allTargets.filter((type) => !passes(type)).map(({ name }) => name);
    expect(opaque).toEqual(["error", "zero", "delay", "crypt", "inlinecrypt"]);
  });

  it("[DM-6] a table that can do less is refused at load; equal or more is taken", async () => {
    cryptoDisk(rig, "small");
    cryptoDisk(rig, "large", { maxDunBytesSupported: 16, modesSupported: { "AES-256-XTS": 512 | 1024 | 4096 } });
    rig.sim("plain");
    const device = await rig.create("0 64 linear small 0");
    await device.load("0 64 linear small 64");
    await device.load("0 64 linear large 0");
    await rig.run(device.resume());
    for (const table of ["0 64 linear small 0", "0 64 linear plain 0", "0 64 error"]) {
      await expect(device.load(table)).rejects.toMatchObject({ code: "EINVAL" });
    }
    expect(device.table()).toEqual(["0 64 linear large 0"]);
    rig.expectCapabilities("dm", 512 | 1024 | 4096, 16, ["raw"]);
  });

  it("[DM-7] [DM-9] is registered at the first load; later ones widen it at resume and are not kept", async () => {
    const disposed = spyOnDispose();
    cryptoDisk(rig, "small");
    cryptoDisk(rig, "large", { maxDunBytesSupported: 16 });
    const device = await rig.dm.create({ name: "dm" });
    await device.load("0 64 linear small 0");
    const profile = blkCryptoProfileOf(device.bdev.queue)!;
    rig.expectCapabilities("dm", 512 | 4096, 8, ["raw"]);
    await rig.run(device.resume());
    await device.load("0 64 linear large 0");
    rig.expectCapabilities("dm", 512 | 4096, 8, ["raw"]);
    await rig.run(device.resume());
    expect(blkCryptoProfileOf(device.bdev.queue)).toBe(profile);
    rig.expectCapabilities("dm", 512 | 4096, 16, ["raw"]);
    expect(disposed).not.toHaveBeenCalled();
    await rig.run(device.remove());
    expect(disposed.mock.contexts).toEqual([profile]);
    disposed.mockRestore();
  });

  it("[DM-7] a device whose first table could not encrypt gets its profile from a later one", async () => {
    cryptoDisk(rig, "ufs");
    rig.sim("plain");
    const device = await rig.create("0 64 linear plain 0");
    await device.load("0 64 linear ufs 0");
    expect(rig.capabilitiesOf()).toBeNull();
    await rig.run(device.resume());
    rig.expectCapabilities("dm", 512 | 4096, 8, ["raw"]);
  });

  it("[DM-9] one whose registration is refused, for integrity, is destroyed at once", async () => {
    const disposed = spyOnDispose();
    cryptoDisk(rig, "ufs");
    rig.dm.registerTarget({
      ...linearTarget,
      name: "protecting",
      ctr: (args, spec) =>
        Object.assign(linearTarget.ctr(args, spec), {
          ioHints: (limits: object) => ({
            ...limits,
            integrity: { csum: "crc", type: 1, intervalBytes: 512, tupleBytes: 8, tagBytes: 0 },
          }),
        }),
    });
    const device = await rig.dm.create({ name: "dm" });
    await device.load("0 64 protecting ufs 0");
    const { bdev } = device;
    expect(bdev.queue.limits.integrity).not.toBeNull();
    expect(blkCryptoProfileOf(bdev.queue)).toBeNull();
    expect(disposed).toHaveBeenCalledTimes(1);
    expect(rig.traced).toContain("blk_crypto_register");
    disposed.mockRestore();
  });

  it("[DM-25] a target may pass less than its devices can do; the rest goes to the fallback", async () => {
    const { disk } = cryptoDisk(rig, "ufs");
    const only4096 = new CryptoCapabilities({ modesSupported: { "AES-256-XTS": 4096 }, maxDunBytesSupported: 8 });
    rig.dm.registerTarget({
      ...linearTarget,
      name: "narrow",
      ctr: (args, spec) => Object.assign(linearTarget.ctr(args, spec), { cryptoCapabilities: only4096 }),
    });
    const { bdev } = await rig.create("0 64 narrow ufs 0");
    rig.expectCapabilities("dm", 4096, 8, ["raw"]);
    const key = newKey();
    const data = pattern(4096);
    const write = cryptBio(rig, bdev, ReqOp.WRITE, 0, data, key, 5n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(rig.fallback.served).toEqual(["dm"]);
    expect(read(disk, 0, 4096)).toEqual(ciphertext(data, key, 5n));
  });

  it("[DM-25] data units that a target would cut are not passed: the fallback serves them", async () => {
    const { disk } = cryptoDisk(rig, "ufs");
    await rig.create("0 64 striped 2 4 ufs 0 ufs 64", "striped");
    rig.expectCapabilities("striped", 512, 8, ["raw"]);
    await rig.create("0 12 linear ufs 0\n12 4 linear ufs 100", "pieces");
    rig.expectCapabilities("pieces", 512, 8, ["raw"]);
    const key = newKey(1, { dataUnitBytes: 4096 });
    const data = pattern(8192);
    const write = cryptBio(rig, rig.dm.get("pieces").bdev, ReqOp.WRITE, 0, data, key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    const expected = ciphertext(data, key, 0n);
    expect(read(disk, 0, 12 * 512)).toEqual(expected.subarray(0, 12 * 512));
    expect(read(disk, 100, 4 * 512)).toEqual(expected.subarray(12 * 512));
  });
});

describe("wrapped keys", () => {
  const wrapped = (name: string) => {
    const log: string[] = [];
    const both = { keyTypesSupported: ["raw", "hw-wrapped"] as const };
    cryptoDisk(rig, name, {
      ...both,
      wrappedKeys: {
        importKey: (raw, into) => {
          log.push("import");
          into.set(raw);
          return raw.length;
        },
        generateKey: (into) => {
          log.push("generate");
          into.fill(7, 0, 40);
          return 40;
        },
        prepareKey: (long, into) => {
          log.push("prepare");
          into.set(long);
          return long.length;
        },
        deriveSwSecret: (_key, secret) => {
          log.push("derive");
          secret.fill(9);
        },
      },
    });
    return log;
  };

  it("[DM-23] run on the first device of the first target that has devices, and need a live table", async () => {
    const first = wrapped("a");
    const second = wrapped("b");
    const device = await rig.dm.create({ name: "dm" });
    await device.load("0 32 linear a 0\n32 32 linear b 0");
    const { wrappedKeys } = blkCryptoProfileOf(device.bdev.queue)!;
    const blob = new Uint8Array(128);
    await expect(rig.run(wrappedKeys.generateKey(blob))).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await rig.run(device.resume());
    expect(await rig.run(wrappedKeys.generateKey(blob))).toBe(40);
    expect(await rig.run(wrappedKeys.importKey(pattern(32), blob))).toBe(32);
    expect(await rig.run(wrappedKeys.prepareKey(pattern(40), blob))).toBe(40);
    const secret = new Uint8Array(32);
    await rig.run(wrappedKeys.deriveSwSecret(blob, secret));
    expect(secret).toEqual(new Uint8Array(32).fill(9));
    expect(first).toEqual(["generate", "import", "prepare", "derive"]);
    expect(second).toEqual([]);
  });

  it("[DM-8] a later table that adds wrapped keys brings their ops along", async () => {
    cryptoDisk(rig, "raw");
    wrapped("both");
    const device = await rig.create("0 64 linear raw 0");
    const { wrappedKeys } = blkCryptoProfileOf(device.bdev.queue)!;
    const blob = new Uint8Array(128);
    await expect(rig.run(wrappedKeys.generateKey(blob))).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await device.load("0 64 linear both 0");
    await rig.run(device.resume());
    expect(await rig.run(wrappedKeys.generateKey(blob))).toBe(40);
  });
});

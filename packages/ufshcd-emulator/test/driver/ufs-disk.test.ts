import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk, type UfsDiskOptions } from "@inlinecrypt/ufshcd-emulator";
import { type Medium, MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { exynosVariant } from "@inlinecrypt/ufshcd-emulator/driver";
import { describe, expect, it } from "vitest";
import { expectSameBytes, keyBytes, makeKey, pattern } from "./support/keys.js";

const newLayer = (): BlockLayer => new BlockLayer({ executor: new HostExecutor() });
const engine = createNodeEngine();
const MIB = 1 << 20;

describe("createUfsDisk", () => {
  it("[UFS-11] several logical units: a queue each, one profile, one set of tags, one eviction for all", async () => {
    const media = [new MemoryMedium(MIB), new MemoryMedium(2 * MIB), new MemoryMedium(MIB)];
    const logicalUnits = media.map((backing, index) => ({ backing, readOnly: index === 2 }));
    await using disk = await createUfsDisk({ layer: newLayer(), engine, logicalUnits, keyslots: 2, name: "flash" });
    expect(disk.luns.map(({ bdev }) => [bdev.name, bdev.bytes, bdev.readOnly])).toEqual([
      ["flash-lun0", MIB, false],
      ["flash-lun1", 2 * MIB, false],
      ["flash-lun2", MIB, true],
    ]);
    for (const { queue } of disk.luns) {
      expect(queue.cryptoProfile).toBe(disk.profile);
      expect(queue.tagSet).toBe(disk.luns[0]!.queue.tagSet);
    }
    const key = makeKey();
    for (const [index, { bdev }] of disk.luns.slice(0, 2).entries()) {
      blkCryptoStartUsingKey(bdev, key);
      await new Volume(bdev, { key }).write(4096, pattern(8192, index));
      const expected = referenceEncrypt("xts(aes)", keyBytes(1), 4096, 1n, pattern(8192, index));
      expectSameBytes(media[index]!.data.subarray(4096, 12288), expected);
    }
    const programmed = disk.profile!.slotTable().map(({ programmings, key: held }) => [programmings, held !== null]);
    expect(programmed.sort()).toEqual([
      [0, false],
      [1, true],
    ]);
    await blkCryptoEvictKey(disk.luns[1]!.bdev, key);
    expect(disk.profile!.slotTable().every((slot) => slot.key === null)).toBe(true);
  });

  it("closes once, however often it is asked to", async () => {
    const disk = await createUfsDisk({ layer: newLayer(), engine, bytes: MIB });
    const resets: string[] = [];
    disk.controller.events.observe(({ type }) => type === "hostReset" && resets.push(type));
    await disk.bdev.write(0, pattern(4096));
    await Promise.all([disk.close(), disk.close(), disk.hba.close()]);
    // The driver stops the host, and the power goes off.
    expect(resets).toHaveLength(2);
    await disk.close();
    expect(resets).toHaveLength(2);
  });

  it("switches the controller off even when something of the driver's cannot be undone", async () => {
    const disk = await createUfsDisk({ layer: newLayer(), engine, bytes: MIB });
    const resets: string[] = [];
    disk.controller.events.observe(({ type }) => type === "hostReset" && resets.push(type));
    disk.hba.device.addAction(() => {
      throw new Error("it cannot be undone");
    });
    await expect(disk.close()).rejects.toThrow("it cannot be undone");
    expect(resets).toHaveLength(2);
  });

  it("without an engine there is no profile, and the disk works", async () => {
    await using disk = await createUfsDisk({ layer: newLayer(), bytes: MIB });
    expect(disk.profile).toBeNull();
    expect(disk.hba.crypto).toBeNull();
    await disk.bdev.write(0, pattern(8192));
    const back = new Uint8Array(8192);
    await disk.bdev.read(0, back);
    expectSameBytes(back, pattern(8192));
    expect(disk.bdev.disk.cryptoSysfs).toBeNull();
  });

  it("says what it can in sysfs, and takes the data unit sizes it was given", async () => {
    const dataUnitSizes = [512, 4096];
    await using disk = await createUfsDisk({ layer: newLayer(), engine, bytes: MIB, keyslots: 32, dataUnitSizes });
    const files = disk.bdev.disk.cryptoSysfs!;
    expect([...files].map(([path, show]) => `${path} ${show().trim()}`).sort()).toEqual([
      "max_dun_bits 64",
      "modes/AES-256-XTS 0x1200",
      "num_keyslots 32",
      "raw_keys supported",
    ]);
  });

  it("[UFS-18] a variant that takes keys in the PRDT has a controller that does", async () => {
    const backing = new MemoryMedium(MIB);
    await using disk = await createUfsDisk({ layer: newLayer(), engine, backing, variant: exynosVariant() });
    await new Volume(disk.bdev, { key: makeKey() }).write(4096, pattern(16384));
    const expected = referenceEncrypt("xts(aes)", keyBytes(1), 4096, 1n, pattern(16384));
    expectSameBytes(backing.data.subarray(4096, 20480), expected);
    await disk.bdev.write(65536, pattern(65536, 2));
    expectSameBytes(backing.data.subarray(65536, 131072), pattern(65536, 2));
  });

  it("such a variant without a crypto engine has the PRDT of UFSHCI", async () => {
    const backing = new MemoryMedium(MIB);
    await using disk = await createUfsDisk({ layer: newLayer(), backing, variant: exynosVariant() });
    expect(disk.profile).toBeNull();
    await disk.bdev.write(0, pattern(MIB));
    expectSameBytes(backing.data, pattern(MIB));
  });

  it("closes twice, and keys are gone from the engine", async () => {
    const disk = await createUfsDisk({ layer: newLayer(), engine, bytes: MIB });
    const key = makeKey();
    await new Volume(disk.bdev, { key }).write(0, pattern(4096));
    const cleared: number[] = [];
    disk.controller.events.observe((event) => {
      if (event.type === "keyslotCleared") cleared.push(event.slotIndex);
    });
    await disk.close();
    await disk.close();
    expect(cleared).toHaveLength(1);
    await expect(disk.bdev.read(0, new Uint8Array(4096))).rejects.toMatchObject({ code: "EIO" });
  });

  it("a medium that answers later, or fails, is a disk too", async () => {
    const memory = new MemoryMedium(MIB);
    let fails = false;
    const later =
      <Args extends unknown[]>(run: (...args: [...Args, (ok: boolean) => void]) => void) =>
      (...args: [...Args, (ok: boolean) => void]) => {
        const done = args.pop() as (ok: boolean) => void;
        setImmediate(() => (fails ? done(false) : run(...(args as unknown as Args), done)));
      };
    const backing: Medium = {
      bytes: MIB,
      read: later(memory.read.bind(memory)),
      write: later(memory.write.bind(memory)),
      flush: later(memory.flush.bind(memory)),
      discard: later(memory.discard.bind(memory)),
    };
    await using disk = await createUfsDisk({ layer: newLayer(), engine, backing });
    const volume = new Volume(disk.bdev, { key: makeKey() });
    await volume.write(0, pattern(65536));
    await volume.flush();
    const back = new Uint8Array(65536);
    await volume.read(0, back);
    expectSameBytes(back, pattern(65536));
    fails = true;
    await expect(volume.read(0, back)).rejects.toMatchObject({ code: "ENODATA" });
    fails = false;
    await volume.read(0, back);
  });

  for (const [what, options] of [
    ["either bytes or a backing", {}],
    ["either bytes or a backing", { bytes: 4096, backing: new MemoryMedium(4096) }],
    ["multiple of 4096", { bytes: 1000 }],
    ["multiple of 4096", { bytes: 0 }],
    ["expected them in its elements", { bytes: 4096, logicalUnits: [{ bytes: 4096 }] }],
    ["logical units, expected 1 to 8", { logicalUnits: [] }],
    ["logical unit 1 needs", { logicalUnits: [{ bytes: 4096 }, {}] }],
    ["keyslots is 33, expected 1 to 32", { bytes: 4096, engine, keyslots: 33 }],
    ["without an engine", { bytes: 4096, keyslots: 4 }],
    ["dataUnitSizes is empty", { bytes: 4096, engine, dataUnitSizes: [] }],
    ["a data unit size is 1000", { bytes: 4096, engine, dataUnitSizes: [1000] }],
    ["a data unit size is 512.5", { bytes: 4096, engine, dataUnitSizes: [512.5] }],
    ["a data unit size is NaN", { bytes: 4096, engine, dataUnitSizes: [Number.NaN] }],
    ["given for variant exynos", { bytes: 4096, engine, keyslots: 4, variant: exynosVariant() }],
    ["a data unit size is 131072", { bytes: 4096, engine, dataUnitSizes: [131072] }],
    ["transferRequests is 1, expected 2 to 32", { bytes: 4096, transferRequests: 1 }],
    ["commandTimeoutMs is 0", { bytes: 4096, commandTimeoutMs: 0 }],
    ["autosuspendMs is 0.5", { bytes: 4096, autosuspendMs: 0.5 }],
  ] as [string, Partial<UfsDiskOptions>][]) {
    it(`refuses: ${what}`, async () => {
      const created = createUfsDisk({ layer: newLayer(), ...options });
      await expect(created).rejects.toMatchObject({ code: "EINVAL", message: expect.stringContaining(what) });
    });
  }

  it("refuses: more bytes than memory can be had", async () => {
    await expect(createUfsDisk({ layer: newLayer(), bytes: 2 ** 52 })).rejects.toMatchObject({
      code: "ENOMEM",
      message: expect.stringContaining(`the disk has ${2 ** 52} bytes, more than this process can have in memory`),
    });
  });

  it("a device that does not start is an error, and everything is given back", async () => {
    const faults = [{ kind: "controllerFatal", opcode: 0xa0 } as const];
    await expect(createUfsDisk({ layer: newLayer(), bytes: MIB, faults })).rejects.toMatchObject({ code: "EIO" });
  });
});

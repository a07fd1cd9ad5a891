import { BlkStatus, ReqOp, Volume } from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  CryptoCapabilities,
  MAX_HW_WRAPPED_KEY_BYTES,
} from "@inlinecrypt/blk-crypto-profile";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { hwKdf, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { exynosVariant, type UfsVariant, ufshciVariant, wrappedKeyVariant } from "@inlinecrypt/ufshcd-emulator/driver";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { expectSameBytes, keyBytes, makeKey, pattern } from "./support/keys.js";
import { UfsRig } from "./support/ufs-rig.js";

const HCE = 0x34;
const PRDT_AT = 1024 + 32;
const FIRST_DUN = 2n ** 64n - 2n;

async function makeExynosRig(): Promise<UfsRig> {
  const rig = new UfsRig({ keysInPrdt: { engine: createNodeEngine() } });
  await rig.probe({ variant: exynosVariant() });
  return rig;
}

describe("BROKEN_CRYPTO_ENABLE", () => {
  it("[UFS-16] a host that sets HCE's bit itself, after it is enabled, works and gets its keys again", async () => {
    const notified: string[] = [];
    const variant: UfsVariant = {
      ...ufshciVariant,
      brokenCryptoEnable: true,
      hceEnableNotify(hba, when) {
        notified.push(when);
        if (when === "post") hba.mmio.write32(HCE, hba.mmio.read32(HCE) | 2);
      },
    };
    const rig = await UfsRig.start({}, { variant });
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    await rig.drive(volume.write(0, pattern(4096)));
    rig.events.length = 0;
    rig.controller.faults.add({ kind: "engineFatal" });
    await rig.drive(volume.write(4096, pattern(4096, 2)));
    expect(notified).toEqual(["pre", "post", "pre", "post"]);
    expect(rig.count("keyslotProgrammed")).toBe(1);
    expect(rig.events.find((event) => event.type === "hostEnabled")).toMatchObject({ cryptoEnabled: false });
    await rig.end();
  });
});

describe("keys in the PRDT", () => {
  it("[UFS-17] [UFS-18] the variant makes the profile: no slots, DUNs of 16 bytes, 4096-byte data units", async () => {
    const rig = await makeExynosRig();
    const profile = rig.hba.cryptoProfile!;
    expect(profile.slotCount).toBe(0);
    expect(profile.capabilities.maxDunBytesSupported).toBe(16);
    expect([1, 2, 3, 4].map((modeNum) => profile.capabilities.dataUnitMask(modeNum))).toEqual([4096, 0, 0, 0]);
    const { limits } = rig.hba.luns[0]!.queue;
    expect(limits).toMatchObject({ maxSegmentBytes: 4096, dmaAlignmentBytes: 4096 });
    await rig.end();
  });

  it("[UFS-18] entry bytes: algorithm, IV and key halves with all bytes reversed; the DUN rises over 64 bits", async () => {
    const rig = await makeExynosRig();
    const { bdev } = rig.hba.luns[0]!;
    const key = makeKey(1, { dunBytes: 16 });
    rig.controller.faults.add({ kind: "slowCommand", opcode: 0x2a, delayNs: 1e6 });
    const volume = new Volume(bdev, { key, firstDun: FIRST_DUN });
    const write = submit(bdev, ReqOp.WRITE, 0, pattern(3 * 4096), volume);
    const lrb = rig.hba.transfers.lrbs.find(({ rq }) => rq !== null)!;
    expect(lrb.utrd).toMatchObject({
      cryptoEnable: false,
      cryptoConfigIndex: 0,
      dunLow: 0,
      dunHigh: 0,
      prdtEntries: 3,
    });
    for (const [index, iv] of [
      [0, [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 254]],
      [1, [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]],
      [2, [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
    ] as const) {
      const entry = lrb.ucd.subarray(PRDT_AT + 128 * index, PRDT_AT + 128 * (index + 1));
      expect([...entry.subarray(12, 16)]).toEqual([0xff, 0x0f, 0x00, 0x24]);
      expect([...entry.subarray(16, 32)]).toEqual(iv);
      expect([...entry.subarray(32, 64)]).toEqual([...keyBytes(1).subarray(0, 32)].reverse());
      expect([...entry.subarray(64, 96)]).toEqual([...keyBytes(1).subarray(32)].reverse());
      expect([...entry.subarray(96)]).toEqual(new Array(32).fill(0));
    }
    expect(await rig.drive(write)).toBe(BlkStatus.OK);
    const onMedium = rig.media[0]!.data.subarray(0, 3 * 4096);
    expectSameBytes(onMedium, referenceEncrypt("xts(aes)", keyBytes(1), 4096, FIRST_DUN, pattern(3 * 4096)));
    await rig.end();
  });

  it("[UFS-19] the PRDT is wiped when the command ends, is aborted, or is reset", async () => {
    for (const kind of ["engineFault", "lostCompletion", "controllerFatal"] as const) {
      const rig = await makeExynosRig();
      if (kind !== "engineFault") rig.controller.faults.add({ kind, opcode: 0x2a });
      const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
      const write = submit(rig.hba.luns[0]!.bdev, ReqOp.WRITE, 0, pattern(65536), volume);
      const lrb = rig.hba.transfers.lrbs.find(({ rq }) => rq !== null)!;
      expect(Buffer.from(lrb.ucd).includes(Buffer.from(keyBytes(1).slice(0, 32).reverse()))).toBe(true);
      expect(await rig.drive(write)).toBe(BlkStatus.OK);
      for (const { ucd, slot } of rig.hba.transfers.lrbs) {
        // The last slot is for the driver's own commands, which are never encrypted.
        if (slot < 31) expect(ucd.subarray(PRDT_AT).every((byte) => byte === 0)).toBe(true);
      }
      await rig.end();
    }
  });

  it("[UFS-18] reads, large and merged I/O, and plain I/O in the same slots", async () => {
    const rig = await makeExynosRig();
    const { bdev } = rig.hba.luns[0]!;
    const key = makeKey();
    const volume = new Volume(bdev, { key });
    const data = pattern(1 << 20);
    await rig.drive(volume.write(0, data));
    const back = new Uint8Array(1 << 20);
    await rig.drive(volume.read(0, back));
    expectSameBytes(back, data);
    await rig.drive(bdev.write(2 << 20, data));
    expectSameBytes(rig.media[0]!.data.subarray(2 << 20, 3 << 20), data);
    await rig.drive(blkCryptoEvictKey(bdev, key));
    await rig.end();
  });

  it("I/O with a key that has been wiped fails, and its slot is as good as before", async () => {
    const rig = await makeExynosRig();
    const { bdev } = rig.hba.luns[0]!;
    const key = makeKey();
    const wiped = submit(bdev, ReqOp.WRITE, 0, pattern(8192), new Volume(bdev, { key }));
    key.wipe();
    const late = submit(bdev, ReqOp.WRITE, 0, pattern(8192, 2), new Volume(bdev, { key }));
    expect(await rig.drive(Promise.all([wiped, late]))).toEqual([BlkStatus.OK, BlkStatus.IOERR]);
    const writes = Array.from({ length: 31 }, (_, index) => submit(bdev, ReqOp.WRITE, index * 8192, pattern(4096)));
    expect(new Set(await rig.drive(Promise.all(writes)))).toEqual(new Set([BlkStatus.OK]));
    await rig.end();
  });

  it("[UFS-18] misaligned entries are refused", () => {
    const { fillCryptoPrdt, entryBytes } = exynosVariant().keysInPrdt!;
    const prdt = new Uint8Array(2 * entryBytes);
    const ctx = { key: makeKey(), dun: new Uint32Array(8) } as never;
    new DataView(prdt.buffer).setUint32(12, 4095, true);
    new DataView(prdt.buffer).setUint32(entryBytes + 12, 2047, true);
    expect(fillCryptoPrdt(ctx, prdt, 0, 2)).toBe(false);
    expect(fillCryptoPrdt(ctx, prdt, entryBytes, 1)).toBe(false);
  });
});

describe("wrapped keys", () => {
  const rootKey = pattern(32, 77);

  async function makeWrappedRig(blobBytes: 68 | 100): Promise<{ rig: UfsRig; firmware: EmulatedWrappedKeys }> {
    const firmware = new EmulatedWrappedKeys();
    const rig = await UfsRig.start({}, { variant: wrappedKeyVariant({ firmware, blobBytes }) });
    return { rig, firmware };
  }

  for (const blobBytes of [68, 100] as const) {
    it(`[UFS-20] blobs of ${blobBytes} bytes: imported, prepared, programmed; the inline key encrypts`, async () => {
      const { rig } = await makeWrappedRig(blobBytes);
      const { wrappedKeys, capabilities } = rig.hba.cryptoProfile!;
      expect(capabilities.keyTypesSupported).toEqual(["hw-wrapped"]);
      const [ltKey, ephKey, swSecret] = [new Uint8Array(128), new Uint8Array(128), new Uint8Array(32)];
      expect(await rig.drive(wrappedKeys.importKey(rootKey, ltKey))).toBe(blobBytes);
      expect(await rig.drive(wrappedKeys.prepareKey(ltKey.subarray(0, blobBytes), ephKey))).toBe(blobBytes);
      await rig.drive(wrappedKeys.deriveSwSecret(ephKey.subarray(0, blobBytes), swSecret));
      expect(swSecret).toEqual(hwKdf.swSecret(rootKey));
      const key = makeKey(1, { keyType: "hw-wrapped", bytes: ephKey.subarray(0, blobBytes) });
      await rig.drive(new Volume(rig.hba.luns[0]!.bdev, { key }).write(0, pattern(8192)));
      const expected = referenceEncrypt("xts(aes)", hwKdf.inlineEncryptionKey(rootKey), 4096, 0n, pattern(8192));
      expectSameBytes(rig.media[0]!.data.subarray(0, 8192), expected);
      await rig.drive(blkCryptoEvictKey(rig.hba.luns[0]!.bdev, key));
      await rig.end();
    });
  }

  it("[UFS-20] generated keys have the fixed length too, and differ", async () => {
    const { rig } = await makeWrappedRig(68);
    const { wrappedKeys } = rig.hba.cryptoProfile!;
    const [one, other] = [new Uint8Array(MAX_HW_WRAPPED_KEY_BYTES), new Uint8Array(MAX_HW_WRAPPED_KEY_BYTES)];
    expect(await rig.drive(wrappedKeys.generateKey(one))).toBe(68);
    expect(await rig.drive(wrappedKeys.generateKey(other))).toBe(68);
    expect(one).not.toEqual(other);
    await rig.end();
  });

  it("[UFS-20] raw keys are not supported, and refused with EINVAL by the engine", async () => {
    const { rig } = await makeWrappedRig(68);
    const { bdev } = rig.hba.luns[0]!;
    expect(rig.hba.cryptoProfile!.supports(makeKey())).toBe(false);
    const volume = new Volume(bdev, { key: makeKey() });
    await expect(rig.drive(volume.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    // As if the block layer had let it through.
    rig.hba.cryptoProfile!.capabilities.update(CryptoCapabilities.all());
    await expect(rig.drive(volume.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EINVAL" });
    expect(rig.count("keyslotProgrammed")).toBe(0);
    await rig.end();
  });

  it("[UFS-20] what the firmware calls EIO or EINVAL is a bad blob; other errors stay what they are", async () => {
    const real = new EmulatedWrappedKeys();
    let code = "EIO";
    const fail = (): never => {
      throw Object.assign(new Error("the firmware says no"), { code });
    };
    const firmware = {
      unwrapInlineKey: (ephKey: Uint8Array) => real.unwrapInlineKey(ephKey),
      llOps: { ...real.llOps, prepareKey: fail, deriveSwSecret: fail },
    };
    const rig = await UfsRig.start({}, { variant: wrappedKeyVariant({ firmware, blobBytes: 68 }) });
    const { wrappedKeys } = rig.hba.cryptoProfile!;
    const [ltKey, ephKey, swSecret] = [new Uint8Array(128), new Uint8Array(128), new Uint8Array(32)];
    await rig.drive(wrappedKeys.importKey(rootKey, ltKey));
    const blob = ltKey.subarray(0, 68);
    for (const [says, becomes] of [
      ["EIO", "EBADMSG"],
      ["EINVAL", "EBADMSG"],
      ["ENOMEM", "ENOMEM"],
    ] as const) {
      code = says;
      await expect(rig.drive(wrappedKeys.prepareKey(blob, ephKey))).rejects.toMatchObject({ code: becomes });
      await expect(rig.drive(wrappedKeys.deriveSwSecret(blob, swSecret))).rejects.toMatchObject({ code: becomes });
    }
    const short = ltKey.subarray(0, 60);
    await expect(rig.drive(wrappedKeys.prepareKey(short, ephKey))).rejects.toMatchObject({ code: "EBADMSG" });
    await expect(rig.drive(wrappedKeys.prepareKey(new Uint8Array(68), ephKey))).rejects.toMatchObject({
      code: "EBADMSG",
    });
    await rig.end();
  });

  it("[UFS-20] a blob of another boot fails the I/O, and no slot is enabled", async () => {
    const { rig, firmware } = await makeWrappedRig(68);
    const { wrappedKeys } = rig.hba.cryptoProfile!;
    const [ltKey, ephKey] = [new Uint8Array(128), new Uint8Array(128)];
    await rig.drive(wrappedKeys.importKey(rootKey, ltKey));
    await rig.drive(wrappedKeys.prepareKey(ltKey.subarray(0, 68), ephKey));
    firmware.reboot();
    const key = new BlkCryptoKey({
      mode: "AES-256-XTS",
      bytes: ephKey.subarray(0, 68),
      keyType: "hw-wrapped",
      dataUnitBytes: 4096,
      dunBytes: 8,
    });
    const write = new Volume(rig.hba.luns[0]!.bdev, { key }).write(0, pattern(4096));
    await expect(rig.drive(write)).rejects.toMatchObject({ code: "EIO" });
    expect(rig.count("keyslotProgrammed")).toBe(0);
    await rig.end();
  });
});

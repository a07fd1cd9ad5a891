import { ReqOp, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoConfigSupportedNatively, blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { ufshciVariant } from "@inlinecrypt/ufshcd-emulator/driver";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { keyBytes, makeKey, pattern } from "./support/keys.js";
import { drive, Rig } from "./support/rig.js";

const HCE = 0x34;
const CRYPTO = 1 << 28;
/** Three capabilities from CRYPTOCAP[0] on; 2 slots; CRYPTOCFG at 0x300. */
const CCAP = (3 << 24) | (1 << 8) | 3;
const CONFIG = 0x300;
/** AES-ECB 256, then AES-XTS 256 with 512-byte units, then AES-XTS 256 with 4096-byte units. */
const CAPS = [0x03ff02, 0x030100, 0x030800];

const cryptoRig = (): Rig => new Rig({ capBits: CRYPTO, ccap: CCAP, cryptoCaps: CAPS });

function slotWrites(rig: Rig, slotIndex: number): [number, number][] {
  const base = CONFIG + slotIndex * 128;
  return rig.host.writesIn(base, base + 128).map(([offset, value]) => [(offset - base) / 4, value]);
}

/** What the 18 dwords of an entry are after writes. */
function entryAfter(writes: [number, number][]): Uint8Array {
  const entry = new DataView(new ArrayBuffer(128));
  for (const [dword, value] of writes) entry.setUint32(4 * dword, value, true);
  return new Uint8Array(entry.buffer);
}

const WRITE_ORDER = [16, ...Array.from({ length: 16 }, (_, dword) => dword), 17, 16];

describe("capabilities", () => {
  it("[UFS-1] crypto needs both CAP's bit and the platform's consent", async () => {
    for (const [capBits, crypto] of [
      [CRYPTO, false],
      [0, true],
      [0, false],
    ] as const) {
      const rig = new Rig({ capBits, ccap: CCAP, cryptoCaps: CAPS });
      const hba = await rig.probe({ variant: { name: "test", crypto } });
      expect(hba.crypto).toBeNull();
      expect(hba.cryptoProfile).toBeNull();
      expect(blkCryptoConfigSupportedNatively(hba.luns[0]!.bdev, makeKey())).toBe(false);
      expect(rig.host.writesIn(CONFIG, CONFIG + 256)).toEqual([]);
      expect(rig.host.writesIn(HCE, HCE + 4)).toEqual([[HCE, 1]]);
      await drive(rig.executor, hba.close());
    }
  });

  it("[UFS-1] a profile that cannot be made fails the probe, and no controller is enabled", async () => {
    const rig = cryptoRig();
    const { read32 } = rig.host;
    rig.host.read32 = (offset) => {
      if (offset === 0x104) throw Object.assign(new Error("the bus has failed"), { code: "EIO" });
      return read32.call(rig.host, offset);
    };
    await expect(rig.probe()).rejects.toThrow("the bus has failed");
    expect(rig.host.writes).toEqual([]);
    expect(rig.executor.isIdle).toBe(true);
  });

  it("[UFS-2] as many slots as CCAP says and one, 8 DUN bytes, raw keys, kept awake by the host", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const profile = hba.cryptoProfile!;
    expect(profile.slotCount).toBe(2);
    expect(profile.capabilities.maxDunBytesSupported).toBe(8);
    expect(profile.capabilities.keyTypesSupported).toEqual(["raw"]);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-3] capabilities of one mode add up, those of no mode are ignored", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const { capabilities } = hba.cryptoProfile!;
    expect([1, 2, 3, 4].map((modeNum) => capabilities.dataUnitMask(modeNum))).toEqual([512 | 4096, 0, 0, 0]);
    await drive(rig.executor, hba.close());
    const unknown = new Rig({ capBits: CRYPTO, ccap: CCAP, cryptoCaps: [0x03ff02, 0x01ff00, 0x03ff77] });
    const plain = await unknown.probe();
    expect(plain.cryptoProfile!.capabilities.dataUnitMask(1)).toBe(0);
    await drive(unknown.executor, plain.close());
  });
});

describe("keyslots", () => {
  it("[UFS-9] every slot is cleared before the controller is enabled for the first time", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const enabledAt = rig.host.writes.findIndex(({ offset, value }) => offset === HCE && value !== 0);
    for (const slotIndex of [0, 1]) {
      const base = CONFIG + slotIndex * 128;
      const before = rig.host.writes.slice(0, enabledAt).filter(({ offset }) => offset >= base && offset < base + 128);
      expect(before.map(({ offset }) => (offset - base) / 4)).toEqual(WRITE_ORDER);
      expect(before.every(({ value }) => value === 0)).toBe(true);
    }
    expect(rig.host.writesIn(HCE, HCE + 4)).toEqual([[HCE, 3]]);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-4] [UFS-5] [UFS-6] programs the exact entry, in the exact order, of the first capability that fits", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    for (const [dataUnitBytes, capIndex] of [
      [512, 1],
      [4096, 2],
    ] as const) {
      rig.host.writes.length = 0;
      const key = makeKey(3, { dataUnitBytes });
      await drive(rig.executor, submit(bdev, ReqOp.WRITE, 0, pattern(4096), new Volume(bdev, { key })));
      const slotIndex = hba.cryptoProfile!.slotTable().findIndex((slot) => slot.key?.dataUnitBytes === dataUnitBytes);
      const writes = slotWrites(rig, slotIndex);
      expect(writes.map(([dword]) => dword)).toEqual(WRITE_ORDER);
      expect(writes[0]).toEqual([16, 0]);
      const expected = new Uint8Array(128);
      expected.set(keyBytes(3).subarray(0, 32), 0);
      expected.set(keyBytes(3).subarray(32), 32);
      expected.set([dataUnitBytes / 512, capIndex, 0, 0x80], 64);
      expect(entryAfter(writes)).toEqual(expected);
      await drive(rig.executor, blkCryptoEvictKey(bdev, key));
    }
    await drive(rig.executor, hba.close());
  });

  it("[UFS-4] no capability: EOPNOTSUPP, and nothing is written", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    rig.host.writes.length = 0;
    const key = makeKey(1, { dataUnitBytes: 1024 });
    expect(() => hba.crypto!.engine!.program(0, key, keyBytes(1))).toThrow(
      expect.objectContaining({ code: "EOPNOTSUPP" }),
    );
    expect(rig.host.writes).toEqual([]);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-5] the halves of an XTS key go to bytes 0 and 32, however long they are", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    rig.host.writes.length = 0;
    hba.crypto!.engine!.program(1, makeKey(), pattern(32, 9));
    const entry = entryAfter(slotWrites(rig, 1));
    expect(entry.subarray(0, 16)).toEqual(pattern(32, 9).subarray(0, 16));
    expect(entry.subarray(16, 32)).toEqual(new Uint8Array(16));
    expect(entry.subarray(32, 48)).toEqual(pattern(32, 9).subarray(16));
    await drive(rig.executor, hba.close());
  });

  it("[UFS-6] the controller is held active while a key is programmed, also when it sleeps", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    expect(await drive(rig.executor, hba.pm.runtimeSuspend())).toBe(true);
    rig.host.writes.length = 0;
    const { bdev } = hba.luns[0]!;
    await drive(rig.executor, submit(bdev, ReqOp.WRITE, 0, pattern(4096), new Volume(bdev, { key: makeKey() })));
    const hibernateExit = rig.host.writes.findIndex(({ offset, value }) => offset === 0x90 && value === 0x18);
    const firstKeyWrite = rig.host.writes.findIndex(({ offset }) => offset >= CONFIG && offset < CONFIG + 256);
    expect(hibernateExit).toBeGreaterThanOrEqual(0);
    expect(firstKeyWrite).toBeGreaterThan(hibernateExit);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-7] [UFS-6] evicting writes an all-zero entry, in the same order", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    const key = makeKey();
    await drive(rig.executor, submit(bdev, ReqOp.WRITE, 0, pattern(4096), new Volume(bdev, { key })));
    const slotIndex = hba.cryptoProfile!.slotTable().findIndex((slot) => slot.key !== null);
    rig.host.writes.length = 0;
    await drive(rig.executor, blkCryptoEvictKey(bdev, key));
    expect(slotWrites(rig, slotIndex)).toEqual(WRITE_ORDER.map((dword) => [dword, 0]));
    await drive(rig.executor, hba.close());
  });

  it("[UFS-8] the temporary copy of the key is wiped, also when programming fails", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const engine = hba.crypto!.engine!;
    const [key, bytes] = [makeKey(), keyBytes(1)];
    const copies: Uint8Array[] = [];
    const { set } = Uint8Array.prototype;
    Uint8Array.prototype.set = function (this: Uint8Array, ...args: Parameters<typeof set>) {
      if (this.length === 72) copies.push(this);
      return set.apply(this, args);
    };
    const { write32 } = rig.host;
    try {
      engine.program(0, key, bytes);
      rig.host.write32 = () => {
        throw new Error("the bus has failed");
      };
      expect(() => engine.program(0, key, bytes)).toThrow("the bus has failed");
    } finally {
      Uint8Array.prototype.set = set;
      rig.host.write32 = write32;
    }
    expect(copies).toHaveLength(4);
    for (const copy of copies) expect(copy.every((byte) => byte === 0)).toBe(true);
    await drive(rig.executor, hba.close());
  });
});

describe("commands", () => {
  it("[UFS-12] name slot and DUN in the descriptor; limbs above the first are not sent", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    // The second key's slot is not slot 0.
    const keys = [makeKey(1), makeKey(2)];
    rig.host.commands.length = 0;
    for (const key of keys) {
      const volume = new Volume(bdev, { key, firstDun: 0x0102_0304_0506_0708n - 2n });
      await drive(rig.executor, submit(bdev, ReqOp.WRITE, 2 * 4096, pattern(4096), volume));
    }
    const headers = rig.host.commands.map(({ header }) => [...header]);
    expect(headers.map(([cci]) => cci).sort()).toEqual([0, 1]);
    for (const header of headers) {
      expect(header[2]).toBe(0x80);
      expect(header.slice(4, 8)).toEqual([8, 7, 6, 5]);
      expect(header.slice(12, 16)).toEqual([4, 3, 2, 1]);
    }
    await drive(rig.executor, hba.close());
  });

  it("[UFS-13] without a keyslot, CE, CCI and DUN are zero, also in a slot that was used for encryption", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    for (const { header } of rig.host.commands)
      expect([...header.subarray(0, 3), ...header.subarray(4, 8)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    const volume = new Volume(bdev, { key: makeKey(), firstDun: 2n ** 40n });
    await drive(rig.executor, submit(bdev, ReqOp.WRITE, 0, pattern(4096), volume));
    const encrypted = rig.host.commands.at(-1)!;
    await drive(rig.executor, submit(bdev, ReqOp.WRITE, 0, pattern(4096)));
    const plain = rig.host.commands.at(-1)!;
    expect(plain.slot).toBe(encrypted.slot);
    expect([...plain.header]).toEqual([0, 0, 0, 0x13, 0, 0, 0, 0, 0xf, 0, 0, 0, 0, 0, 0, 0]);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-16] BROKEN_CRYPTO_ENABLE: the core does not set HCE's crypto bit", async () => {
    const rig = cryptoRig();
    const hba = await rig.probe({ variant: { ...ufshciVariant, brokenCryptoEnable: true } });
    expect(rig.host.writesIn(HCE, HCE + 4)).toEqual([[HCE, 1]]);
    expect(hba.cryptoProfile!.slotCount).toBe(2);
    await drive(rig.executor, hba.close());
  });

  it("[UFS-17] CUSTOM_CRYPTO_PROFILE: the core reads no crypto capabilities and touches no slot", async () => {
    const rig = cryptoRig();
    const reads: number[] = [];
    const { read32 } = rig.host;
    rig.host.read32 = (offset) => {
      reads.push(offset);
      return read32.call(rig.host, offset);
    };
    const hba = await rig.probe({ variant: { ...ufshciVariant, makeCryptoProfile: () => null } });
    expect(hba.crypto).toBeNull();
    expect(reads.filter((offset) => offset >= 0x100)).toEqual([]);
    expect(rig.host.writesIn(CONFIG, CONFIG + 256)).toEqual([]);
    await drive(rig.executor, hba.close());
  });
});

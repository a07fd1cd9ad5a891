import { inspect } from "node:util";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const KEY = pattern(64, 3);
const OTHER_KEY = pattern(64, 4);
const PLAIN = pattern(4096);

/** What a write through slot `slot` leaves on the medium; undefined when nothing was written. */
function writeThrough(host: TestHost, slot: number): { ocs: number; stored: Uint8Array } {
  host.medium.data.fill(0xee, 0, 4096);
  const { ocs } = host.scsi({ cdb: cdb.write10(0, 1), dataOut: PLAIN, crypto: { slot, dun: 5n } });
  return { ocs, stored: host.medium.data.slice(0, 4096) };
}

const UNTOUCHED = new Uint8Array(4096).fill(0xee);
const encrypted = (key: Uint8Array): Uint8Array => referenceEncrypt("xts(aes)", key, 4096, 5n, PLAIN);
const refused = (ocs: number) => ({ ocs, stored: UNTOUCHED });

describe("[UFS-21] CRYPTOCFG", () => {
  it("never gives a key back: key dwords read as 0, whether the slot is enabled or not", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    const dwords = () => Array.from({ length: 32 }, (_, dword) => host.read(host.cryptoCfg(0, dword)));
    const zeroes = new Array(32).fill(0);
    expect(dwords()).toEqual(zeroes.with(16, 0x8000_0008));
    host.write(host.cryptoCfg(0, 16), 0);
    expect(dwords()).toEqual(zeroes);
  });

  it("keeps vendor bytes of dword 17; what is reserved reads as 0", () => {
    const host = new TestHost();
    for (let dword = 16; dword < 32; dword++) host.write(host.cryptoCfg(1, dword), 0x7fff_ffff);
    const read = Array.from({ length: 16 }, (_, at) => host.read(host.cryptoCfg(1, 16 + at)));
    expect(read).toEqual([0x0000_ffff, 0x7fff_0000, ...new Array(14).fill(0)]);
  });

  it("is as large as CCAP says", () => {
    const host = new TestHost({ crypto: { keyslots: 3 } }).up();
    expect(hw.parseCcap(host.read(hw.Reg.CCAP)).slotCount).toBe(3);
    host.programKey(2, KEY);
    host.programKey(3, KEY);
    expect(writeThrough(host, 2).ocs).toBe(hw.Ocs.SUCCESS);
    expect(writeThrough(host, 3)).toEqual(refused(hw.Ocs.INVALID_CRYPTO_CONFIG));
  });

  it("shows no key in inspect or JSON", () => {
    const host = new TestHost().up();
    const key = new Uint8Array(64).fill(0xab).fill(0xcd, 32);
    host.programKey(0, key);
    const shown = inspect(host.controller, { depth: 20, showHidden: true, maxArrayLength: null });
    expect(`${shown}${JSON.stringify(host.controller)}`).not.toMatch(/(171|205),? *\n? *(171|205)|abab|cdcd/);
  });
});

describe("[UFS-22] the enable bit latches a slot", () => {
  it("uses the key that was there when dword 16 was written", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    expect(writeThrough(host, 0)).toEqual({ ocs: 0, stored: encrypted(KEY) });
    for (let dword = 0; dword < 16; dword++) host.write(host.cryptoCfg(0, dword), 0x1111_1111 * (dword & 7));
    expect(writeThrough(host, 0), "key dwords of an enabled slot").toEqual({ ocs: 0, stored: encrypted(KEY) });
  });

  it("takes a new key at the next enable", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    host.programKey(0, OTHER_KEY);
    expect(writeThrough(host, 0).stored).toEqual(encrypted(OTHER_KEY));
  });

  it("has no key between disable and enable", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    host.write(host.cryptoCfg(0, 16), 0);
    expect(writeThrough(host, 0)).toEqual(refused(hw.Ocs.INVALID_CRYPTO_CONFIG));
  });

  it("forgets the key area only when it is overwritten: an evicting driver writes zeroes", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    host.write(host.cryptoCfg(0, 16), 0);
    host.write(host.cryptoCfg(0, 16), 0x8000_0008);
    expect(writeThrough(host, 0).stored, "only the enable bit was cleared").toEqual(encrypted(KEY));
    for (let dword = 0; dword < 18; dword++) host.write(host.cryptoCfg(0, dword), 0);
    host.write(host.cryptoCfg(0, 16), 0x8000_0008);
    expect(writeThrough(host, 0).ocs, "an all-zero XTS key is weak").toBe(hw.Ocs.GENERAL_CRYPTO_ERROR);
  });

  it("places the second half of an XTS key at byte 32, byte for byte", () => {
    const host = new TestHost().up();
    const dwords = Array.from({ length: 16 }, (_, dword) => 0x0302_0100 + dword * 0x0404_0404);
    dwords.forEach((value, dword) => {
      host.write(host.cryptoCfg(0, dword), value);
    });
    host.write(host.cryptoCfg(0, 16), 0x8000_0008);
    expect(writeThrough(host, 0).stored).toEqual(encrypted(Uint8Array.from({ length: 64 }, (_, at) => at)));
  });
});

describe("[UFS-23] commands with an invalid crypto configuration end with OCS 9, and nothing is written", () => {
  const invalid = refused(hw.Ocs.INVALID_CRYPTO_CONFIG);

  it("an index out of range", () => {
    expect(writeThrough(new TestHost().up(), 200)).toEqual(invalid);
  });

  it("a slot that was never enabled", () => {
    expect(writeThrough(new TestHost().up(), 1)).toEqual(invalid);
  });

  it("a capability index out of range", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY, { capIndex: 1 });
    expect(writeThrough(host, 0)).toEqual(invalid);
  });

  for (const dataUnitSize of [0, 3, 9, 0xff]) {
    it(`data unit size mask ${dataUnitSize}, which is not one bit`, () => {
      const host = new TestHost().up();
      host.programKey(0, KEY, { dataUnitSize });
      expect(writeThrough(host, 0)).toEqual(invalid);
    });
  }

  it("a data unit size that the capability does not have", () => {
    const caps = [{ algorithm: 0, keySize: 3, dataUnitSizeMask: 8 }];
    const host = new TestHost({ crypto: { caps } }).up();
    host.programKey(0, KEY, { dataUnitSize: 1 });
    expect(writeThrough(host, 0)).toEqual(invalid);
    host.programKey(0, KEY, { dataUnitSize: 8 });
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
  });

  it("a length that is no multiple of the data unit", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY, { dataUnitSize: 0x80 });
    expect(writeThrough(host, 0)).toEqual(invalid);
    const tooLong = { cdb: cdb.write10(0, 1), dataOut: PLAIN, expectedBytes: 65536, crypto: { slot: 0, dun: 0n } };
    expect(host.scsi(tooLong).ocs, "whatever the expected length is").toBe(hw.Ocs.INVALID_CRYPTO_CONFIG);
  });

  it("the engine is not enabled in HCE, or there is none", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    host.write(hw.Reg.HCE, hw.Hce.HCE);
    expect(writeThrough(host, 0)).toEqual(invalid);
    host.write(hw.Reg.HCE, hw.Hce.HCE | hw.Hce.CGE);
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
    expect(writeThrough(new TestHost({ crypto: null }).up(), 0)).toEqual(invalid);
  });

  it("a command whose data is on no medium", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY, { dataUnitSize: 1 });
    const crypto = { slot: 0, dun: 0n };
    expect(host.scsi({ cdb: [0x12, 0, 0, 2, 0], dataInBytes: 512, crypto }).ocs).toBe(hw.Ocs.INVALID_CRYPTO_CONFIG);
    expect(host.scsi({ cdb: [0], crypto }).ocs, "without data there is nothing to encrypt").toBe(hw.Ocs.SUCCESS);
  });

  it("reads get nothing either", () => {
    const host = new TestHost().up();
    const { ocs, data } = host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096, crypto: { slot: 0, dun: 0n } });
    expect(ocs).toBe(hw.Ocs.INVALID_CRYPTO_CONFIG);
    expect(data).toEqual(new Uint8Array(4096));
  });
});

describe("OCS 0xA: a well-formed configuration that the engine cannot work with", () => {
  const general = refused(hw.Ocs.GENERAL_CRYPTO_ERROR);
  const caps = [
    { algorithm: hw.UfsCryptoAlg.AES_ECB, keySize: hw.UfsCryptoKeySize.BITS_256, dataUnitSizeMask: 8 },
    { algorithm: 77, keySize: hw.UfsCryptoKeySize.BITS_256, dataUnitSizeMask: 8 },
    { algorithm: hw.UfsCryptoAlg.AES_XTS, keySize: hw.UfsCryptoKeySize.BITS_512, dataUnitSizeMask: 8 },
    { algorithm: hw.UfsCryptoAlg.AES_XTS, keySize: hw.UfsCryptoKeySize.BITS_256, dataUnitSizeMask: 8 },
  ];

  for (const capIndex of [0, 1, 2]) {
    it(`capability ${capIndex} of those declared`, () => {
      const host = new TestHost({ crypto: { caps } }).up();
      host.programKey(0, KEY, { capIndex });
      expect(writeThrough(host, 0)).toEqual(general);
    });
  }

  it("several capabilities: a slot uses the one it names", () => {
    const host = new TestHost({ crypto: { caps } }).up();
    host.programKey(0, KEY, { capIndex: 3 });
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
  });

  it("a weak key", () => {
    const host = new TestHost().up();
    host.programKey(0, new Uint8Array(64).fill(7));
    expect(writeThrough(host, 0)).toEqual(general);
  });
});

describe("[UFS-25] a host reset clears every keyslot", () => {
  function resetHost(host: TestHost): void {
    host.write(hw.Reg.HCE, 0);
    host.enable();
    host.startLink();
    host.scsi({ cdb: [0] });
  }

  it("so that commands fail until the driver programs its keys again", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    resetHost(host);
    expect(host.read(host.cryptoCfg(0, 16))).toBe(0);
    expect(writeThrough(host, 0)).toEqual(refused(hw.Ocs.INVALID_CRYPTO_CONFIG));
    host.write(host.cryptoCfg(0, 16), 0x8000_0008);
    expect(writeThrough(host, 0), "the key area is wiped too").toEqual(refused(hw.Ocs.GENERAL_CRYPTO_ERROR));
    host.programKey(0, KEY);
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
  });

  it("unless it is told to keep them", () => {
    const host = new TestHost({ resetClearsKeys: false }).up();
    host.programKey(0, KEY);
    resetHost(host);
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
  });

  it("keys programmed before the controller is enabled stay", () => {
    const host = new TestHost();
    host.programKey(0, KEY);
    host.up();
    expect(writeThrough(host, 0).stored).toEqual(encrypted(KEY));
  });

  it("a hibernating link clears them only if told so", () => {
    for (const hibernateClearsKeys of [false, true]) {
      const host = new TestHost({ hibernateClearsKeys }).up();
      host.programKey(0, KEY);
      host.uic(hw.UicCommand.DME_HIBERNATE_ENTER);
      host.uic(hw.UicCommand.DME_HIBERNATE_EXIT);
      expect(writeThrough(host, 0).ocs).toBe(hibernateClearsKeys ? hw.Ocs.INVALID_CRYPTO_CONFIG : hw.Ocs.SUCCESS);
    }
  });

  it("so does switching it off", () => {
    const host = new TestHost({ resetClearsKeys: false }).up();
    host.programKey(0, KEY);
    host.controller[Symbol.dispose]();
    expect(host.read(host.cryptoCfg(0, 16))).toBe(0);
  });
});

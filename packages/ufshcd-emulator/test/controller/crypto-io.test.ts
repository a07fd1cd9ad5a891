import { referenceDecrypt, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { MappedHostMemory } from "../support/host-memory.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const KEY = pattern(64, 3);
const DUN = 0x1_2345_6789n;

describe("[UFS-26] data on the medium is what the software cipher gives", () => {
  const layouts: readonly (readonly [string, readonly number[]])[] = [
    ["one segment", [8192]],
    ["a segment for every data unit", [4096, 4096]],
    ["segments that cut data units", [512, 4, 3580, 4096]],
  ];

  for (const [name, segments] of layouts) {
    it(`writes and reads with ${name}`, () => {
      const host = new TestHost().up();
      host.programKey(2, KEY);
      const plain = pattern(8192);
      const crypto = { slot: 2, dun: DUN };
      expect(host.scsi({ cdb: cdb.write10(5, 2), dataOut: plain, segments, crypto })).toMatchObject({
        ocs: 0,
        status: 0,
      });
      const onMedium = host.medium.data.slice(5 * 4096, 7 * 4096);
      expect(onMedium).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, DUN, plain));
      expect(host.memory.at(host.dataAddress(0), 8192), "the source stays plaintext").toEqual(plain);
      host.memory.at(host.dataAddress(0), 8192).fill(0);
      expect(host.scsi({ cdb: cdb.read10(5, 2), dataInBytes: 8192, segments, crypto }).data).toEqual(plain);
    });
  }

  it("uses host memory in place where it can", () => {
    const memory = new MappedHostMemory(36 << 20);
    const host = new TestHost({ memory }).up();
    host.programKey(0, KEY);
    const plain = pattern(4096);
    host.scsi({ cdb: cdb.write10(0, 1), dataOut: plain, crypto: { slot: 0, dun: 7n } });
    expect(host.medium.data.slice(0, 4096)).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, 7n, plain));
    expect(memory.at(host.dataAddress(0), 4096)).toEqual(plain);
    memory.at(host.dataAddress(0), 4096).fill(0);
    expect(host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096, crypto: { slot: 0, dun: 7n } }).data).toEqual(plain);
  });

  it("takes data units of 512 bytes, each with its own DUN", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY, { dataUnitSize: 1 });
    const plain = pattern(4096);
    host.scsi({ cdb: cdb.write10(0, 1), dataOut: plain, segments: [1000, 3096], crypto: { slot: 0, dun: 9n } });
    expect(host.medium.data.slice(0, 4096)).toEqual(referenceEncrypt("xts(aes)", KEY, 512, 9n, plain));
  });

  it("counts from the low into the high half of the DUN", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    const plain = pattern(8192);
    const dun = 0x5_ffff_ffffn;
    host.scsi({ cdb: cdb.write10(0, 2), dataOut: plain, crypto: { slot: 0, dun } });
    expect(host.medium.data.slice(0, 8192)).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, dun, plain));
  });

  it("wraps the DUN at 64 bits", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    const plain = pattern(8192);
    host.scsi({ cdb: cdb.write10(0, 2), dataOut: plain, crypto: { slot: 0, dun: 0xffff_ffff_ffff_ffffn } });
    expect(host.medium.data.slice(0, 4096)).toEqual(
      referenceEncrypt("xts(aes)", KEY, 4096, 0xffff_ffff_ffff_ffffn, plain.subarray(0, 4096)),
    );
    expect(host.medium.data.slice(4096, 8192)).toEqual(
      referenceEncrypt("xts(aes)", KEY, 4096, 0n, plain.subarray(4096)),
    );
  });

  it("goes on with the right DUN after half a megabyte", () => {
    const host = new TestHost().up();
    host.programKey(0, KEY);
    const plain = pattern(0x9_0000);
    host.scsi({
      cdb: cdb.write10(0, 0x90),
      dataOut: plain,
      segments: [0x4_0000, 0x4_0000, 0x1_0000],
      crypto: { slot: 0, dun: DUN },
    });
    const lastUnit = host.medium.data.slice(0x8_f000, 0x9_0000);
    expect(referenceDecrypt("xts(aes)", KEY, 4096, DUN + 0x8fn, lastUnit)).toEqual(plain.slice(0x8_f000));
    expect(
      host.scsi({ cdb: cdb.read10(0x80, 0x10), dataInBytes: 0x1_0000, crypto: { slot: 0, dun: DUN + 0x80n } }).data,
    ).toEqual(plain.slice(0x8_0000));
  });

  it("keeps the keys of two slots, and unencrypted data, apart", () => {
    const host = new TestHost().up();
    const other = pattern(64, 9);
    host.programKey(0, KEY);
    host.programKey(1, other);
    const plain = pattern(4096);
    host.scsi({ cdb: cdb.write10(0, 1), dataOut: plain, crypto: { slot: 0, dun: 1n } });
    host.scsi({ cdb: cdb.write10(1, 1), dataOut: plain, crypto: { slot: 1, dun: 1n } });
    host.scsi({ cdb: cdb.write10(2, 1), dataOut: plain });
    expect(host.medium.data.slice(0, 4096)).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, 1n, plain));
    expect(host.medium.data.slice(4096, 8192)).toEqual(referenceEncrypt("xts(aes)", other, 4096, 1n, plain));
    expect(host.medium.data.slice(8192, 12288)).toEqual(plain);
  });
});

describe("the fields of a UTRD", () => {
  it("are where the hardware looks for them: bytes written by hand", () => {
    const host = new TestHost().up();
    host.programKey(3, KEY);
    host.prepareScsi({ cdb: cdb.write10(0, 1), dataOut: pattern(4096), segments: [4096] });
    const utrd = host.memory.at(host.utrdAddress(0), hw.UTRD_BYTES);
    utrd[0] = 3; // CCI
    utrd[2] = 0x80; // CE
    utrd.set([0x44, 0x33, 0x22, 0x11], 4); // DUNL
    utrd.set([0x88, 0x77, 0x66, 0x55], 12); // DUNU
    host.ring(0);
    expect(host.answer(0).ocs).toBe(0);
    expect(host.medium.data.slice(0, 4096)).toEqual(
      referenceEncrypt("xts(aes)", KEY, 4096, 0x5566_7788_1122_3344n, pattern(4096)),
    );
  });
});

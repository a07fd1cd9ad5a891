import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HeldMedium } from "../support/held-medium.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const KEY = pattern(64, 3);
const crypto = { slot: 0, dun: 6n };

function slowHost(): { host: TestHost; medium: HeldMedium } {
  const medium = new HeldMedium(4 << 20);
  const host = new TestHost({ medium }).up();
  host.programKey(0, KEY);
  return { host, medium };
}

describe("a medium that takes its time", () => {
  it("gets ciphertext, and gives it back to be decrypted", () => {
    const { host, medium } = slowHost();
    const plain = pattern(8192);
    host.scsi({ cdb: cdb.write10(0, 2), dataOut: plain, segments: [4000, 4192], crypto });
    expect([host.isPending(0), medium.waiting[0]?.bytes]).toEqual([true, 8192]);
    medium.release();
    expect(host.answer(0)).toMatchObject({ ocs: 0, status: 0, residual: 0 });
    expect(medium.memory.data.slice(0, 8192)).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, 6n, plain));
    host.memory.at(host.dataAddress(0), 8192).fill(0);
    host.scsi({ cdb: cdb.read10(0, 2), dataInBytes: 8192, crypto });
    medium.release();
    expect(host.answer(0, 8192).data).toEqual(plain);
  });

  it("gets large commands in pieces of half a megabyte", () => {
    const { host, medium } = slowHost();
    const plain = pattern(0xc_0000);
    host.scsi({ cdb: cdb.write10(0, 0xc0), dataOut: plain, segments: [0x4_0000, 0x4_0000, 0x4_0000] });
    expect(medium.waiting.map(({ bytes }) => bytes)).toEqual([0x8_0000]);
    medium.release();
    expect(medium.waiting.map(({ bytes }) => bytes)).toEqual([0x4_0000]);
    medium.release();
    expect(host.answer(0)).toMatchObject({ ocs: 0, residual: 0 });
    expect(Buffer.compare(medium.memory.data.subarray(0, 0xc_0000), plain)).toBe(0);
  });

  it("ends commands in any order", () => {
    const { host, medium } = slowHost();
    for (const index of [0, 1]) host.prepareScsi({ index, cdb: cdb.read10(index, 1), dataInBytes: 4096 });
    host.ring(0, 1);
    medium.waiting.reverse();
    medium.release();
    expect([host.isPending(0), host.isPending(1)]).toEqual([true, false]);
    medium.release();
    expect(host.isPending(0)).toBe(false);
  });

  for (const [name, change] of [
    ["cleared", (host: TestHost) => host.write(host.cryptoCfg(0, 16), 0)],
    ["programmed anew", (host: TestHost) => host.programKey(0, pattern(64, 9))],
  ] as const) {
    it(`a slot ${name} during a read ends it with OCS 0xA, without data`, () => {
      const { host, medium } = slowHost();
      host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096, crypto });
      change(host);
      medium.release();
      expect(host.answer(0).ocs).toBe(hw.Ocs.GENERAL_CRYPTO_ERROR);
      expect(host.answer(0, 4096).data).toEqual(new Uint8Array(4096));
    });
  }

  for (const [name, breakDown] of [
    [
      "a command",
      (host: TestHost) => {
        host.controller.faults.add({ kind: "controllerFatal" });
        host.scsi({ index: 1, cdb: [0] });
      },
    ],
    [
      "a task-management list outside memory",
      (host: TestHost) => {
        host.write(hw.Reg.UTMRLBA, 0);
        host.write(hw.Reg.UTMRLDBR, 1);
        host.clock.settle();
      },
    ],
  ] as const) {
    it(`what was under way when the controller broke, by ${name}, does not complete`, () => {
      const { host, medium } = slowHost();
      medium.memory.data.fill(9);
      host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 });
      breakDown(host);
      host.takeInterrupts();
      medium.release();
      expect([host.isPending(0), host.answer(0).ocs, host.takeInterrupts()]).toEqual([true, 0xf, 0]);
      expect(host.answer(0, 4096).data).toEqual(new Uint8Array(4096));
    });
  }

  for (const [name, command, bytes] of [
    ["read", { cdb: cdb.read10(0, 64), dataInBytes: 0x4_0000 }, 1024],
    ["write", { cdb: cdb.write10(0, 256), dataOut: new Uint8Array(0x10_0000) }, 4096],
  ] as const) {
    it(`a PRDT that shrinks during a ${name} ends it with OCS 2`, () => {
      const { host, medium } = slowHost();
      host.scsi({ ...command, segments: new Array(256).fill(bytes) });
      const prdt = host.memory.at(host.commandAddress(0) + 0x400, 256 * hw.PRDT_ENTRY_BYTES);
      for (let entry = 64; entry < 256; entry++) hw.writeU32Le(prdt, entry * hw.PRDT_ENTRY_BYTES + 12, 3);
      medium.release();
      expect(host.answer(0).ocs).toBe(hw.Ocs.INVALID_PRDT_ATTR);
    });
  }

  it("a PRDT with keys, one of whose entries shrinks below what was used of it, ends a write with OCS 2", () => {
    const medium = new HeldMedium(4 << 20);
    const host = new TestHost({ medium, crypto: null, keysInPrdt: { engine: createNodeEngine() } }).up();
    const sizes = [0x3_0000, 0x3_0000, 0x4_0000, 0x4_0000, 0x4_0000];
    host.prepareScsi({ cdb: cdb.write10(0, 0xc0), dataOut: new Uint8Array(0xc_0000), segments: sizes.map(() => 4) });
    const prdt = host.memory.at(host.commandAddress(0) + 0x400, sizes.length * hw.FMP_PRDT_ENTRY_BYTES);
    prdt.fill(0);
    sizes.forEach((bytes, index) => {
      hw.buildPrdtEntry(prdt, index * hw.FMP_PRDT_ENTRY_BYTES, host.dataAddress(index), bytes);
    });
    host.ring(0);
    hw.buildPrdtEntry(prdt, 2 * hw.FMP_PRDT_ENTRY_BYTES, host.dataAddress(2), 0x1_0000);
    medium.release();
    expect(medium.waiting).toEqual([]);
    expect(host.answer(0).ocs).toBe(hw.Ocs.INVALID_PRDT_ATTR);
  });

  it("that calls back twice does no harm", () => {
    const { host, medium } = slowHost();
    host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 });
    const { end } = medium.waiting[0]!;
    end(true);
    end(false);
    expect(host.answer(0).ocs).toBe(0);
  });

  it("nothing that was under way at a host reset touches memory or completes", () => {
    const { host, medium } = slowHost();
    medium.memory.data.fill(9);
    host.prepareScsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 });
    host.ring(0);
    host.write(hw.Reg.HCE, 0);
    medium.release();
    const { data, ocs } = host.answer(0, 4096);
    expect(ocs).toBe(hw.Ocs.INVALID_COMMAND_STATUS);
    expect(data).toEqual(new Uint8Array(4096));
    host.up();
    expect(host.scsi({ cdb: [0] }).ocs).toBe(0);
  });
});

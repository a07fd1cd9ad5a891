import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";

/** Bytes from hex, blanks ignored. */
function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

describe("table 2.7: UTRD", () => {
  const utrd: hw.Utrd = {
    cryptoConfigIndex: 0x1f,
    cryptoEnable: true,
    commandType: 1,
    dataDirection: hw.DataDirection.HOST_TO_DEVICE,
    interrupt: true,
    dunLow: 0x1122_3344,
    dunHigh: 0x5566_7788,
    ocs: hw.Ocs.INVALID_COMMAND_STATUS,
    commandDescBase: 0x1_2345_6780,
    responseOffsetBytes: 0x200,
    responseBytes: 0x200,
    prdtOffsetBytes: 0x400,
    prdtEntries: 3,
  };
  const bytes = hex("1f 00 80 13 44332211 0f000000 88776655 80674523 01000000 8000 8000 0300 0001");

  it("is written as the kernel writes it", () => {
    const made = new Uint8Array(hw.UTRD_BYTES).fill(0xee);
    hw.buildUtrd(made, 0, utrd);
    expect(made).toEqual(bytes);
  });

  it("is read back", () => {
    const parsed = hw.newUtrd();
    hw.parseUtrd(bytes, 0, parsed);
    expect(parsed).toEqual(utrd);
  });

  it("has its OCS in byte 8 of each list entry", () => {
    expect(hw.utrdOcsOffset(3)).toBe(3 * 32 + 8);
  });
});

describe("PRDT", () => {
  it("holds address, reserved dword, and the number of bytes minus one", () => {
    const made = new Uint8Array(32);
    hw.buildPrdtEntry(made, 16, 0x2_0000_1000, 4096);
    expect(made.subarray(16)).toEqual(hex("00100000 02000000 00000000 ff0f0000"));
    expect(hw.prdtAddress(made, 16)).toBe(0x2_0000_1000);
    expect(hw.prdtBytes(made, 16)).toBe(4096);
  });

  it("describes at most 256 KiB in 18 bits; bits above are ignored", () => {
    expect(hw.prdtBytes(hex("00000000 00000000 00000000 ffffffff"), 0)).toBe(hw.PRDT_DATA_BYTE_COUNT_MAX);
  });
});

describe("UPIUs", () => {
  it("COMMAND: header, expected length and CDB, big-endian", () => {
    const made = new Uint8Array(hw.UPIU_BYTES);
    const header = { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.COMMAND, flags: 0x40, lun: 2, taskTag: 5 };
    hw.buildUpiuHeader(made, 0, header);
    hw.buildCommandFields(made, 0, 0x1_2000, Uint8Array.of(0x28, 0, 1, 2, 3, 4, 0, 0, 0x12, 0));
    expect(made).toEqual(hex("01400205 00000000 00000000 00012000 28000102 03040000 12000000 00000000"));
    expect(hw.commandExpectedBytes(made, 0)).toBe(0x1_2000);
    expect([...hw.commandCdb(made, 0)].slice(0, 6)).toEqual([0x28, 0, 1, 2, 3, 4]);
  });

  it("RESPONSE: residual and sense data, whose length comes first", () => {
    const made = new Uint8Array(64);
    const sense = hex("70000500 0000000a 00000000 24000000 0000");
    const dataSegmentBytes = hw.buildResponseFields(made, 0, 512, sense);
    expect(dataSegmentBytes).toBe(20);
    expect(made.subarray(12, 52)).toEqual(
      hex(`00000200 00000000 00000000 00000000 00000000 0012 ${Buffer.from(sense).toString("hex")}`),
    );
    expect(hw.responseResidualBytes(made, 0)).toBe(512);
    expect(hw.responseSense(made, 0, dataSegmentBytes)).toEqual(sense);
  });

  it("RESPONSE: sense data never reaches beyond its data segment", () => {
    const made = new Uint8Array(64).fill(0xff);
    expect(hw.responseSense(made, 0, 6)).toHaveLength(4);
    expect(hw.responseSense(made, 0, 0)).toHaveLength(0);
    expect(hw.responseSense(made.subarray(0, 32), 0, 20)).toHaveLength(0);
  });

  it("QUERY: opcode, identifier, index, selector, length, value", () => {
    const made = new Uint8Array(hw.UPIU_BYTES);
    const fields = { opcode: 4, idn: 0x0d, index: 1, selector: 2, bytes: 0x1234, value: 0x5678_9abc };
    hw.buildQueryFields(made, 0, fields);
    expect(made.subarray(12)).toEqual(hex("040d0102 0000 1234 56789abc 00000000 00000000"));
    const parsed = hw.newQueryFields();
    hw.parseQueryFields(made, 0, parsed);
    expect(parsed).toEqual(fields);
  });

  it("a header's data segment length is in bytes 10 and 11", () => {
    const header = hw.newUpiuHeader();
    hw.parseUpiuHeader(hex("76ffeedd c1b2a398 00001234"), 0, header);
    expect(header).toEqual({
      transaction: 0x36,
      flags: 0xff,
      lun: 0xee,
      taskTag: 0xdd,
      commandSetType: 1,
      func: 0xb2,
      response: 0xa3,
      status: 0x98,
      dataSegmentBytes: 0x1234,
    });
  });
});

describe("UTMRD", () => {
  it("holds header, request UPIU and response UPIU", () => {
    const made = new Uint8Array(hw.UTMRD_BYTES);
    const request = { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.TASK_REQ, func: 0x80, lun: 3, taskTag: 1 };
    hw.buildUtmrd(made, 0, { interrupt: true, ocs: 0xf, request, lun: 3, taskTag: 9 });
    expect(made.subarray(0, 48)).toEqual(
      hex("00000001 00000000 0f000000 00000000 04000301 00800000 00000000 00000003 00000009 000000000000000000000000"),
    );
    hw.buildUtmrdResponse(made, 0, request, 0, hw.TaskResponse.FUNC_SUCCEEDED);
    expect(made[8]).toBe(0);
    expect(made.subarray(48, 64)).toEqual(hex("24000301 00800000 00000000 00000008"));
    expect(hw.utmrdServiceResponse(made, 0)).toBe(8);
  });
});

describe("tables 2.5 and 2.6: the crypto registers", () => {
  it("CCAP: entries, slots minus one, CFGPTR in units of 0x100", () => {
    const ccap = { capCount: 2, slotCount: 32, configOffsetBytes: 0x1000 };
    expect(hw.buildCcap(ccap)).toBe(0x1000_1f02);
    expect(hw.parseCcap(0x1000_1f02)).toEqual(ccap);
  });

  it("CRYPTOCAP: algorithm, data unit sizes, key size", () => {
    const cap = {
      algorithm: hw.UfsCryptoAlg.ESSIV_AES_CBC,
      dataUnitSizeMask: 0x09,
      keySize: hw.UfsCryptoKeySize.BITS_128,
    };
    expect(hw.buildCryptoCap(cap)).toBe(0x0001_0903);
    expect(hw.parseCryptoCap(0xff01_0903)).toEqual(cap);
  });

  it("CRYPTOCFG: an entry of 128 bytes, configured by dword 16", () => {
    expect(hw.CRYPTOCFG_ENTRY_BYTES).toBe(128);
    const config = { dataUnitSize: 8, capIndex: 3, enable: true };
    expect(hw.buildCryptoConfig(config)).toBe(0x8000_0308);
    expect(hw.parseCryptoConfig(0x8000_0308)).toEqual(config);
    expect(hw.CRYPTOCFG_XTS_SECOND_HALF_AT).toBe(32);
  });
});

it("whatever is built is read back", () => {
  const byte = fc.nat(0xff);
  const dword = fc.nat(0xffff_ffff);
  const length = fc.nat(0xffff).map((dwords) => dwords * 4);
  const utrds = fc.record({
    cryptoConfigIndex: byte,
    cryptoEnable: fc.boolean(),
    commandType: fc.nat(15),
    dataDirection: fc.nat(3),
    interrupt: fc.boolean(),
    dunLow: dword,
    dunHigh: dword,
    ocs: fc.nat(15),
    commandDescBase: fc.maxSafeNat(),
    responseOffsetBytes: length,
    responseBytes: length,
    prdtOffsetBytes: length,
    prdtEntries: fc.nat(0xffff),
  });
  fc.assert(
    fc.property(utrds, (utrd) => {
      const made = new Uint8Array(hw.UTRD_BYTES);
      hw.buildUtrd(made, 0, utrd);
      const parsed = hw.newUtrd();
      hw.parseUtrd(made, 0, parsed);
      expect(parsed).toEqual(utrd);
    }),
    { numRuns: 500, seed: 1 },
  );
});

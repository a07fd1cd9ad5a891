import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { TestHost } from "../support/test-host.js";

const { AttributeIdn, DescriptorIdn, FlagIdn, QueryOpcode, QueryResult, WellKnownLun } = hw;
const { STANDARD_READ_REQUEST: READ, STANDARD_WRITE_REQUEST: WRITE } = hw.QueryFunction;

function host(): TestHost {
  const media = [{ medium: new MemoryMedium(4 << 20) }, { medium: new MemoryMedium(8192), readOnly: true }];
  return new TestHost({ logicalUnits: media, identity: { manufacturer: "ACME", serial: "S1" } }).up();
}

describe("descriptors", () => {
  const lengths: readonly (readonly [string, number, number, number])[] = [
    ["device", DescriptorIdn.DEVICE, 0, 0x59],
    ["configuration", DescriptorIdn.CONFIGURATION, 0, 0xe6],
    ["unit", DescriptorIdn.UNIT, 0, 0x2d],
    ["RPMB unit", DescriptorIdn.UNIT, WellKnownLun.RPMB, 0x23],
    ["interconnect", DescriptorIdn.INTERCONNECT, 0, 0x06],
    ["geometry", DescriptorIdn.GEOMETRY, 0, 0x57],
    ["power", DescriptorIdn.POWER, 0, 0x62],
    ["health", DescriptorIdn.HEALTH, 0, 0x25],
    ["manufacturer string", DescriptorIdn.STRING, 1, 10],
    ["serial number string", DescriptorIdn.STRING, 3, 6],
  ];
  for (const [name, idn, index, bytes] of lengths) {
    it(`${name}: ${bytes} bytes, which begin with length and type`, () => {
      const { result, data, fields } = host().readDescriptor(idn, index);
      expect(result).toBe(QueryResult.SUCCESS);
      expect([data.length, fields.bytes, data[0], data[1]]).toEqual([bytes, bytes, bytes, idn]);
    });
  }

  it("give as much as was asked for", () => {
    const { data, fields } = host().readDescriptor(DescriptorIdn.DEVICE, 0, 2);
    expect([[...data], fields.bytes]).toEqual([[0x59, 0], 2]);
    expect(host().readDescriptor(DescriptorIdn.DEVICE, 0, 0).data).toHaveLength(0);
  });

  it("the device: units, specification, strings, queue depth", () => {
    const { data } = host().readDescriptor(DescriptorIdn.DEVICE);
    expect([data[6], data[7], hw.readU16Be(data, 0x10), data[0x21]]).toEqual([2, 4, 0x0310, 32]);
    expect([...data.slice(0x14, 0x18), data[0x2a]]).toEqual([1, 2, 3, 4, 5]);
  });

  it("strings have what counts of a name, however long it is and however much is asked for", () => {
    const identity = { manufacturer: "M".repeat(300), product: "P".repeat(300), revision: "R".repeat(300) };
    const made = new TestHost({ identity }).up();
    const texts = [1, 2, 4, 5].map((index) => {
      const { data } = made.query(READ, {
        opcode: QueryOpcode.READ_DESC,
        idn: DescriptorIdn.STRING,
        index,
        bytes: 0xffff,
      });
      expect(data[0]).toBe(data.length);
      return Buffer.from(data.subarray(2)).swap16().toString("utf16le");
    });
    expect(texts).toEqual(["M".repeat(8), "P".repeat(16), "M".repeat(8), "R".repeat(4)]);
  });

  it("strings are UTF-16 big-endian", () => {
    const { data } = host().readDescriptor(DescriptorIdn.STRING, 1);
    expect([...data.slice(2)]).toEqual([0, 0x41, 0, 0x43, 0, 0x4d, 0, 0x45]);
  });

  it("units: number, enabled, write protection, block size and count", () => {
    const read = (index: number) => host().readDescriptor(DescriptorIdn.UNIT, index).data;
    const facts = (data: Uint8Array) => [data[2], data[3], data[5], data[0x0a], hw.readU64Be(data, 0x0b)];
    expect([facts(read(0)), facts(read(1))]).toEqual([
      [0, 1, 0, 12, 1024],
      [1, 1, 2, 12, 2],
    ]);
  });

  it("geometry: capacity in sectors, smallest block", () => {
    const { data } = host().readDescriptor(DescriptorIdn.GEOMETRY);
    expect([hw.readU64Be(data, 4), data[0x12], data[0x0c]]).toEqual([8208, 8, 0]);
  });

  it("configuration: eight units in each of four", () => {
    const entries = (index: number) => {
      const { data } = host().readDescriptor(DescriptorIdn.CONFIGURATION, index);
      return Array.from({ length: 8 }, (_, unit) => data[0x16 + unit * 0x1a]);
    };
    expect(entries(0)).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
    expect(entries(3)).toEqual(new Array(8).fill(0));
  });

  it("what is not there", () => {
    const read = (idn: number, index: number) => host().readDescriptor(idn, index).result;
    expect([read(3, 0), read(6, 0), read(0xff, 0)]).toEqual(new Array(3).fill(QueryResult.INVALID_IDN));
    expect([
      read(DescriptorIdn.DEVICE, 1),
      read(DescriptorIdn.UNIT, 2),
      read(DescriptorIdn.UNIT, WellKnownLun.BOOT),
      read(DescriptorIdn.STRING, 0),
      read(DescriptorIdn.STRING, 6),
      read(DescriptorIdn.CONFIGURATION, 4),
    ]).toEqual(new Array(6).fill(QueryResult.INVALID_INDEX));
  });

  it("cannot be written", () => {
    const { result } = host().query(WRITE, { opcode: QueryOpcode.WRITE_DESC, idn: DescriptorIdn.CONFIGURATION });
    expect(result).toBe(QueryResult.NOT_WRITEABLE);
  });
});

describe("attributes", () => {
  const read = (made: TestHost, idn: number) => made.query(READ, { opcode: QueryOpcode.READ_ATTR, idn });
  const write = (made: TestHost, idn: number, value: number) =>
    made.query(WRITE, { opcode: QueryOpcode.WRITE_ATTR, idn, value }).result;

  it("keep what was written", () => {
    const made = host();
    expect(write(made, AttributeIdn.ACTIVE_ICC_LVL, 15)).toBe(QueryResult.SUCCESS);
    expect(write(made, AttributeIdn.SECONDS_PASSED, 0xffff_fffe)).toBe(QueryResult.SUCCESS);
    expect(read(made, AttributeIdn.ACTIVE_ICC_LVL)).toMatchObject({ result: 0, fields: { value: 15 } });
    expect(read(made, AttributeIdn.SECONDS_PASSED).fields.value).toBe(0xffff_fffe);
  });

  it("refuse values out of range, writes of what is read-only, and unknown numbers", () => {
    const made = host();
    expect(write(made, AttributeIdn.ACTIVE_ICC_LVL, 16)).toBe(QueryResult.INVALID_VALUE);
    expect(write(made, AttributeIdn.POWER_MODE, 0x11)).toBe(QueryResult.NOT_WRITEABLE);
    expect(write(made, 0xee, 0)).toBe(QueryResult.INVALID_IDN);
    expect(read(made, 0xee).result).toBe(QueryResult.INVALID_IDN);
  });

  it("some live through a reset of the device", () => {
    const made = host();
    write(made, AttributeIdn.REF_CLK_FREQ, 2);
    write(made, AttributeIdn.ACTIVE_ICC_LVL, 9);
    made.uic(hw.UicCommand.DME_LINKSTARTUP);
    expect(read(made, AttributeIdn.REF_CLK_FREQ).fields.value).toBe(2);
    expect(read(made, AttributeIdn.ACTIVE_ICC_LVL).fields.value).toBe(0);
  });
});

describe("flags", () => {
  const read = (made: TestHost, idn: number) => made.query(READ, { opcode: QueryOpcode.READ_FLAG, idn });
  const change = (made: TestHost, opcode: number, idn: number) => made.query(WRITE, { opcode, idn });

  it("are set, cleared and toggled; the answer has the new value", () => {
    const made = host();
    const idn = FlagIdn.BKOPS_EN;
    expect(read(made, idn).fields.value).toBe(1);
    expect(change(made, QueryOpcode.CLEAR_FLAG, idn).fields.value).toBe(0);
    expect(change(made, QueryOpcode.TOGGLE_FLAG, idn).fields.value).toBe(1);
    expect(change(made, QueryOpcode.TOGGLE_FLAG, idn).fields.value).toBe(0);
    expect(change(made, QueryOpcode.SET_FLAG, idn).fields.value).toBe(1);
    expect(read(made, idn).fields.value).toBe(1);
  });

  it("some cannot be changed, or not be cleared; others are not there", () => {
    const made = host();
    expect(change(made, QueryOpcode.SET_FLAG, FlagIdn.PERMANENT_WPE).result).toBe(QueryResult.NOT_WRITEABLE);
    expect(change(made, QueryOpcode.CLEAR_FLAG, FlagIdn.FDEVICEINIT).result).toBe(QueryResult.NOT_WRITEABLE);
    expect(change(made, QueryOpcode.SET_FLAG, 0x77).result).toBe(QueryResult.INVALID_IDN);
    expect(read(made, 0x77).result).toBe(QueryResult.INVALID_IDN);
  });

  it("fDeviceInit leaves no timer behind when the controller goes", () => {
    const made = host();
    change(made, QueryOpcode.SET_FLAG, FlagIdn.FDEVICEINIT);
    change(made, QueryOpcode.SET_FLAG, FlagIdn.FDEVICEINIT);
    expect(made.clock.executor.isIdle).toBe(false);
    made.controller[Symbol.dispose]();
    expect(made.clock.executor.isIdle).toBe(true);
  });
});

describe("opcodes", () => {
  it("must fit the query function, and be known", () => {
    const made = host();
    expect(made.query(WRITE, { opcode: QueryOpcode.READ_ATTR, idn: 2 }).result).toBe(QueryResult.INVALID_OPCODE);
    expect(made.query(READ, { opcode: QueryOpcode.SET_FLAG, idn: 1 }).result).toBe(QueryResult.INVALID_OPCODE);
    expect(made.query(0x55, { opcode: QueryOpcode.NOP }).result).toBe(QueryResult.INVALID_OPCODE);
    expect(made.query(READ, { opcode: 0x0f }).result).toBe(QueryResult.INVALID_OPCODE);
    expect(made.query(READ, { opcode: QueryOpcode.NOP }).result).toBe(QueryResult.SUCCESS);
  });

  it("the answer repeats what was asked, and its tag", () => {
    const answer = host().query(READ, { opcode: QueryOpcode.READ_ATTR, idn: 2, index: 1, selector: 3 });
    expect(answer.fields).toMatchObject({ opcode: 3, idn: 2, index: 1, selector: 3 });
    expect(answer.ocs).toBe(0);
  });
});

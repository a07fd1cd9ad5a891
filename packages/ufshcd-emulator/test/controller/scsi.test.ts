import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HeldMedium } from "../support/held-medium.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const { ScsiOp, Sense, WellKnownLun } = hw;
const IDENTITY = { manufacturer: "ACME", product: "Test disk", revision: "12", serial: "SN-42" };
const WELL_KNOWN = Object.values(WellKnownLun);

function host(): TestHost {
  return new TestHost({ identity: IDENTITY }).up();
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** A CDB of `bytes` bytes with some of them set. */
function cdbOf(bytes: number, ...values: readonly (readonly [number, number])[]): number[] {
  const made = new Array<number>(bytes).fill(0);
  for (const [at, value] of values) made[at] = value;
  return made;
}

describe("INQUIRY", () => {
  const inquiry = (page: number | undefined, bytes: number, lun = 0) =>
    host().scsi({ lun, cdb: [0x12, page === undefined ? 0 : 1, page ?? 0, 0, bytes, 0], dataInBytes: bytes });

  it("standard data: type, version, identity", () => {
    const { data, residual } = inquiry(undefined, 36);
    expect([...data.slice(0, 8)]).toEqual([0x00, 0, 6, 2, 31, 0, 0, 2]);
    expect(text(data.slice(8))).toBe("ACME    Test disk       12  ");
    expect(residual).toBe(0);
  });

  it("gives no more than the allocation length, and reports what is missing as residual", () => {
    expect([...inquiry(undefined, 8).data]).toEqual([0x00, 0, 6, 2, 31, 0, 0, 2]);
    expect(inquiry(undefined, 252).residual).toBe(216);
  });

  it("well-known logical units have type 0x1E", () => {
    for (const lun of WELL_KNOWN) expect(inquiry(undefined, 36, lun).data[0]).toBe(0x1e);
  });

  it("a unit that is not there has qualifier 3 and type 0x1F", () => {
    expect(inquiry(undefined, 36, 5).data[0]).toBe(0x7f);
    expect(inquiry(undefined, 36, 0x80).data[0]).toBe(0x7f);
  });

  it("page 0 lists the pages, each of which is there", () => {
    const pages = [...inquiry(0, 10).data.slice(4)];
    expect(pages).toEqual([0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
    for (const page of pages) expect(inquiry(page, 64)).toMatchObject({ status: 0 });
    expect([...inquiry(0, 7, WellKnownLun.BOOT).data.slice(3)]).toEqual([3, 0x00, 0x80, 0x83]);
  });

  it("page 0x80 is the serial number, 0x83 names the unit", () => {
    expect(text(inquiry(0x80, 9).data)).toBe("\x00\x80\x00\x05SN-42");
    const { data } = inquiry(0x83, 28);
    expect([...data.slice(0, 8)]).toEqual([0, 0x83, 0, 20, 2, 1, 0, 16]);
    expect(text(data.slice(8, 24))).toBe("ACME    SN-42-00");
  });

  it("page 0xB0 has the UNMAP limits, 0xB1 no rotation, 0xB2 thin provisioning", () => {
    const limits = inquiry(0xb0, 64).data;
    expect([hw.readU16Be(limits, 2), hw.readU32Be(limits, 20), hw.readU32Be(limits, 24)]).toEqual([60, 0xffff_ffff, 8]);
    expect([...inquiry(0xb1, 6).data.slice(2)]).toEqual([0, 60, 0, 1]);
    expect([...inquiry(0xb2, 8).data.slice(2)]).toEqual([0, 4, 0, 0x84, 2, 0]);
  });

  it("refuses other pages, and a page without EVPD", () => {
    expect(inquiry(0xb9, 64).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
    expect(inquiry(0xb0, 64, WellKnownLun.RPMB).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
    expect(host().scsi({ cdb: [0x12, 0, 0x80, 0, 36, 0], dataInBytes: 36 }).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });
});

describe("REPORT LUNS", () => {
  const report = (lun: number, select: number) => {
    const many = new TestHost({ logicalUnits: [1, 2, 3].map(() => ({ medium: new MemoryMedium(8192) })) }).up();
    return many.scsi({ lun, cdb: cdbOf(12, [0, 0xa0], [2, select], [9, 128]), dataInBytes: 128 });
  };
  const luns = (data: Uint8Array) =>
    Array.from({ length: hw.readU32Be(data, 0) / 8 }, (_, index) => hw.readU16Be(data, 8 + 8 * index));

  it("lists normal units, well-known ones, or all", () => {
    for (const lun of [0, WellKnownLun.REPORT_LUNS]) {
      expect(luns(report(lun, 0).data)).toEqual([0, 1, 2]);
      expect(luns(report(lun, 1).data)).toEqual([0xc101, 0xc150, 0xc130, 0xc144]);
      expect(luns(report(lun, 2).data)).toHaveLength(7);
    }
  });

  it("refuses other choices, and other well-known units", () => {
    expect(report(0, 3).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
    expect(report(WellKnownLun.BOOT, 0).sense).toBe(Sense.INVALID_COMMAND_OPERATION_CODE);
    const short = host().scsi({ cdb: cdbOf(12, [0, 0xa0], [9, 15]), dataInBytes: 16 });
    expect(short.sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });
});

describe("unit attention", () => {
  function fresh(): TestHost {
    const made = new TestHost();
    made.enable();
    made.startLink();
    return made;
  }

  it("after power-on is told once, to every unit", () => {
    const made = fresh();
    for (const lun of [0, ...WELL_KNOWN]) {
      const first = made.scsi({ lun, cdb: [0] });
      expect(first).toMatchObject({ status: hw.ScsiStatus.CHECK_CONDITION, sense: Sense.POWER_ON_OR_RESET });
      expect(made.scsi({ lun, cdb: [0] }).status).toBe(0);
    }
  });

  it("is not told by INQUIRY and REPORT LUNS, and stays for the next command", () => {
    const made = fresh();
    expect(made.scsi({ cdb: [0x12, 0, 0, 0, 36, 0], dataInBytes: 36 }).status).toBe(0);
    expect(made.scsi({ cdb: cdbOf(12, [0, 0xa0], [9, 16]), dataInBytes: 16 }).status).toBe(0);
    expect(made.scsi({ cdb: [0] }).sense).toBe(Sense.POWER_ON_OR_RESET);
  });

  it("is the data of REQUEST SENSE, and over then", () => {
    const made = fresh();
    const sense = () => [...made.scsi({ cdb: [3, 0, 0, 0, 18, 0], dataInBytes: 18 }).data];
    expect(sense()).toEqual([0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0]);
    expect(sense()).toEqual([0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(made.scsi({ cdb: [3, 1, 0, 0, 18, 0], dataInBytes: 18 }).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });

  it("sense data has nothing of an earlier command in it", () => {
    const made = host();
    made.scsi({ cdb: [0x12, 0, 0, 0, 36, 0], dataInBytes: 36 });
    const { data } = made.scsi({ cdb: [3, 0, 0, 0, 18, 0], dataInBytes: 18 });
    expect([...data]).toEqual([0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("comes back after a host reset and a new link", () => {
    const made = host();
    made.write(hw.Reg.HCE, 0);
    made.enable();
    made.startLink();
    expect(made.scsi({ cdb: [0] }).sense).toBe(Sense.POWER_ON_OR_RESET);
  });
});

describe("READ CAPACITY", () => {
  it("(10) and (16) give last block and block size; (16) thin provisioning", () => {
    const ten = host().scsi({ cdb: cdbOf(10, [0, 0x25]), dataInBytes: 8 }).data;
    expect([hw.readU32Be(ten, 0), hw.readU32Be(ten, 4)]).toEqual([1023, 4096]);
    const sixteen = host().scsi({ cdb: cdbOf(16, [0, 0x9e], [1, 0x10], [13, 32]), dataInBytes: 32 }).data;
    expect([hw.readU64Be(sixteen, 0), hw.readU32Be(sixteen, 8), sixteen[14]]).toEqual([1023, 4096, 0xc0]);
    expect(host().scsi({ cdb: cdbOf(16, [0, 0x9e], [1, 0x11], [13, 32]), dataInBytes: 32 }).sense).toBe(
      Sense.INVALID_FIELD_IN_CDB,
    );
  });
});

describe("READ and WRITE", () => {
  const forms: readonly (readonly [string, number[], number[]])[] = [
    ["6", [ScsiOp.WRITE_6, 0, 0, 9, 2, 0], [ScsiOp.READ_6, 0, 0, 9, 2, 0]],
    ["10", cdb.write10(9, 2), cdb.read10(9, 2)],
    ["16", cdbOf(16, [0, ScsiOp.WRITE_16], [9, 9], [13, 2]), cdbOf(16, [0, ScsiOp.READ_16], [9, 9], [13, 2])],
  ];
  for (const [name, write, read] of forms) {
    it(`(${name}) reach the same blocks`, () => {
      const made = host();
      expect(made.scsi({ cdb: write, dataOut: pattern(8192) }).status).toBe(0);
      expect(made.medium.data.slice(9 * 4096, 11 * 4096)).toEqual(pattern(8192));
      made.memory.at(made.dataAddress(0), 8192).fill(0);
      expect(made.scsi({ cdb: read, dataInBytes: 8192 }).data).toEqual(pattern(8192));
    });
  }

  it("(6) with length 0 are about 256 blocks, the others about none", () => {
    const made = host();
    const six = made.scsi({
      cdb: [ScsiOp.READ_6, 0, 0, 0, 0, 0],
      dataInBytes: 0x10_0000,
      segments: new Array(4).fill(0x4_0000),
    });
    expect(six).toMatchObject({ status: 0, residual: 0 });
    expect(made.scsi({ cdb: cdb.read10(1024, 0) })).toMatchObject({ ocs: 0, status: 0 });
  });

  it("beyond the end is refused, at the end is not", () => {
    const made = host();
    const sixteen = cdbOf(16, [0, ScsiOp.READ_16], [2, 0xff], [13, 1]);
    expect(made.scsi({ cdb: cdb.read10(1023, 2), dataInBytes: 8192 }).sense).toBe(Sense.LBA_OUT_OF_RANGE);
    expect(made.scsi({ cdb: sixteen, dataInBytes: 4096 }).sense).toBe(Sense.LBA_OUT_OF_RANGE);
    expect(made.scsi({ cdb: cdb.write10(1024, 1), dataOut: pattern(4096) }).sense).toBe(Sense.LBA_OUT_OF_RANGE);
    expect(made.scsi({ cdb: cdb.read10(1023, 1), dataInBytes: 4096 }).status).toBe(0);
  });

  it("need the expected length, and no protection information", () => {
    const made = host();
    const short = made.scsi({ cdb: cdb.read10(0, 2), dataInBytes: 4096 });
    expect(short.sense).toBe(Sense.INVALID_FIELD_IN_INFORMATION_UNIT);
    const guarded = made.scsi({ cdb: cdb.write10(0, 1, 0x20), dataOut: pattern(4096) });
    expect(guarded.sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });

  it("with FUA the medium is flushed before the write ends", () => {
    const medium = new HeldMedium(1 << 20);
    const made = new TestHost({ medium }).up();
    made.prepareScsi({ cdb: cdb.write10(0, 1, 0x08), dataOut: pattern(4096) });
    made.ring(0);
    expect([medium.release(), made.isPending(0), medium.release(), made.isPending(0)]).toEqual([
      "write",
      true,
      "flush",
      false,
    ]);
  });

  it("a failing medium is a medium error", () => {
    const medium = new HeldMedium(1 << 20);
    const made = new TestHost({ medium }).up();
    const fail = (command: Parameters<TestHost["prepareScsi"]>[0]) => {
      made.prepareScsi(command);
      made.ring(0);
      medium.release(false);
      return made.answer(0);
    };
    expect(fail({ cdb: cdb.read10(0, 1), dataInBytes: 4096 })).toMatchObject({
      ocs: 0,
      status: 2,
      residual: 4096,
      sense: Sense.UNRECOVERED_READ_ERROR,
    });
    expect(fail({ cdb: cdb.write10(0, 1), dataOut: pattern(4096) }).sense).toBe(Sense.WRITE_ERROR);
    expect(fail({ cdb: cdbOf(10, [0, 0x35]) }).sense).toBe(Sense.WRITE_ERROR);
  });

  it("a read-only unit refuses writes, and says so", () => {
    const made = new TestHost({ logicalUnits: [{ medium: new MemoryMedium(8192), readOnly: true }] }).up();
    expect(made.scsi({ cdb: cdb.write10(0, 1), dataOut: pattern(4096) }).sense).toBe(Sense.WRITE_PROTECTED);
    expect(made.scsi({ cdb: cdbOf(10, [0, 0x42], [8, 24]), dataOut: new Uint8Array(24) }).sense).toBe(
      Sense.WRITE_PROTECTED,
    );
    expect(made.scsi({ cdb: [0x5a, 8, 0x08, 0, 0, 0, 0, 0, 64], dataInBytes: 64 }).data[3]).toBe(0x90);
  });
});

describe("SYNCHRONIZE CACHE", () => {
  it("flushes the medium, whatever the range, unless that is beyond the end", () => {
    const medium = new HeldMedium(1 << 20);
    const made = new TestHost({ medium }).up();
    for (const command of [cdbOf(10, [0, 0x35]), cdbOf(16, [0, 0x91], [13, 5])]) {
      made.prepareScsi({ cdb: command });
      made.ring(0);
      expect(made.isPending(0)).toBe(true);
      expect(medium.release()).toBe("flush");
      expect(made.answer(0)).toMatchObject({ ocs: 0, status: 0 });
    }
    expect(made.scsi({ cdb: cdbOf(10, [0, 0x35], [4, 9]) }).sense).toBe(Sense.LBA_OUT_OF_RANGE);
  });
});

describe("UNMAP", () => {
  function list(...ranges: readonly (readonly [number, number])[]): Uint8Array {
    const made = new Uint8Array(8 + 16 * ranges.length);
    hw.writeU16Be(made, 0, made.length - 2);
    hw.writeU16Be(made, 2, made.length - 8);
    ranges.forEach(([block, blocks], index) => {
      hw.writeU64Be(made, 8 + 16 * index, block);
      hw.writeU32Be(made, 16 + 16 * index, blocks);
    });
    return made;
  }
  const unmap = (made: TestHost, dataOut: Uint8Array) =>
    made.scsi({ cdb: cdbOf(10, [0, 0x42], [7, dataOut.length >>> 8], [8, dataOut.length & 0xff]), dataOut });

  it("makes ranges read as zeroes", () => {
    const made = host();
    made.medium.data.fill(7);
    expect(unmap(made, list([1, 2], [5, 1], [9, 0]))).toMatchObject({ ocs: 0, status: 0, residual: 0 });
    const zeroed = Array.from({ length: 8 }, (_, block) => made.medium.data[block * 4096] === 0);
    expect(zeroed).toEqual([false, true, true, false, false, true, false, false]);
    expect(made.medium.data[10 * 4096]).toBe(7);
  });

  it("does nothing when one of the ranges is wrong", () => {
    const made = host();
    made.medium.data.fill(7);
    expect(unmap(made, list([1, 1], [1023, 2])).sense).toBe(Sense.LBA_OUT_OF_RANGE);
    expect(made.medium.data[4096]).toBe(7);
  });

  it("takes 8 ranges, and lists that make sense", () => {
    const made = host();
    const many = (count: number) => list(...Array.from({ length: count }, (_, block): [number, number] => [block, 1]));
    expect(unmap(made, many(8)).status).toBe(0);
    expect(unmap(made, many(9)).sense).toBe(Sense.INVALID_FIELD_IN_PARAMETER_LIST);
    expect(unmap(made, many(1).slice(0, 4)).sense).toBe(Sense.PARAMETER_LIST_LENGTH_ERROR);
    expect(unmap(made, many(2).slice(0, 24)).sense, "one cut off").toBe(Sense.PARAMETER_LIST_LENGTH_ERROR);
    expect(made.scsi({ cdb: cdbOf(10, [0, 0x42]) }).status, "no list is no error").toBe(0);
    const short = made.scsi({ cdb: cdbOf(10, [0, 0x42], [8, 24]), dataOut: many(1), expectedBytes: 8 });
    expect(short.sense).toBe(Sense.INVALID_FIELD_IN_INFORMATION_UNIT);
  });

  it("fails when the medium does", () => {
    const medium = new HeldMedium(1 << 20);
    const made = new TestHost({ medium }).up();
    unmap(made, list([0, 1], [2, 1]));
    expect(medium.release()).toBe("discard");
    medium.release(false);
    expect(made.answer(0).sense).toBe(Sense.WRITE_ERROR);
  });
});

describe("MODE SENSE", () => {
  it("(10): the caching page has the write cache on; DPO and FUA are understood", () => {
    const { data } = host().scsi({ cdb: [0x5a, 8, 0x08, 0, 0, 0, 0, 0, 28, 0], dataInBytes: 28 });
    expect([...data.slice(0, 11)]).toEqual([0, 26, 0, 0x10, 0, 0, 0, 0, 0x08, 0x12, 0x04]);
  });

  it("(6) has a shorter header", () => {
    const { data } = host().scsi({ cdb: [0x1a, 8, 0x08, 0, 24, 0], dataInBytes: 24 });
    expect([...data.slice(0, 7)]).toEqual([23, 0, 0x10, 0, 0x08, 0x12, 0x04]);
  });

  it("gives all pages, cut to the allocation length", () => {
    const all = host().scsi({ cdb: [0x5a, 8, 0x3f, 0, 0, 0, 0, 0, 64, 0], dataInBytes: 64 });
    expect([all.data[8], all.data[20], all.data[40], all.residual]).toEqual([0x01, 0x08, 0x0a, 12]);
    expect(host().scsi({ cdb: [0x5a, 8, 0x3f, 0, 0, 0, 0, 0, 8, 0], dataInBytes: 8 }).residual).toBe(0);
  });

  it("has nothing changeable and nothing saved, and no other pages", () => {
    const get = (page: number, subpage = 0) =>
      host().scsi({ cdb: [0x5a, 8, page, subpage, 0, 0, 0, 0, 28, 0], dataInBytes: 28 });
    expect([...get(0x48).data.slice(8)]).toEqual([0x08, 0x12, ...new Array(18).fill(0)]);
    expect(get(0xc8).sense).toBe(Sense.SAVING_PARAMETERS_NOT_SUPPORTED);
    expect(get(0x19).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
    expect(get(0x08, 1).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });
});

describe("START STOP UNIT", () => {
  it("puts the whole device to sleep and wakes it", () => {
    const made = host();
    const power = (condition: number) =>
      made.scsi({ lun: WellKnownLun.UFS_DEVICE, cdb: [0x1b, 0, 0, 0, condition << 4, 0] });
    const mode = () =>
      made.query(hw.QueryFunction.STANDARD_READ_REQUEST, { opcode: hw.QueryOpcode.READ_ATTR, idn: 2 }).fields.value;
    expect(mode()).toBe(0x11);
    for (const [condition, reported] of [
      [2, 0x22],
      [3, 0x33],
    ] as const) {
      expect(power(condition).status).toBe(0);
      expect(mode()).toBe(reported);
      expect(made.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 }).sense).toBe(Sense.NOT_READY_INIT_REQUIRED);
    }
    expect(power(1).status).toBe(0);
    expect(made.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 }).status).toBe(0);
    expect(power(0).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
    expect(power(9).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });

  it("stops and starts one unit", () => {
    const made = host();
    expect(made.scsi({ cdb: [0x1b, 0, 0, 0, 0, 0] }).status).toBe(0);
    expect(made.scsi({ cdb: [0] }).sense).toBe(Sense.NOT_READY_INIT_REQUIRED);
    expect(made.scsi({ cdb: [0x1b, 0, 0, 0, 1, 0] }).status).toBe(0);
    expect(made.scsi({ cdb: [0] }).status).toBe(0);
    expect(made.scsi({ cdb: [0x1b, 0, 0, 0, 0x10, 0] }).sense).toBe(Sense.INVALID_FIELD_IN_CDB);
  });
});

describe("what is not there", () => {
  it("commands nobody knows, and commands a well-known unit does not take", () => {
    expect(host().scsi({ cdb: [0xfe] }).sense).toBe(Sense.INVALID_COMMAND_OPERATION_CODE);
    for (const lun of WELL_KNOWN) {
      const made = host();
      expect(made.scsi({ lun, cdb: cdb.read10(0, 1), dataInBytes: 4096 }).sense).toBe(
        Sense.INVALID_COMMAND_OPERATION_CODE,
      );
    }
    expect(host().scsi({ lun: WellKnownLun.BOOT, cdb: [0x1b] }).sense).toBe(Sense.INVALID_COMMAND_OPERATION_CODE);
  });

  it("logical units", () => {
    expect(host().scsi({ lun: 3, cdb: [0] }).sense).toBe(Sense.LOGICAL_UNIT_NOT_SUPPORTED);
  });

  it("every unit has its own medium", () => {
    const media = [new MemoryMedium(8192), new MemoryMedium(8192)];
    const made = new TestHost({ logicalUnits: media.map((medium) => ({ medium })) }).up();
    made.scsi({ lun: 1, cdb: cdb.write10(0, 1), dataOut: pattern(4096) });
    expect(media.map(({ data }) => data.some((byte) => byte !== 0))).toEqual([false, true]);
  });
});

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HostMemory, MEMORY_BASE } from "../support/host-memory.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

/** Together 20,000 cases; a failure prints the seed and path that replay it. */
const RUNS = { parsers: 5000, registers: 5000, requests: 7000, tasks: 1000, commands: 2000 };
const SEED = 20_230_501;
const MEMORY_BYTES = 3 << 20;

/** Memory that notices accesses which are none. */
class WatchedMemory extends HostMemory {
  override read(address: number, into: Uint8Array): boolean {
    checkAddress(address);
    return super.read(address, into);
  }

  override write(address: number, from: Uint8Array): boolean {
    checkAddress(address);
    return super.write(address, from);
  }
}

function checkAddress(address: number): void {
  if (!Number.isInteger(address) || address < 0) throw new Error(`${address} is no address`);
}

let memory: WatchedMemory;
let host: TestHost;

beforeEach(() => {
  memory = new WatchedMemory(MEMORY_BYTES);
  host = new TestHost({ memory });
});

/** A running controller, without what an earlier case has left behind. */
function restart(): void {
  host.write(hw.Reg.HCE, 0);
  host.enable();
  host.startLink();
  host.programKey(0, pattern(64));
  host.takeInterrupts();
  memory.refused = 0;
}

/** Every request that was rung has ended, or the controller has stopped and says so. */
function expectEnded(): void {
  host.clock.settle();
  const stopped = (host.read(hw.Reg.IS) & (hw.Is.SBFES | hw.Is.HCFES | hw.Is.CEFES)) !== 0;
  if (!stopped) expect([host.read(hw.Reg.UTRLDBR), host.read(hw.Reg.UTMRLDBR)]).toEqual([0, 0]);
}

/** Some bytes of `target` replaced. */
type Spoiling = readonly (readonly [number, number])[];

function spoilingOf(bytes: number): fc.Arbitrary<Spoiling> {
  return fc.array(fc.tuple(fc.nat(bytes - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
}

function spoil(target: Uint8Array, spoiling: Spoiling): void {
  for (const [at, value] of spoiling) target[at] = value;
}

const dword = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 3, 0xffff_ffff, 0x8000_0008));

describe("arbitrary input", () => {
  it("parsers never throw, whatever the bytes and however few", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 96 }), fc.nat(96), dword, (bytes, at, value) => {
        hw.parseUtrd(bytes, at, hw.newUtrd());
        hw.parseUtmrd(bytes, at, hw.newUtmrd());
        const header = hw.newUpiuHeader();
        hw.parseUpiuHeader(bytes, at, header);
        hw.parseQueryFields(bytes, at, hw.newQueryFields());
        hw.commandCdb(bytes, at);
        hw.commandExpectedBytes(bytes, at);
        expect(hw.responseSense(bytes, at, header.dataSegmentBytes).length).toBeLessThanOrEqual(bytes.length);
        hw.prdtAddress(bytes, at);
        expect(hw.prdtBytes(bytes, at)).toBeLessThanOrEqual(hw.PRDT_DATA_BYTE_COUNT_MAX);
        expect(hw.buildCcap(hw.parseCcap(value))).toBe((value & 0xff00_ffff) >>> 0);
        expect(hw.buildCryptoCap(hw.parseCryptoCap(value))).toBe(value & 0x00ff_ffff);
        expect(hw.buildCryptoConfig(hw.parseCryptoConfig(value))).toBe((value & 0x8000_ffff) >>> 0);
      }),
      { numRuns: RUNS.parsers, seed: SEED },
    );
  });

  it("registers: any accesses in any order", () => {
    const offset = fc.oneof(
      fc.constantFrom(...Object.values(hw.Reg)),
      fc.nat(0x50).map((slotDword) => 0x1000 + 4 * slotDword),
      fc.integer({ min: -8, max: 0x2100 }),
    );
    const access = fc.tuple(fc.constantFrom("read", "write", "write", "settle"), offset, dword);
    fc.assert(
      fc.property(fc.array(access, { maxLength: 24 }), (accesses) => {
        host.write(hw.Reg.HCE, 0);
        for (const [what, at, value] of accesses) {
          if (what === "write") host.write(at, value);
          else if (what === "settle") host.clock.settle();
          const read = host.read(at);
          if (read !== read >>> 0) throw new Error(`offset ${at} reads as ${read}`);
        }
        host.clock.settle();
      }),
      { numRuns: RUNS.registers, seed: SEED },
    );
  });

  it("transfer requests: any bytes of descriptor, UPIU and PRDT replaced", () => {
    const spoiled = fc.record({
      write: fc.boolean(),
      encrypted: fc.boolean(),
      utrd: fc.oneof(fc.constant([]), spoilingOf(hw.UTRD_BYTES)),
      upiu: fc.oneof(fc.constant([]), spoilingOf(hw.UPIU_BYTES)),
      prdt: fc.oneof(fc.constant([]), spoilingOf(2 * hw.PRDT_ENTRY_BYTES)),
    });
    fc.assert(
      fc.property(spoiled, ({ write, encrypted, utrd, upiu, prdt }) => {
        restart();
        const data = write ? { dataOut: new Uint8Array(8192) } : { dataInBytes: 8192 };
        const command = { cdb: write ? cdb.write10(1, 2) : cdb.read10(1, 2), segments: [4096, 4096], ...data };
        host.prepareScsi({ ...command, ...(encrypted ? { crypto: { slot: 0, dun: 1n } } : {}) });
        spoil(memory.at(host.utrdAddress(0), hw.UTRD_BYTES), utrd);
        spoil(memory.at(host.commandAddress(0), hw.UPIU_BYTES), upiu);
        spoil(memory.at(host.commandAddress(0) + 0x400, 2 * hw.PRDT_ENTRY_BYTES), prdt);
        host.write(hw.Reg.UTRLDBR, 1);
        expectEnded();
        const failed = host.answer(0).ocs !== 0 || host.read(hw.Reg.IS) !== hw.Is.UTRCS;
        if (memory.refused > 0) expect(failed, "what is not memory is an error").toBe(true);
      }),
      { numRuns: RUNS.requests, seed: SEED },
    );
  });

  it("task-management requests: any bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: hw.UTMRD_BYTES, maxLength: hw.UTMRD_BYTES }),
        fc.nat(7),
        (bytes, index) => {
          restart();
          memory.at(host.utmrdAddress(index), hw.UTMRD_BYTES).set(bytes);
          host.write(hw.Reg.UTMRLDBR, 1 << index);
          expectEnded();
        },
      ),
      { numRuns: RUNS.tasks, seed: SEED },
    );
  });

  it("SCSI commands and queries: any CDB to any unit, any query", () => {
    const opcode = fc.oneof(fc.constantFrom(...Object.values(hw.ScsiOp)), fc.nat(255));
    const lun = fc.oneof(fc.constantFrom(0, ...Object.values(hw.WellKnownLun)), fc.nat(255));
    const rest = fc.uint8Array({ minLength: 15, maxLength: 15 });
    const query = fc.record({
      opcode: fc.nat(9),
      idn: fc.nat(40),
      index: fc.nat(255),
      bytes: fc.nat(300),
      value: dword,
    });
    const queryFunction = fc.constantFrom(...Object.values(hw.QueryFunction));
    fc.assert(
      fc.property(lun, opcode, rest, queryFunction, query, (unit, operation, cdbRest, func, fields) => {
        restart();
        host.scsi({ lun: unit, cdb: [0] }); // takes the unit attention
        const answer = host.scsi({ lun: unit, cdb: [operation, ...cdbRest], dataInBytes: 8192 });
        expect([0, 2]).toContain(answer.status);
        expect(answer.sense !== -1).toBe(answer.status === 2);
        const { ocs, result, data } = host.query(func, fields);
        expect([ocs, result === 0 || result >= hw.QueryResult.NOT_READABLE]).toEqual([0, true]);
        expect(data.length).toBeLessThanOrEqual(fields.bytes);
        expectEnded();
      }),
      { numRuns: RUNS.commands, seed: SEED },
    );
  });
});

it("memory begins where no address of 0 leads", () => {
  expect(new HostMemory(4096).read(MEMORY_BASE - 1, new Uint8Array(1))).toBe(false);
});

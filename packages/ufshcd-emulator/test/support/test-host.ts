import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import {
  type Medium,
  MemoryMedium,
  UfsHostController,
  type UfsHostControllerOptions,
} from "@inlinecrypt/ufshcd-emulator/controller";
import * as hw from "../../src/ufshci/index.js";
import { HostMemory, MEMORY_BASE } from "./host-memory.js";
import { SimClock } from "./sim-clock.js";

const UTRL = MEMORY_BASE + 0x1000;
const UTMRL = MEMORY_BASE + 0x1400;
const COMMANDS = MEMORY_BASE + 0x10000;
const COMMAND_BYTES = 0x4000;
const RESPONSE_AT = 0x200;
const PRDT_AT = 0x400;
const DATA = MEMORY_BASE + 0x10_0000;
/** Room for the data of one request. */
export const DATA_BYTES_PER_REQUEST = 0x10_0000;

export interface Command {
  lun?: number;
  cdb: readonly number[] | Uint8Array;
  dataOut?: Uint8Array;
  dataInBytes?: number;
  /** Default: the length of the data. */
  expectedBytes?: number;
  /** Lengths of the PRDT's segments; default: one for all data. */
  segments?: readonly number[];
  crypto?: { slot: number; dun: bigint };
  tag?: number;
  index?: number;
  interrupt?: boolean;
}

export interface Answer {
  ocs: number;
  header: hw.UpiuHeader;
  upiu: Uint8Array;
  status: number;
  residual: number;
  /** Sense key, ASC and ASCQ as one number; -1 when there is no sense data. */
  sense: number;
  data: Uint8Array;
}

export interface QueryAnswer {
  ocs: number;
  result: number;
  fields: hw.QueryFields;
  data: Uint8Array;
}

/** One for all: it tests its ciphers once. */
const ENGINE = createNodeEngine();

type HostOptions = Partial<Omit<UfsHostControllerOptions, "crypto">> & {
  crypto?: Partial<NonNullable<UfsHostControllerOptions["crypto"]>> | null;
  memory?: HostMemory;
  medium?: Medium;
};

/** A host that drives a controller as a driver would: registers, lists in memory, an interrupt line. Nothing else. */
export class TestHost {
  readonly clock: SimClock = new SimClock();
  readonly memory: HostMemory;
  readonly medium: MemoryMedium;
  readonly controller: UfsHostController;
  irq = false;
  irqEdges = 0;

  constructor({ crypto = {}, memory, medium, ...options }: HostOptions = {}) {
    this.memory = memory ?? new HostMemory(DATA - MEMORY_BASE + 33 * DATA_BYTES_PER_REQUEST);
    this.medium = new MemoryMedium(4 << 20);
    this.controller = new UfsHostController({
      dma: this.memory,
      irq: { raise: () => this.#raise(), lower: () => this.#lower() },
      clock: this.clock,
      logicalUnits: [{ medium: medium ?? this.medium }],
      ...(crypto === null ? {} : { crypto: { engine: ENGINE, ...crypto } }),
      ...options,
    });
  }

  #raise(): void {
    if (this.irq) throw new Error("raised twice");
    this.irq = true;
    this.irqEdges++;
  }

  #lower(): void {
    if (!this.irq) throw new Error("lowered twice");
    this.irq = false;
  }

  read(offset: number): number {
    return this.controller.read32(offset);
  }

  write(offset: number, value: number): void {
    this.controller.write32(offset, value);
  }

  /** Reads IS and clears what is set. */
  takeInterrupts(): number {
    const is = this.read(hw.Reg.IS);
    this.write(hw.Reg.IS, is);
    return is;
  }

  /** Enables the controller, with the crypto engine. */
  enable(hce: number = hw.Hce.HCE | hw.Hce.CGE): void {
    this.write(hw.Reg.HCE, hce);
    this.clock.settle();
  }

  uic(command: number, arg1 = 0, arg3 = 0): { result: number; value: number } {
    this.write(hw.Reg.UCMDARG1, arg1);
    this.write(hw.Reg.UCMDARG2, 0);
    this.write(hw.Reg.UCMDARG3, arg3);
    this.write(hw.Reg.UICCMD, command);
    this.clock.settle();
    return { result: this.read(hw.Reg.UCMDARG2) & 0xff, value: this.read(hw.Reg.UCMDARG3) };
  }

  /** Everything from power-on to ready, unit attentions taken. */
  up(): this {
    this.enable();
    this.startLink();
    for (const lun of [0, 1, 2, 3, 4, 5, 6, 7, ...Object.values(hw.WellKnownLun)]) this.scsi({ lun, cdb: [0] });
    this.takeInterrupts();
    return this;
  }

  startLink(): void {
    this.uic(hw.UicCommand.DME_LINKSTARTUP);
    this.write(hw.Reg.IE, 0x7_1fff);
    this.write(hw.Reg.UTRLBA, UTRL);
    this.write(hw.Reg.UTRLBAU, 0);
    this.write(hw.Reg.UTMRLBA, UTMRL);
    this.write(hw.Reg.UTMRLBAU, 0);
    this.write(hw.Reg.UTMRLRSR, 1);
    this.write(hw.Reg.UTRLRSR, 1);
  }

  /** Where the data of request `index` is. */
  dataAddress(index: number): number {
    return DATA + index * DATA_BYTES_PER_REQUEST;
  }

  commandAddress(index: number): number {
    return COMMANDS + index * COMMAND_BYTES;
  }

  utrdAddress(index: number): number {
    return UTRL + index * hw.UTRD_BYTES;
  }

  utmrdAddress(index: number): number {
    return UTMRL + index * hw.UTMRD_BYTES;
  }

  /** Writes a transfer request into its list; `change` may spoil it. */
  prepare(
    index: number,
    upiu: Uint8Array,
    utrd: Partial<hw.Utrd> = {},
    prdt: readonly (readonly [number, number])[] = [],
  ): void {
    const base = this.commandAddress(index);
    const descriptor = this.memory.at(base, COMMAND_BYTES).fill(0);
    descriptor.set(upiu);
    prdt.forEach(([address, bytes], entry) => {
      hw.buildPrdtEntry(descriptor, PRDT_AT + entry * hw.PRDT_ENTRY_BYTES, address, bytes);
    });
    const whole = {
      ...hw.newUtrd(),
      interrupt: true,
      commandDescBase: base,
      responseBytes: 0x200,
      responseOffsetBytes: RESPONSE_AT,
      prdtEntries: prdt.length,
      prdtOffsetBytes: PRDT_AT,
      ...utrd,
    };
    hw.buildUtrd(this.memory.at(this.utrdAddress(index), hw.UTRD_BYTES), 0, whole);
  }

  prepareScsi(command: Command): number {
    const { index = 0, dataOut, lun = 0, crypto } = command;
    const dataBytes = dataOut?.length ?? command.dataInBytes ?? 0;
    const { expectedBytes = dataBytes, segments = dataBytes === 0 ? [] : [padded(dataBytes)], tag = index } = command;
    const upiu = new Uint8Array(hw.UPIU_BYTES);
    const flags = dataOut !== undefined ? hw.UpiuCommandFlag.WRITE : dataBytes > 0 ? hw.UpiuCommandFlag.READ : 0;
    const header = { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.COMMAND, flags, lun, taskTag: tag };
    hw.buildUpiuHeader(upiu, 0, header);
    hw.buildCommandFields(upiu, 0, expectedBytes, Uint8Array.from(command.cdb));
    let address = this.dataAddress(index);
    if (dataOut !== undefined) this.memory.at(address, dataBytes).set(dataOut);
    const prdt = segments.map((bytes): [number, number] => {
      address += bytes;
      return [address - bytes, bytes];
    });
    const { DEVICE_TO_HOST, HOST_TO_DEVICE, NONE } = hw.DataDirection;
    const dataDirection = dataOut !== undefined ? HOST_TO_DEVICE : dataBytes > 0 ? DEVICE_TO_HOST : NONE;
    this.prepare(index, upiu, { dataDirection, interrupt: command.interrupt ?? true, ...cryptoFields(crypto) }, prdt);
    return index;
  }

  ring(...indexes: readonly number[]): void {
    this.write(hw.Reg.UTRLDBR, indexes.reduce((bits, index) => bits | (1 << index), 0) >>> 0);
    this.clock.settle();
  }

  isPending(index: number): boolean {
    return ((this.read(hw.Reg.UTRLDBR) >>> index) & 1) === 1;
  }

  answer(index: number, dataBytes = 0): Answer {
    const utrd = hw.newUtrd();
    hw.parseUtrd(this.memory.at(this.utrdAddress(index), hw.UTRD_BYTES), 0, utrd);
    const upiu = this.memory.at(this.commandAddress(index) + RESPONSE_AT, 0x200);
    const header = hw.newUpiuHeader();
    hw.parseUpiuHeader(upiu, 0, header);
    const sense = hw.responseSense(upiu, 0, header.dataSegmentBytes);
    return {
      ocs: utrd.ocs,
      header,
      upiu,
      status: header.status,
      residual: hw.responseResidualBytes(upiu, 0),
      sense: sense.length === 0 ? -1 : (sense[2]! << 16) | (sense[12]! << 8) | sense[13]!,
      data: this.memory.at(this.dataAddress(index), dataBytes).slice(),
    };
  }

  /** One SCSI command from doorbell to answer. */
  scsi(command: Command): Answer {
    const index = this.prepareScsi(command);
    this.ring(index);
    return this.answer(index, command.dataInBytes ?? 0);
  }

  /** A query; `dataBytes` is what a descriptor may take. */
  query(func: number, fields: Partial<hw.QueryFields>): QueryAnswer {
    const upiu = new Uint8Array(hw.UPIU_BYTES);
    const header = { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.QUERY_REQ, func, taskTag: 7 };
    hw.buildUpiuHeader(upiu, 0, header);
    hw.buildQueryFields(upiu, 0, { ...hw.newQueryFields(), ...fields });
    this.prepare(0, upiu);
    this.ring(0);
    const answer = this.answer(0);
    const got = hw.newQueryFields();
    hw.parseQueryFields(answer.upiu, 0, got);
    const data = answer.upiu.slice(hw.UPIU_BYTES, hw.UPIU_BYTES + answer.header.dataSegmentBytes);
    return { ocs: answer.ocs, result: answer.header.response, fields: got, data };
  }

  readDescriptor(idn: number, index = 0, bytes = 255): QueryAnswer {
    const opcode = hw.QueryOpcode.READ_DESC;
    return this.query(hw.QueryFunction.STANDARD_READ_REQUEST, { opcode, idn, index, bytes });
  }

  /** A task-management request from doorbell to answer; the doorbell may still be set. */
  manageTask(
    func: number,
    lun: number,
    taskTag: number,
    index = 0,
  ): { ocs: number; response: number; pending: boolean } {
    const descriptor = this.memory.at(this.utmrdAddress(index), hw.UTMRD_BYTES);
    const request = { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.TASK_REQ, func, lun, taskTag: index };
    hw.buildUtmrd(descriptor, 0, { ...hw.newUtmrd(), interrupt: true, request, lun, taskTag });
    this.write(hw.Reg.UTMRLDBR, 1 << index);
    this.clock.settle();
    return this.taskAnswer(index);
  }

  taskAnswer(index: number): { ocs: number; response: number; pending: boolean } {
    const descriptor = this.memory.at(this.utmrdAddress(index), hw.UTMRD_BYTES);
    const pending = ((this.read(hw.Reg.UTMRLDBR) >>> index) & 1) === 1;
    return { ocs: descriptor[hw.UTMRD_OCS_AT]! & 0xf, response: hw.utmrdServiceResponse(descriptor, 0), pending };
  }

  /** Where dword `dword` of keyslot `slot` is. */
  cryptoCfg(slot: number, dword: number): number {
    const { configOffsetBytes } = hw.parseCcap(this.read(hw.Reg.CCAP));
    return configOffsetBytes + slot * hw.CRYPTOCFG_ENTRY_BYTES + dword * 4;
  }

  /** Programs a keyslot in the order of [UFS-6]. */
  programKey(slot: number, key: Uint8Array, config: Partial<hw.CryptoConfig> = {}): void {
    const area = new Uint8Array(hw.UFS_CRYPTO_KEY_MAX_BYTES);
    area.set(key.subarray(0, key.length / 2));
    area.set(key.subarray(key.length / 2), hw.CRYPTOCFG_XTS_SECOND_HALF_AT);
    this.write(this.cryptoCfg(slot, 16), 0);
    for (let dword = 0; dword < 16; dword++) this.write(this.cryptoCfg(slot, dword), hw.readU32Le(area, dword * 4));
    this.write(this.cryptoCfg(slot, 17), 0);
    const dword16 = hw.buildCryptoConfig({ dataUnitSize: 8, capIndex: 0, enable: true, ...config });
    this.write(this.cryptoCfg(slot, 16), dword16);
  }
}

function cryptoFields(crypto: Command["crypto"]): Partial<hw.Utrd> {
  if (crypto === undefined) return {};
  return {
    cryptoEnable: true,
    cryptoConfigIndex: crypto.slot,
    dunLow: Number(crypto.dun & 0xffff_ffffn),
    dunHigh: Number(crypto.dun >> 32n),
  };
}

/** A PRDT counts in dwords; Linux pads what is none (blk_queue_update_dma_pad). */
function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** CDBs of the usual commands. */
export const cdb = {
  read10: (block: number, blocks: number): number[] => rw10(hw.ScsiOp.READ_10, block, blocks),
  write10: (block: number, blocks: number, flags = 0): number[] => rw10(hw.ScsiOp.WRITE_10, block, blocks, flags),
};

function rw10(opcode: number, block: number, blocks: number, flags = 0): number[] {
  const made = new Uint8Array(10);
  made[0] = opcode;
  made[1] = flags;
  hw.writeU32Be(made, 2, block);
  hw.writeU16Be(made, 7, blocks);
  return [...made];
}

/** Bytes that differ everywhere, without a random generator. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >>> 8) * 7 + seed * 101) & 0xff);
}

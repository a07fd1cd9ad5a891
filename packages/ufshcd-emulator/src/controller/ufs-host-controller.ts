import {
  Cap,
  type CryptoCapEntry,
  cryptoRegisters,
  Hce,
  Hcs,
  LOGICAL_BLOCK_BYTES,
  MAX_TASK_REQUESTS,
  MAX_TRANSFER_REQUESTS,
  type Mmio,
  Reg,
  UFSHCI_REGISTERS,
  UfsCryptoAlg,
  UfsCryptoKeySize,
} from "../ufshci/index.js";
import type { UfsHostControllerOptions } from "./controller-options.js";
import { CryptoEngine } from "./crypto-engine.js";
import { UfsDevice } from "./device/ufs-device.js";
import { UfsEvents } from "./events.js";
import { FaultPlan } from "./fault-plan.js";
import { FmpPrdt } from "./fmp-prdt.js";
import { HostCore } from "./host-core.js";
import { InterruptAggregation } from "./interrupt-aggregation.js";
import { Interrupts } from "./interrupts.js";
import { type DataTable, PrdtCursor } from "./prdt-cursor.js";
import { RegisterFile } from "./register-file.js";
import { TaskList } from "./task-list.js";
import { TransferList } from "./transfer-list.js";
import { UicUnit } from "./uic-unit.js";

/** UFSHCI 3.0. */
const VERSION = 0x0300;
const MIN_MMIO_BYTES = 0x1000;
/** Behind everything a variant's own registers may use (Intel's reach to 0x80c). */
const CRYPTOCFG_OFFSET = 0x1000;
const ANY_DATA_UNIT = 0xff;
const AES_256_XTS: CryptoCapEntry = {
  algorithm: UfsCryptoAlg.AES_XTS,
  keySize: UfsCryptoKeySize.BITS_256,
  dataUnitSizeMask: ANY_DATA_UNIT,
};

/**
 * A UFS host controller (UFSHCI 3.0) with a UFS device behind it and, if wanted, an inline crypto engine. Drive it
 * through {@link UfsHostController.read32} and {@link UfsHostController.write32}; it reaches memory through `dma`, and
 * calls through `irq`. Nothing that software does makes it throw.
 */
export class UfsHostController implements Mmio, Disposable {
  /** Bytes of register space: what a bus has to decode; a power of two. */
  readonly mmioBytes: number;
  /** What an observer may listen to. */
  readonly events: UfsEvents = new UfsEvents();
  /** What goes wrong; rules may be added at any time. */
  readonly faults: FaultPlan;
  readonly #options: UfsHostControllerOptions;
  readonly #core: HostCore;
  readonly #device: UfsDevice;
  readonly #crypto: CryptoEngine | null;
  readonly #aggregation: InterruptAggregation;
  readonly #transfers: TransferList;
  readonly #tasks: TaskList;
  readonly #uic: UicUnit;
  #isEnabling = false;

  /** @throws RangeError for a number out of its range. */
  constructor(options: UfsHostControllerOptions) {
    checkOptions(options);
    this.#options = options;
    this.faults = new FaultPlan(options.faults);
    this.#crypto = this.#makeCrypto();
    this.mmioBytes = 2 ** Math.ceil(Math.log2(Math.max(MIN_MMIO_BYTES, this.#crypto?.endOffset ?? 0)));
    const registers = this.#makeRegisters();
    const { clock, dma, irq } = options;
    const interrupts = new Interrupts(registers, irq);
    const { events, faults } = this;
    this.#core = new HostCore({ dma, clock, registers, interrupts, events, faults, newDataTable: dataTables(options) });
    this.#aggregation = new InterruptAggregation(registers, interrupts, clock);
    this.#device = new UfsDevice(options.logicalUnits, options.identity ?? {}, clock);
    const { transferRequests = MAX_TRANSFER_REQUESTS, taskRequests = MAX_TASK_REQUESTS } = options;
    this.#transfers = new TransferList(
      this.#core,
      this.#device,
      this.#crypto,
      this.#aggregation,
      transferRequests,
      () => this.#mediaQuiet(),
    );
    this.#tasks = new TaskList(this.#core, this.#device, this.#transfers, taskRequests);
    this.#uic = new UicUnit(this.#core, this.#device, this.#transfers, () => this.#hibernated());
  }

  read32(offset: number): number {
    if (offset % 4 !== 0) return 0;
    if (this.#crypto?.contains(offset)) return this.#crypto.read(offset);
    return this.#core.registers.read(offset);
  }

  write32(offset: number, value: number): void {
    if (offset % 4 !== 0) return;
    const dword = value >>> 0;
    if (this.#crypto?.contains(offset)) this.#crypto.write(offset, dword);
    else this.#writeRegister(offset, dword);
  }

  /** Switches the power off: every request is dropped, every key wiped, nothing will be called any more. */
  [Symbol.dispose](): void {
    this.#hostReset();
    this.#device.reset();
    this.#crypto?.clearAll();
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case Reg.HCE:
        return this.#writeHce(value);
      case Reg.UTRIACR:
        return this.#aggregation.write(value);
      case Reg.UTRLDBR:
        return this.#transfers.ring(value);
      case Reg.UTRLCLR:
        return this.#transfers.clear(value);
      case Reg.UTMRLDBR:
        return this.#tasks.ring(value);
      case Reg.UTMRLCLR:
        return this.#tasks.clear(value);
      case Reg.UICCMD:
        return this.#uic.start(value);
      default:
        this.#core.registers.write(offset, value);
        this.#afterWrite(offset);
    }
  }

  #afterWrite(offset: number): void {
    if (offset === Reg.IS || offset === Reg.IE) this.#core.interrupts.update();
    else if (offset === Reg.UTRLRSR) this.#transfers.schedule();
  }

  /** Clearing HCE resets the host; setting it begins to enable it, after which HCE reads as 1. */
  #writeHce(value: number): void {
    const { registers } = this.#core;
    const isEnabled = (registers.get(Reg.HCE) & Hce.HCE) !== 0;
    const cge = this.#crypto === null ? 0 : value & Hce.CGE;
    if ((value & Hce.HCE) === 0) {
      if (isEnabled || this.#isEnabling) this.#hostReset();
      registers.set(Reg.HCE, cge);
    } else if (isEnabled) registers.set(Reg.HCE, Hce.HCE | cge);
    else {
      registers.set(Reg.HCE, cge);
      if (!this.#isEnabling) this.#enable();
    }
  }

  #enable(): void {
    this.#isEnabling = true;
    this.#core.defer(() => {
      const { registers } = this.#core;
      this.#isEnabling = false;
      registers.setBits(Reg.HCE, Hce.HCE);
      registers.setBits(Reg.HCS, Hcs.UCRDY);
      if (!this.events.isObserved) return;
      this.events.emit({ type: "hostEnabled", cryptoEnabled: (registers.get(Reg.HCE) & Hce.CGE) !== 0 });
    });
  }

  #hostReset(): void {
    this.#core.generation++;
    this.#core.isHalted = false;
    this.#isEnabling = false;
    this.#transfers.reset();
    this.#tasks.reset();
    this.#aggregation.reset();
    this.#uic.reset();
    this.#core.registers.reset();
    this.#core.interrupts.update();
    if (this.events.isObserved) this.events.emit({ type: "hostReset" });
    if (this.#options.resetClearsKeys ?? true) this.#crypto?.clearAll();
  }

  /** No medium works for a request that was given up: who waited for that may go on. */
  #mediaQuiet(): void {
    this.#tasks.sendAnswers();
    this.#uic.finishLinkStartup();
  }

  #hibernated(): void {
    if (this.#options.hibernateClearsKeys ?? false) this.#crypto?.clearAll();
  }

  #makeCrypto(): CryptoEngine | null {
    const { crypto } = this.#options;
    if (crypto === undefined) return null;
    const { caps = [AES_256_XTS], engine, keyslots: slotCount = 8 } = crypto;
    return new CryptoEngine({ caps, slotCount, engine, configOffsetBytes: CRYPTOCFG_OFFSET }, this.events, this.faults);
  }

  #makeRegisters(): RegisterFile {
    const {
      crypto,
      keysInPrdt,
      transferRequests = MAX_TRANSFER_REQUESTS,
      taskRequests = MAX_TASK_REQUESTS,
    } = this.#options;
    const sizes = (transferRequests - 1) | ((taskRequests - 1) << Cap.NUTMRS_LSB);
    const cap = sizes | Cap.AS64 | (crypto === undefined && keysInPrdt === undefined ? 0 : Cap.CS);
    const configured = new Map<number, number>([
      [Reg.CAP, cap],
      [Reg.VER, VERSION],
      ...(this.#crypto?.resetValues() ?? []),
    ]);
    const cryptoSpecs = this.#crypto === null ? [] : cryptoRegisters(crypto?.caps?.length ?? 1);
    return new RegisterFile([...UFSHCI_REGISTERS, ...cryptoSpecs], configured);
  }
}

function dataTables({ dma, keysInPrdt }: UfsHostControllerOptions): () => DataTable {
  return keysInPrdt === undefined ? () => new PrdtCursor(dma) : () => new FmpPrdt(dma, keysInPrdt.engine);
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${name} is ${value}, expected ${min} to ${max}`);
}

function checkOptions({
  crypto,
  identity,
  keysInPrdt,
  logicalUnits,
  taskRequests,
  transferRequests,
}: UfsHostControllerOptions): void {
  if (crypto !== undefined && keysInPrdt !== undefined) throw new RangeError("both crypto and keysInPrdt are given");
  checkRange("transferRequests", transferRequests ?? 1, 1, MAX_TRANSFER_REQUESTS);
  checkRange("taskRequests", taskRequests ?? 1, 1, MAX_TASK_REQUESTS);
  checkRange("number of logical units", logicalUnits.length, 1, 8);
  logicalUnits.forEach(({ medium }, lun) => {
    checkRange(`bytes of logical unit ${lun}`, medium.bytes, LOGICAL_BLOCK_BYTES, Number.MAX_SAFE_INTEGER);
  });
  checkRange("length of the serial number", identity?.serial?.length ?? 1, 1, 64);
  checkRange("keyslots", crypto?.keyslots ?? 1, 1, 32);
  checkRange("number of crypto capabilities", crypto?.caps?.length ?? 1, 1, 32);
}

import { BlkError, Mutex } from "@inlinecrypt/blk-core";
import {
  buildCommandFields,
  buildPrdtEntry,
  buildQueryFields,
  CDB_BYTES,
  DataDirection,
  newQueryFields,
  newUpiuHeader,
  Ocs,
  parseQueryFields,
  parseUpiuHeader,
  QueryFunction,
  QueryOpcode,
  QueryResult,
  responseResidualBytes,
  UPIU_BYTES,
  UpiuCommandFlag,
  UpiuTransaction,
} from "../ufshci/index.js";
import { Completion, sleep } from "./completion.js";
import type { CoherentBuffer } from "./host-memory.js";
import { type Lrb, PRDT_AT, RESPONSE_AT } from "./lrb.js";
import { MAX_RETRIES, NO_ROOM_DELAY_MS } from "./scsi-cmd.js";
import { decideDisposition } from "./scsi-disposition.js";
import type { TransferRequestList } from "./transfer-list.js";
import type { UfsHba } from "./ufs-hba.js";

/** @kernel drivers/ufs/core/ufshcd.c: NOP_OUT_TIMEOUT */
const NOP_TIMEOUT_MS = 50;
/** @kernel drivers/ufs/core/ufshcd.c: QUERY_REQ_TIMEOUT */
const QUERY_TIMEOUT_MS = 1500;

/** Most data of a command of the driver's own. */
export const RESERVED_DATA_BYTES = 4096;

/**
 * The last slot of the list, kept for the driver's own commands: NOP, queries, and SCSI commands that no request carries.
 * They go one at a time and are never encrypted.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_exec_dev_cmd; include/ufs/ufshcd.h: ufs_hba.reserved_slot
 */
export class ReservedSlot {
  readonly lrb: Lrb;
  readonly #hba: UfsHba;
  readonly #transfers: TransferRequestList;
  readonly #data: CoherentBuffer;
  readonly #done: Completion;
  readonly #response = newUpiuHeader();
  readonly #query = newQueryFields();
  readonly #mutex = new Mutex();
  #cutShort = false;

  constructor(hba: UfsHba, transfers: TransferRequestList, lrb: Lrb) {
    this.#hba = hba;
    this.#transfers = transfers;
    this.lrb = lrb;
    this.#data = hba.memory.allocCoherent(RESERVED_DATA_BYTES, 8);
    this.#done = new Completion(hba.layer.executor);
  }

  /** The controller is done with the slot. @context interrupt */
  completed(): void {
    this.#done.complete();
  }

  /** The controller was stopped or has failed: whoever waits fails. */
  cutShort(): void {
    this.#cutShort = true;
    this.#done.complete();
  }

  /** Asks whether the device is there. @throws BlkError ETIMEDOUT, EIO. @kernel drivers/ufs/core/ufshcd.c: ufshcd_verify_dev_init */
  nop(): Promise<void> {
    return this.#mutex.run(async () => {
      this.#startUpiu(UpiuTransaction.NOP_OUT, 0);
      this.lrb.ucd.fill(0, 12, UPIU_BYTES);
      await this.#run(NOP_TIMEOUT_MS, "NOP OUT");
      this.#expectAnswer(UpiuTransaction.NOP_IN, "NOP OUT");
    });
  }

  /** Reads or writes a flag: `opcode` is a `QueryOpcode`. Returns its value. @throws BlkError ETIMEDOUT, EIO. @kernel ufshcd_query_flag */
  flag(opcode: number, idn: number): Promise<boolean> {
    return this.#mutex.run(async () => {
      await this.#runQuery(opcode, idn, 0, 0, 0);
      return (this.#query.value & 1) === 1;
    });
  }

  /** Reads an attribute. @throws BlkError ETIMEDOUT, EIO. @kernel drivers/ufs/core/ufshcd.c: ufshcd_query_attr */
  readAttribute(idn: number): Promise<number> {
    return this.#mutex.run(async () => {
      await this.#runQuery(QueryOpcode.READ_ATTR, idn, 0, 0, 0);
      return this.#query.value;
    });
  }

  /** Reads a descriptor, at most `bytes` of it. @throws BlkError ETIMEDOUT, EIO. @kernel ufshcd_read_desc_param */
  readDescriptor(idn: number, index: number, bytes: number): Promise<Uint8Array> {
    return this.#mutex.run(async () => {
      await this.#runQuery(QueryOpcode.READ_DESC, idn, index, bytes, 0);
      const got = Math.min(this.#response.dataSegmentBytes, bytes);
      const at = RESPONSE_AT + UPIU_BYTES;
      return this.lrb.ucd.slice(at, at + got);
    });
  }

  /**
   * A SCSI command to logical unit `lun` (UFS number) that brings at most `bytes` of data in; returns a copy of what
   * came. Failures that pass are retried as the SCSI layer does.
   *
   * @throws BlkError ETIMEDOUT, EIO.
   * @kernel drivers/scsi/scsi_lib.c: scsi_execute_cmd
   */
  scsi(lun: number, cdb: Uint8Array, bytes = 0): Promise<Uint8Array> {
    return this.#mutex.run(() => this.#scsiWithRetries(lun, cdb, bytes));
  }

  async #scsiWithRetries(lun: number, cdb: Uint8Array, bytes: number): Promise<Uint8Array> {
    const what = `SCSI command 0x${cdb[0]!.toString(16)} to unit ${lun}`;
    const { commandTimeoutMs, layer } = this.#hba;
    const untilMs = layer.executor.nowMs() + (MAX_RETRIES + 1) * commandTimeoutMs;
    for (let retries = 0; ; ) {
      this.#composeScsi(lun, cdb, bytes);
      await this.#send(commandTimeoutMs, what);
      const { action, status } = decideDisposition(this.#transfers.ocs(this.lrb), this.lrb.ucd, this.#response, true);
      if (action === "end" && status === 0) {
        return this.#data.bytes.slice(0, Math.max(0, bytes - responseResidualBytes(this.lrb.ucd, RESPONSE_AT)));
      }
      if (action === "requeue" && layer.executor.nowMs() < untilMs) await sleep(layer.executor, NO_ROOM_DELAY_MS);
      else if (action !== "retry" || retries++ === MAX_RETRIES) throw ioError(what, `ended with status ${status}`);
    }
  }

  #composeScsi(lun: number, cdb: Uint8Array, bytes: number): void {
    const { lrb } = this;
    this.#startUpiu(UpiuTransaction.COMMAND, lun);
    lrb.header.flags = bytes === 0 ? 0 : UpiuCommandFlag.READ;
    buildCommandFields(lrb.ucd, 0, bytes, cdb.length === CDB_BYTES ? cdb : padded(cdb));
    if (bytes === 0) return;
    lrb.utrd.dataDirection = DataDirection.DEVICE_TO_HOST;
    lrb.utrd.prdtEntries = 1;
    buildPrdtEntry(lrb.ucd, PRDT_AT, this.#data.address, bytes);
  }

  async #runQuery(opcode: number, idn: number, index: number, bytes: number, value: number): Promise<void> {
    const { lrb } = this;
    const what = `query ${opcode} of ${idn}`;
    this.#startUpiu(UpiuTransaction.QUERY_REQ, 0);
    lrb.header.func = isRead(opcode) ? QueryFunction.STANDARD_READ_REQUEST : QueryFunction.STANDARD_WRITE_REQUEST;
    buildQueryFields(lrb.ucd, 0, { opcode, idn, index, selector: 0, bytes, value });
    await this.#run(QUERY_TIMEOUT_MS, what);
    this.#expectAnswer(UpiuTransaction.QUERY_RSP, what);
    if (this.#response.response !== QueryResult.SUCCESS) {
      throw ioError(what, `was answered with 0x${this.#response.response.toString(16)}`);
    }
    parseQueryFields(lrb.ucd, RESPONSE_AT, this.#query);
  }

  #startUpiu(transaction: number, lun: number): void {
    const { header, utrd, ucd } = this.lrb;
    header.transaction = transaction;
    header.lun = lun;
    header.flags = 0;
    header.func = 0;
    utrd.dataDirection = DataDirection.NONE;
    utrd.prdtEntries = 0;
    ucd.fill(0, RESPONSE_AT, RESPONSE_AT + UPIU_BYTES);
  }

  #expectAnswer(transaction: number, what: string): void {
    parseUpiuHeader(this.lrb.ucd, RESPONSE_AT, this.#response);
    if (this.#response.transaction === transaction) return;
    throw ioError(what, `was answered by a UPIU of type 0x${this.#response.transaction.toString(16)}`);
  }

  async #run(timeoutMs: number, what: string): Promise<void> {
    await this.#send(timeoutMs, what);
    const ocs = this.#transfers.ocs(this.lrb);
    if (ocs !== Ocs.SUCCESS) throw ioError(what, `failed with OCS ${ocs}`);
  }

  async #send(timeoutMs: number, what: string): Promise<void> {
    // It would be waited for in vain, and whoever restarts the controller would wait behind it.
    if (!this.#transfers.isRunning) throw ioError(what, "was not sent: the controller is being reset");
    // One that did not end, and was not given back either: until the next reset.
    if (this.#transfers.isOutstanding(this.lrb.slot))
      throw ioError(what, "was not sent: the controller keeps the slot");
    this.#cutShort = false;
    this.#done.reset();
    this.#transfers.send(this.lrb, true);
    const done = await this.#done.wait(timeoutMs);
    if (this.#cutShort) throw ioError(what, "was cut short by a reset");
    if (done) return;
    if (!(await this.#transfers.clear(this.lrb.slot))) this.#hba.errorHandler.scheduleReset("a slot is not cleared");
    throw new BlkError("ETIMEDOUT", "ufshcd_exec_dev_cmd", `${what} did not end within ${timeoutMs} ms`);
  }
}

function isRead(opcode: number): boolean {
  return opcode === QueryOpcode.READ_DESC || opcode === QueryOpcode.READ_ATTR || opcode === QueryOpcode.READ_FLAG;
}

function padded(cdb: Uint8Array): Uint8Array {
  const whole = new Uint8Array(CDB_BYTES);
  whole.set(cdb);
  return whole;
}

function ioError(what: string, how: string): BlkError {
  return new BlkError("EIO", "ufshcd_exec_dev_cmd", `${what} ${how}`);
}

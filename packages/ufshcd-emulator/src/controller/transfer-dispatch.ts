import {
  commandExpectedBytes,
  Hce,
  Is,
  Ocs,
  parseQueryFields,
  parseUpiuHeader,
  Reg,
  UpiuTransaction,
  UTP_CMD_TYPE_UFS_STORAGE,
} from "../ufshci/index.js";
import type { CryptoEngine } from "./crypto-engine.js";
import type { CryptoKeyslot } from "./crypto-keyslot.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { FaultKind } from "./fault-plan.js";
import type { HostCore } from "./host-core.js";
import { buildResponse } from "./response.js";
import type { Transfer } from "./transfer.js";

const COMMAND_DESC_ALIGNMENT = 128;
const COMMAND_FAULTS: readonly FaultKind[] = [
  "controllerFatal",
  "deviceFatal",
  "lostCompletion",
  "lostInterrupt",
  "slowCommand",
];
const ENCRYPTED_FAULTS: readonly FaultKind[] = ["engineFault", "engineFatal", ...COMMAND_FAULTS];
const FATAL_BITS: Readonly<Partial<Record<FaultKind, number>>> = {
  controllerFatal: Is.HCFES,
  deviceFatal: Is.DFES,
  engineFatal: Is.CEFES,
};

/** Finds out what a fetched request asks for, has the device do it, and answers. */
export class TransferDispatch {
  readonly #core: HostCore;
  readonly #device: UfsDevice;
  readonly #crypto: CryptoEngine | null;
  readonly #onFatal: (is: number) => void;

  /** @param onFatal - called instead of ending a request: the controller stops */
  constructor(core: HostCore, device: UfsDevice, crypto: CryptoEngine | null, onFatal: (is: number) => void) {
    this.#core = core;
    this.#device = device;
    this.#crypto = crypto;
    this.#onFatal = onFatal;
  }

  /** Starts a request; an OCS when it has ended at once, null for a command under way, which ends by itself. */
  start(transfer: Transfer): Ocs | null {
    const ocs = this.#fetchUpiu(transfer);
    if (ocs !== Ocs.SUCCESS) return ocs;
    if (this.#device.isHibernating) return Ocs.PEER_COMM_FAILURE;
    switch (transfer.header.transaction) {
      case UpiuTransaction.COMMAND:
        return this.#command(transfer);
      case UpiuTransaction.QUERY_REQ:
        return this.#query(transfer);
      case UpiuTransaction.NOP_OUT:
        transfer.answer = UpiuTransaction.NOP_IN;
        return Ocs.SUCCESS;
      default:
        transfer.answer = UpiuTransaction.REJECT;
        return Ocs.SUCCESS;
    }
  }

  /** Sends the answer of a request that has ended well so far; an OCS. */
  sendResponse(transfer: Transfer): Ocs {
    const { utrd, response } = transfer;
    const bytes = buildResponse(transfer);
    if (bytes > utrd.responseBytes) return Ocs.MISMATCH_RESP_UPIU_SIZE;
    const sent = this.#core.dma.write(utrd.commandDescBase + utrd.responseOffsetBytes, response.subarray(0, bytes));
    return sent ? Ocs.SUCCESS : Ocs.INVALID_CMD_TABLE_ATTR;
  }

  /** Tells observers that a request has left the controller. */
  observeEnd({ header, isCommand, query, runner }: Transfer, ocs: number): void {
    if (!this.#core.events.isObserved) return;
    if (isCommand) {
      const { tag, lun, opcode, status } = runner.task;
      this.#core.events.emit({ type: "commandEnded", tag, lun, opcode, ocs, status });
    } else {
      const opcode = header.transaction === UpiuTransaction.QUERY_RSP ? query.opcode : -1;
      const { taskTag: tag, response: result } = header;
      this.#core.events.emit({ type: "deviceManagement", tag, opcode, idn: query.idn, result, ocs });
    }
  }

  #fetchUpiu(transfer: Transfer): Ocs {
    const { utrd, request, header } = transfer;
    const wellFormed =
      utrd.commandType === UTP_CMD_TYPE_UFS_STORAGE && utrd.commandDescBase % COMMAND_DESC_ALIGNMENT === 0;
    if (!wellFormed || !this.#core.dma.read(utrd.commandDescBase, request)) return Ocs.INVALID_CMD_TABLE_ATTR;
    parseUpiuHeader(request, 0, header);
    return Ocs.SUCCESS;
  }

  #query(transfer: Transfer): Ocs {
    const { header, query, request } = transfer;
    parseQueryFields(request, 0, query);
    header.response = this.#device.query.answer(header.func, query);
    transfer.data = this.#device.query.data;
    transfer.answer = UpiuTransaction.QUERY_RSP;
    return Ocs.SUCCESS;
  }

  #command(transfer: Transfer): Ocs | null {
    const { cdb, header, request, runner, utrd } = transfer;
    transfer.answer = UpiuTransaction.RESPONSE;
    transfer.isCommand = true;
    runner.task.start(header.lun, header.taskTag, cdb, commandExpectedBytes(request, 0));
    this.#observeStart(transfer);
    let keyslot: CryptoKeyslot | null = null;
    if (utrd.cryptoEnable) {
      const ocs = this.#checkCrypto(transfer);
      if (ocs !== Ocs.SUCCESS) return ocs;
      keyslot = this.#crypto!.slot(utrd.cryptoConfigIndex)!;
    }
    if (!this.#core.faults.isEmpty && this.#applyFault(transfer, keyslot)) {
      return transfer.fault?.kind === "engineFault" ? Ocs.GENERAL_CRYPTO_ERROR : null;
    }
    runner.start(utrd, keyslot);
    return null;
  }

  #checkCrypto({ utrd }: Transfer): Ocs {
    const enabled = (this.#core.registers.get(Reg.HCE) & Hce.CGE) !== 0;
    if (this.#crypto === null || !enabled) return Ocs.INVALID_CRYPTO_CONFIG;
    return this.#crypto.check(utrd.cryptoConfigIndex);
  }

  /** Whether a fault ends the command here and now. */
  #applyFault(transfer: Transfer, keyslot: CryptoKeyslot | null): boolean {
    const { runner, utrd } = transfer;
    const slotIndex = keyslot === null ? -1 : utrd.cryptoConfigIndex;
    const kinds = keyslot === null ? COMMAND_FAULTS : ENCRYPTED_FAULTS;
    const fault = this.#core.faults.take(kinds, runner.task.opcode, slotIndex);
    if (fault === null) return false;
    transfer.fault = fault;
    const fatal = FATAL_BITS[fault.kind];
    if (fatal !== undefined) this.#onFatal(fatal);
    return fatal !== undefined || fault.kind === "engineFault";
  }

  #observeStart({ runner, utrd }: Transfer): void {
    if (!this.#core.events.isObserved) return;
    const { tag, lun, opcode, expectedBytes: bytes } = runner.task;
    const slotIndex = utrd.cryptoEnable ? utrd.cryptoConfigIndex : -1;
    const dun = utrd.cryptoEnable ? (BigInt(utrd.dunHigh) << 32n) | BigInt(utrd.dunLow) : 0n;
    this.#core.events.emit({ type: "commandStarted", tag, lun, opcode, bytes, slotIndex, dun });
  }
}

import type { BlkRequest } from "@inlinecrypt/blk-core";
import { newUpiuHeader, newUtrd, type UpiuHeader, type Utrd } from "../ufshci/index.js";
import type { CoherentBuffer } from "./host-memory.js";

/** Room for a request or response UPIU in a command descriptor. @kernel include/ufs/ufshci.h: ALIGNED_UPIU_SIZE */
const ALIGNED_UPIU_BYTES = 512;

/** Room for what a command sends besides its CDB: UNMAP's parameter list has 24 bytes. */
export const PARAMETER_BYTES = 32;

/** Where the response UPIU is in a command descriptor. */
export const RESPONSE_AT: number = ALIGNED_UPIU_BYTES;
/** Where the parameters are in a command descriptor. */
export const PARAMETERS_AT: number = 2 * ALIGNED_UPIU_BYTES;
/** Where the PRDT is in a command descriptor. */
export const PRDT_AT: number = PARAMETERS_AT + PARAMETER_BYTES;

/**
 * What the driver keeps for one slot of the transfer request list. All memory is set aside at the start.
 *
 * @kernel include/ufs/ufshcd.h: ufshcd_lrb
 */
export class Lrb {
  /** Number in the list, and the task tag the device sees. */
  readonly slot: number;
  /** The command descriptor: request UPIU, response UPIU, parameters, PRDT. */
  readonly ucd: Uint8Array;
  /** Bus address of the command descriptor. */
  readonly address: number;
  /** The first of the windows that belong to this slot. */
  readonly firstWindow: number;
  /** Filled in anew for each command. */
  readonly utrd: Utrd = newUtrd();
  readonly header: UpiuHeader = newUpiuHeader();
  /** The request it carries; null for a command of the driver's own. */
  rq: BlkRequest | null = null;
  /** Windows in use. */
  mapped = 0;
  /** PRDT entries filled in. */
  prdtEntries = 0;
  /** The PRDT holds keys: it is wiped when the command ends. */
  holdsKeys = false;

  constructor(slot: number, descriptor: CoherentBuffer, firstWindow: number) {
    this.slot = slot;
    this.ucd = descriptor.bytes;
    this.address = descriptor.address;
    this.firstWindow = firstWindow;
    this.header.taskTag = slot;
    this.utrd.commandDescBase = descriptor.address;
    this.utrd.responseOffsetBytes = RESPONSE_AT;
    this.utrd.responseBytes = ALIGNED_UPIU_BYTES;
    this.utrd.prdtOffsetBytes = PRDT_AT;
  }
}

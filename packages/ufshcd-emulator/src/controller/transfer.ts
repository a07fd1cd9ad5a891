import {
  commandCdb,
  newQueryFields,
  newUpiuHeader,
  newUtrd,
  type Ocs,
  QUERY_DESC_MAX_BYTES,
  type QueryFields,
  UPIU_BYTES,
  type UpiuHeader,
  UpiuTransaction,
  type Utrd,
} from "../ufshci/index.js";
import type { CryptoEngine } from "./crypto-engine.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { FaultRule } from "./fault-plan.js";
import type { HostCore } from "./host-core.js";
import { TaskRunner } from "./task-runner.js";

/** The longest answer: a query's, with a descriptor. */
const RESPONSE_BYTES = UPIU_BYTES + QUERY_DESC_MAX_BYTES;

const NO_DATA = new Uint8Array(0);

/** One transfer request on its way through controller and device. Reused. */
export class Transfer {
  readonly utrd: Utrd = newUtrd();
  readonly header: UpiuHeader = newUpiuHeader();
  readonly query: QueryFields = newQueryFields();
  readonly request: Uint8Array = new Uint8Array(UPIU_BYTES);
  /** The command descriptor block in the request. */
  readonly cdb: Uint8Array = commandCdb(this.request, 0);
  readonly response: Uint8Array = new Uint8Array(RESPONSE_BYTES);
  readonly runner: TaskRunner;
  /** Entry of the transfer request list. */
  listIndex = 0;
  /** Whether a COMMAND UPIU is in it: only those are tasks. */
  isCommand = false;
  /** Transaction code of the answer. */
  answer: number = UpiuTransaction.REJECT;
  /** Data segment of the answer to a query. */
  data: Uint8Array = NO_DATA;
  fault: FaultRule | null = null;
  /** Whoever owned it has given it up; it is free once the medium lets go of its memory. */
  isOrphan = false;
  /** Cancels a completion that is late on purpose. */
  cancelDelay: (() => void) | null = null;

  /** @param onEnd - called when a command has ended, whether it is an orphan or not */
  constructor(
    core: HostCore,
    device: UfsDevice,
    crypto: CryptoEngine | null,
    onEnd: (transfer: Transfer, ocs: Ocs) => void,
  ) {
    this.runner = new TaskRunner(core.newDataTable(), device, crypto, (ocs) => onEnd(this, ocs));
  }

  /** A new request. */
  start(listIndex: number): void {
    this.listIndex = listIndex;
    this.isCommand = false;
    this.fault = null;
    this.isOrphan = false;
  }
}

import { ScsiStatus, Sense, UFS_SENSE_BYTES } from "../../ufshci/index.js";
import type { Medium } from "../medium.js";

/** Room for what commands answer, and for parameter lists, in bytes. */
export const TASK_BUFFER_BYTES = 256;

/** What the host has to do next for a task. */
export const TaskPhase = {
  /** Send the response. */
  DONE: 0,
  /** Send `buffer` from 0 to `bytes`. */
  DATA_IN: 1,
  /** Fetch `bytes` bytes into `buffer`, then ask the device to go on. */
  DATA_OUT: 2,
  /** Send `bytes` bytes of the medium. */
  READ: 3,
  /** Fetch `bytes` bytes onto the medium. */
  WRITE: 4,
  FLUSH: 5,
  /** Discard `bytes` bytes of the medium, then ask the device to go on. */
  DISCARD: 6,
} as const;
export type TaskPhase = (typeof TaskPhase)[keyof typeof TaskPhase];

const NO_CDB = new Uint8Array(16);

/** One SCSI command in the device: what was asked, and what the device wants done about it. Reused. */
export class ScsiTask {
  lun = 0;
  tag = 0;
  cdb: Uint8Array = NO_CDB;
  /** The most bytes the initiator expects to move. */
  expectedBytes = 0;
  phase: TaskPhase = TaskPhase.DONE;
  status = 0;
  /** A `Sense`, when the status is CHECK CONDITION. */
  senseCode: number = Sense.NO_SENSE;
  readonly buffer: Uint8Array = new Uint8Array(TASK_BUFFER_BYTES);
  /** How much of `buffer`, or of the medium, the phase is about. */
  bytes = 0;
  medium: Medium | null = null;
  /** Byte offset on the medium. */
  offset = 0;
  /** Whether the medium is flushed after the write (FUA). */
  flushAfter = false;

  get opcode(): number {
    return this.cdb[0]!;
  }

  /** A new command, which ends well and without data unless the device wants something else. */
  start(lun: number, tag: number, cdb: Uint8Array, expectedBytes: number): void {
    this.lun = lun;
    this.tag = tag;
    this.cdb = cdb;
    this.expectedBytes = expectedBytes;
    this.medium = null;
    this.bytes = 0;
    this.flushAfter = false;
    this.good();
  }

  /** Ends well, without data. */
  good(): void {
    this.phase = TaskPhase.DONE;
    this.status = ScsiStatus.GOOD;
  }

  /** Ends with CHECK CONDITION. */
  fail(sense: number): void {
    this.phase = TaskPhase.DONE;
    this.status = ScsiStatus.CHECK_CONDITION;
    this.senseCode = sense;
  }

  /** Answers with the first `bytes` of the buffer, cut to the command's allocation length. */
  reply(bytes: number, allocationBytes: number): void {
    this.bytes = Math.min(bytes, allocationBytes);
    if (this.bytes > 0) this.phase = TaskPhase.DATA_IN;
  }

  /** Asks for a parameter list. */
  wantParameters(bytes: number): void {
    this.bytes = bytes;
    this.phase = TaskPhase.DATA_OUT;
  }

  /** Asks for something to be done with a range of the medium. */
  wantMedium(phase: TaskPhase, medium: Medium, offset: number, bytes: number): void {
    this.medium = medium;
    this.offset = offset;
    this.bytes = bytes;
    this.phase = phase;
  }
}

/** Writes fixed-format sense data for `sense` at the start of `into`; 18 bytes. */
export function buildSense(into: Uint8Array, sense: number): void {
  into.fill(0, 0, UFS_SENSE_BYTES);
  into[0] = 0x70;
  into[2] = sense >>> 16;
  into[7] = UFS_SENSE_BYTES - 8;
  into[12] = sense >>> 8;
  into[13] = sense;
}

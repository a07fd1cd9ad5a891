import { BlkError, type BlockLayer, SECTOR_BYTES, type Volume } from "@inlinecrypt/blk-core";
import { NBD_MAX_PAYLOAD_BYTES, NbdFlag } from "../protocol/constants.js";
import type { NbdBlockSizes } from "../protocol/handshake.js";
import { isValidString } from "../protocol/option.js";
import type { RangeLock } from "./range-lock.js";

/** A volume under a name. */
export interface NbdExport {
  /** At most 4096 bytes of UTF-8 without NUL. Clients that ask for no name get the first export. */
  name: string;
  volume: Volume;
  /**
   * Refuse writes with EPERM.
   *
   * @default whether the volume's device is read-only
   */
  readOnly?: boolean;
  /** A sentence for people, shown by `nbdinfo --list`. */
  description?: string;
}

/** An export with what follows from its device. */
export class ServedExport {
  readonly name: string;
  readonly description: string;
  readonly volume: Volume;
  readonly layer: BlockLayer;
  readonly readOnly: boolean;
  readonly bytes: number;
  /** Reads and writes of the device are multiples of this; anything else is read-modify-write. */
  readonly blockBytes: number;
  readonly canDiscard: boolean;
  /** Zeroes go down as data: an encrypted hole would read back as noise, and some devices know no other way. */
  readonly zeroesAreData: boolean;
  readonly blockSizes: Readonly<NbdBlockSizes>;
  /** `NbdFlag`s. */
  readonly transmissionFlags: number;
  /** Shared with all exports of the same disk. */
  readonly rangeLock: RangeLock;
  /** Where the export starts on the disk, in bytes; the range lock counts from the disk's start. */
  readonly diskOffset: number;

  /** @throws BlkError EINVAL for a name or description that cannot go over the wire. */
  constructor(options: NbdExport, rangeLock: RangeLock) {
    const { volume } = options;
    const { limits, layer } = volume.bdev.queue;
    this.name = expectString("name", options.name);
    this.description = expectString("description", options.description ?? "");
    this.volume = volume;
    this.layer = layer;
    this.readOnly = options.readOnly === true || volume.bdev.readOnly;
    this.bytes = volume.bytes;
    this.blockBytes = volume.blockBytes;
    this.canDiscard = limits.maxDiscardSectors > 0;
    this.zeroesAreData = volume.key !== null || limits.maxWriteZeroesSectors === 0;
    this.blockSizes = {
      minimum: 1,
      // A striped device asks for its chunk, which may be larger than any request.
      preferred: Math.min(nextPowerOfTwo(Math.max(volume.blockBytes, limits.ioMinBytes)), NBD_MAX_PAYLOAD_BYTES),
      maximum: NBD_MAX_PAYLOAD_BYTES,
    };
    this.transmissionFlags = transmissionFlags(this.readOnly, this.canDiscard);
    this.rangeLock = rangeLock;
    this.diskOffset = volume.bdev.startSector * SECTOR_BYTES;
  }
}

/**
 * CAN_MULTI_CONN is true here: all connections send their bios to the one device behind the export and nothing is
 * cached above it, so a flush on one connection covers every write that was acknowledged on any of them.
 */
function transmissionFlags(readOnly: boolean, canDiscard: boolean): number {
  const flags = NbdFlag.HAS_FLAGS | NbdFlag.SEND_FLUSH | NbdFlag.SEND_FUA | NbdFlag.CAN_MULTI_CONN;
  if (readOnly) return flags | NbdFlag.READ_ONLY;
  return flags | NbdFlag.SEND_WRITE_ZEROES | (canDiscard ? NbdFlag.SEND_TRIM : 0);
}

function expectString(what: string, text: string): string {
  if (isValidString(text)) return text;
  throw new BlkError("EINVAL", "nbd_export", `the ${what} must be at most 4096 bytes of UTF-8 without NUL`);
}

function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

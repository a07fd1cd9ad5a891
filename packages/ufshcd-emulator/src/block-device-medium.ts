import {
  type Bio,
  type BioSet,
  BlkError,
  BlkStatus,
  type BlockDevice,
  PoolWaiter,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import type { Medium, MediumDone } from "./controller/index.js";

/** Operations at a time; a controller with more commands than this has some of them wait. */
const MAX_OPERATIONS = 32;
/** A bio has fewer than 2^32 bytes; an UNMAP may be about more. */
const MAX_DISCARD_BYTES = 2 ** 31;

/** What waits for a bio. */
interface PendingOperation {
  readonly opf: number;
  readonly offset: number;
  readonly bytes: number;
  readonly data: Uint8Array | null;
  readonly done: MediumDone;
}

/**
 * A medium on a block device: a file, by a loop device, or any stack. Its I/O has bios of its own, so that the bios above
 * it, which wait for it, cannot keep it from going on.
 */
export class BlockDeviceMedium implements Medium {
  readonly bytes: number;
  readonly #bdev: BlockDevice;
  readonly #bios: BioSet;
  readonly #pending: PendingOperation[] = [];
  readonly #waiter = new PoolWaiter(() => this.#submitPending());
  readonly #onBioEnd = (bio: Bio): void => {
    const done = bio.privateData as MediumDone;
    const ok = bio.status === BlkStatus.OK;
    bio.put();
    done(ok);
  };

  /** @throws BlkError EINVAL for a device that cannot make a range read as zeroes. */
  constructor(bdev: BlockDevice) {
    const { limits, layer } = bdev.queue;
    if (limits.maxWriteZeroesSectors === 0) {
      throw new BlkError("EINVAL", "ufs", `${bdev.name} cannot write zeroes, expected a device that can`);
    }
    this.bytes = bdev.bytes;
    this.#bdev = bdev;
    this.#bios = layer.newBioSet("ufs_medium", MAX_OPERATIONS);
  }

  read(offset: number, into: Uint8Array, done: MediumDone): void {
    this.#submit({ opf: ReqOp.READ, offset, bytes: into.length, data: into, done });
  }

  write(offset: number, from: Uint8Array, done: MediumDone): void {
    this.#submit({ opf: ReqOp.WRITE, offset, bytes: from.length, data: from, done });
  }

  flush(done: MediumDone): void {
    this.#submit({ opf: ReqOp.WRITE | ReqFlag.PREFLUSH, offset: 0, bytes: 0, data: null, done });
  }

  discard(offset: number, bytes: number, done: MediumDone): void {
    const piece = Math.min(bytes, MAX_DISCARD_BYTES);
    const goOn = (ok: boolean): void => (ok ? this.discard(offset + piece, bytes - piece, done) : done(false));
    this.#submit({ opf: ReqOp.WRITE_ZEROES, offset, bytes: piece, data: null, done: piece === bytes ? done : goOn });
  }

  #submit(operation: PendingOperation): void {
    this.#pending.push(operation);
    if (this.#pending.length === 1) this.#submitPending();
  }

  /** What is submitted is in the line no more: it may end, and bring this about again, before `#start` returns. */
  #submitPending(): void {
    while (this.#pending.length > 0) {
      const bio = this.#bios.tryAlloc(this.#bdev, this.#pending[0]!.opf);
      if (bio === null) return this.#bios.wait(this.#waiter);
      this.#start(bio, this.#pending.shift()!);
    }
  }

  #start(bio: Bio, { offset, bytes, data, done }: PendingOperation): void {
    bio.sector = offset / SECTOR_BYTES;
    if (data === null) bio.bytes = bytes;
    else bio.addBuffer(data, 0, bytes);
    bio.privateData = done;
    bio.onEndIo = this.#onBioEnd;
    this.#bdev.queue.layer.submitBio(bio);
  }
}

import {
  type Bio,
  BioQueue,
  BioSegments,
  BlkError,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  type CryptoProfile,
  GenDisk,
  opOf,
  type QueueLimitsInput,
  ReqOp,
  type RequestQueue,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { DelayedBios } from "./null-bios.js";
import { NullCmd } from "./null-cmd.js";

const { OK } = BlkStatus;
const { READ } = ReqOp;

/** Discards and zeroing take no data, so one of them may cover the largest bio. */
const MAX_NO_DATA_SECTORS = 2 ** 23 - 1;
const LIMITS: QueueLimitsInput = {
  maxDiscardSectors: MAX_NO_DATA_SECTORS,
  maxWriteZeroesSectors: MAX_NO_DATA_SECTORS,
};

export interface NullDiskOptions {
  /** Size, a multiple of 512. */
  bytes: number;
  /**
   * As it appears in messages.
   *
   * @default "nullb0"
   */
  name?: string;
  /**
   * What the disk takes: requests (`mq`), or bios as they are (`bio`).
   *
   * @default "mq"
   */
  mode?: "mq" | "bio";
  /**
   * When I/O is done: before the submission returns (`sync`), or `delayMs` later (`timer`).
   *
   * @default "sync"
   */
  completion?: "sync" | "timer";
  /**
   * Milliseconds until I/O is done with `completion: "timer"`, on the executor's clock.
   *
   * @default 1
   */
  delayMs?: number;
  /**
   * Most I/O at a time, 1 to 10240; more waits. `mode: "bio"` without a timer needs none.
   *
   * @default 64
   */
  queueDepth?: number;
  /**
   * Makes the disk one that encrypts inline: the data vanishes encrypted. Keyslots are got and put for requests, not for
   * `mode: "bio"`.
   */
  cryptoProfile?: CryptoProfile;
}

/**
 * A disk that stores nothing: writes vanish, reads return zeroes, and all succeeds. What is left is the cost of the block
 * layer, to be measured. (The kernel's leaves the memory of a read as it is. Ours may have been another client's.)
 *
 * @kernel drivers/block/null_blk/main.c
 */
export class NullDisk implements AsyncDisposable {
  readonly disk: GenDisk;
  readonly #layer: BlockLayer;
  /** Null: I/O is done at once. */
  readonly #delayMs: number | null;
  readonly #delayedBios: DelayedBios | null;
  readonly #segments = new BioSegments();
  #closed: Promise<void> | null = null;

  /** @throws BlkError EINVAL when an option is out of range. */
  constructor(layer: BlockLayer, options: NullDiskOptions) {
    const { bytes, name = "nullb0", mode = "mq", completion = "sync", delayMs = 1, queueDepth = 64 } = options;
    checkOptions(name, bytes, delayMs, queueDepth);
    this.#layer = layer;
    this.#delayMs = completion === "timer" ? delayMs : null;
    this.#delayedBios =
      mode === "bio" && this.#delayMs !== null ? new DelayedBios(layer.executor, this.#delayMs, queueDepth) : null;
    const queue = mode === "mq" ? this.#mqQueue(queueDepth) : this.#bioQueue();
    if (options.cryptoProfile !== undefined) queue.registerCryptoProfile(options.cryptoProfile);
    this.disk = new GenDisk({ name, queue, sectorCount: bytes / SECTOR_BYTES });
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /** Refuses new I/O and waits for what was accepted. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.disk.close().then(() => this.#delayedBios?.drained());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mqQueue(queueDepth: number): RequestQueue {
    const endRq = (rq: BlkRequest): void => rq.complete(OK);
    const ops = {
      initRequest: (rq: BlkRequest): void => {
        rq.driverData = new NullCmd<BlkRequest>(endRq);
      },
      queueRq: (rq: BlkRequest): BlkStatus => {
        if (opOf(rq.opf) === READ) this.#zeroFill(rq.bio);
        if (this.#delayMs === null) rq.complete(OK);
        else (rq.driverData as NullCmd<BlkRequest>).start(this.#layer.executor, rq, this.#delayMs);
        return OK;
      },
    };
    return new BlkMqQueue(this.#layer, { ops, limits: LIMITS, queueDepth });
  }

  #bioQueue(): RequestQueue {
    const submitBio = (bio: Bio): void => {
      if (opOf(bio.opf) === READ) this.#zeroFill(bio);
      if (this.#delayedBios === null) bio.endIo();
      else this.#delayedBios.submit(bio);
    };
    return new BioQueue(this.#layer, { submitBio }, LIMITS);
  }

  #zeroFill(bio: Bio | null): void {
    const segments = this.#segments;
    for (segments.start(bio); segments.next(); ) {
      segments.data.fill(0, segments.offset, segments.offset + segments.bytes);
    }
  }
}

function checkOptions(name: string, bytes: number, delayMs: number, queueDepth: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes % SECTOR_BYTES !== 0) {
    throw new BlkError("EINVAL", name, `${bytes} bytes, expected a multiple of ${SECTOR_BYTES}`);
  }
  if (!(delayMs >= 0)) throw new BlkError("EINVAL", name, `delayMs is ${delayMs}, expected 0 or more`);
  if (!Number.isInteger(queueDepth) || queueDepth < 1 || queueDepth > 10240) {
    throw new BlkError("EINVAL", name, `queueDepth is ${queueDepth}, expected 1 to 10240`);
  }
}

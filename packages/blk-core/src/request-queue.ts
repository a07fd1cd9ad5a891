import type { Bio } from "./bio.js";
import { checkAgain, mayGoOn } from "./bio-checks.js";
import { BioList } from "./bio-list.js";
import { type CryptoProfile, noCryptoProfile } from "./blk-crypto.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkError } from "./errors.js";
import type { GenDisk } from "./gendisk.js";
import type { QueueLimits, QueueLimitsInput } from "./limits.js";
import { ReqFlag } from "./opf.js";
import { QueueUsage } from "./queue-usage.js";
import { BlkStatus } from "./status.js";
import { validateLimits } from "./validate-limits.js";

const { AGAIN, IOERR } = BlkStatus;
const { NOWAIT } = ReqFlag;

/**
 * A device's entry for bios, with its limits and crypto profile. `BlkMqQueue` makes requests of them; `BioQueue` hands
 * them to a stacking driver.
 *
 * @kernel include/linux/blkdev.h: request_queue
 */
export abstract class RequestQueue {
  readonly layer: BlockLayer;
  /** The disk whose I/O this queue takes; null until there is one. */
  disk: GenDisk | null = null;
  #limits: QueueLimits;
  #cryptoProfile: CryptoProfile = noCryptoProfile;
  readonly #usage = new QueueUsage();
  /** Bios that came while the queue was frozen. */
  readonly #held = new BioList();

  constructor(layer: BlockLayer, limits: QueueLimitsInput) {
    this.layer = layer;
    this.#limits = validateLimits(limits);
  }

  /** Takes a bio into the queue, which now counts. True: not so, it goes on to another device. */
  protected abstract takeBio(bio: Bio): boolean;

  /**
   * Takes a checked bio, which waits while the queue is frozen; the block layer calls this. True: the bio names another
   * device now, and has yet to be checked and submitted there.
   *
   * @kernel block/blk-core.c: bio_queue_enter
   */
  submitBio(bio: Bio): boolean {
    if (!this.#usage.isFrozen) return this.takeBio(bio);
    this.#hold(bio);
    return false;
  }

  #hold(bio: Bio): void {
    if ((bio.opf & NOWAIT) !== 0) bio.endIoWith(AGAIN);
    else if (!this.isLive) bio.endIoWith(IOERR);
    else this.#held.append(bio);
  }

  get isLive(): boolean {
    return this.#usage.isLive;
  }

  /** Whether new bios wait because of `freeze`. */
  get isFrozen(): boolean {
    return this.#usage.isFrozen;
  }

  /** Requests this queue has taken and not ended, and bios that wait for one. 0 for bio-based drivers: see `BioQueue`. */
  get inFlight(): number {
    return this.#usage.count;
  }

  get limits(): QueueLimits {
    return this.#limits;
  }

  /**
   * Changes limits: all of `changes` or, when they make no sense together, none. For drivers that learn about their
   * device, and stacking drivers that load a table, while no I/O is in flight.
   *
   * @throws BlkError EBUSY while I/O is in flight: freeze the queue first. EINVAL for limits that make no sense, and for
   * integrity on a queue with a crypto profile, because the device would make it of plaintext.
   * @kernel block/blk-settings.c: queue_limits_commit_update
   */
  commitLimits(changes: QueueLimitsInput): void {
    const op = "queue_limits_commit_update";
    if (this.inFlight > 0) throw new BlkError("EBUSY", op, `${this.inFlight} I/Os are in flight, expected none`);
    const limits = validateLimits(changes, this.#limits);
    if (limits.integrity !== null && this.#cryptoProfile !== noCryptoProfile) {
      throw new BlkError("EINVAL", op, "integrity and inline encryption are not supported together");
    }
    this.#limits = limits;
  }

  get cryptoProfile(): CryptoProfile {
    return this.#cryptoProfile;
  }

  /**
   * Says that the device encrypts inline, as the profile describes. False, with a trace, on a queue with integrity: the
   * device would make protection information of plaintext. Contexts then go to the fallback.
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_register
   */
  registerCryptoProfile(profile: CryptoProfile): boolean {
    if (this.#limits.integrity !== null) {
      this.layer.tracer?.trace("blk_crypto_register", {
        refused: "integrity and inline encryption exclude each other",
      });
      return false;
    }
    this.#cryptoProfile = profile;
    return true;
  }

  /** Counts something this queue will end. @kernel block/blk-core.c: blk_queue_enter */
  protected enter(): void {
    this.#usage.enter();
  }

  /** @kernel block/blk-core.c: blk_queue_exit */
  protected exit(): void {
    this.#usage.exit();
  }

  /**
   * Makes new bios wait, and resolves when all accepted ones have ended: nothing is in flight until `unfreeze`. Nests.
   * Reads whose protection information is being checked are with the queue no more, and may end later.
   *
   * @kernel block/blk-mq.c: blk_mq_freeze_queue
   */
  freeze(): Promise<void> {
    return this.#usage.freeze();
  }

  /**
   * Undoes one `freeze`; after the last the bios that waited go on, in order, as new limits want them: those that are
   * unaligned now end with IOERR, and what a device without a write cache has not to flush ends well.
   *
   * @kernel block/blk-mq.c: blk_mq_unfreeze_queue
   */
  unfreeze(): void {
    if (!this.#usage.unfreeze()) return;
    while (!this.#usage.isFrozen) {
      const bio = this.#held.shift();
      if (bio === null) return;
      if (mayGoOn(bio, checkAgain(bio))) this.layer.submitBioNoacctNocheck(bio);
    }
  }

  /**
   * Refuses new bios, ends those that wait for `unfreeze` with IOERR, and resolves when all accepted ones have ended, as
   * `freeze` says. Idempotent.
   *
   * @kernel block/genhd.c: blk_mark_disk_dead; block/blk-mq.c: blk_mq_freeze_queue
   */
  drain(): Promise<void> {
    const drained = this.#usage.drain();
    for (let bio = this.#held.shift(); bio !== null; bio = this.#held.shift()) bio.endIoWith(IOERR);
    return drained;
  }
}

import type { Bio } from "./bio.js";
import { type CryptoProfile, noCryptoProfile } from "./blk-crypto.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkBug, BlkError } from "./errors.js";
import type { GenDisk } from "./gendisk.js";
import type { QueueLimits, QueueLimitsInput } from "./limits.js";
import { validateLimits } from "./validate-limits.js";

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
  #state: "live" | "draining" | "dead" = "live";
  #inFlight = 0;
  #drained: (() => void) | null = null;
  #drainPromise: Promise<void> | null = null;

  constructor(layer: BlockLayer, limits: QueueLimitsInput) {
    this.layer = layer;
    this.#limits = validateLimits(limits);
  }

  /** Takes a checked bio; the block layer calls this. */
  abstract submitBio(bio: Bio): void;

  get isLive(): boolean {
    return this.#state === "live";
  }

  /** Bios or requests this queue has taken and not ended. */
  get inFlight(): number {
    return this.#inFlight;
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
    this.#inFlight++;
  }

  /** @kernel block/blk-core.c: blk_queue_exit */
  protected exit(): void {
    if (this.#inFlight === 0) throw new BlkBug("a queue ended more than it took");
    this.#inFlight--;
    if (this.#inFlight === 0 && this.#drained !== null) this.#drained();
  }

  /**
   * Refuses new bios and resolves when all accepted ones have ended. Idempotent.
   *
   * @kernel block/blk-mq.c: blk_freeze_queue_start, blk_mq_freeze_queue_wait
   */
  drain(): Promise<void> {
    this.#drainPromise ??= this.#startDrain();
    return this.#drainPromise;
  }

  async #startDrain(): Promise<void> {
    this.#state = "draining";
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.#state = "dead";
  }
}

import type { Bio } from "./bio.js";
import { type CryptoProfile, noCryptoProfile } from "./blk-crypto.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkBug } from "./errors.js";
import { type QueueLimits, validateLimits } from "./limits.js";

/**
 * A device's entry for bios, with its limits and crypto profile. `BlkMqQueue` makes requests of them; `BioQueue` hands
 * them to a stacking driver.
 *
 * @kernel include/linux/blkdev.h: request_queue
 */
export abstract class RequestQueue {
  readonly layer: BlockLayer;
  readonly limits: QueueLimits;
  #cryptoProfile: CryptoProfile = noCryptoProfile;
  #state: "live" | "draining" | "dead" = "live";
  #inFlight = 0;
  #drained: (() => void) | null = null;
  #drainPromise: Promise<void> | null = null;

  constructor(layer: BlockLayer, limits: Partial<QueueLimits>) {
    this.layer = layer;
    this.limits = validateLimits(limits);
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

  get cryptoProfile(): CryptoProfile {
    return this.#cryptoProfile;
  }

  /**
   * Says that the device encrypts inline, as the profile describes.
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_register
   */
  registerCryptoProfile(profile: CryptoProfile): void {
    this.#cryptoProfile = profile;
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

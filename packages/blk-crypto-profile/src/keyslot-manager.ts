import {
  BlkBug,
  BlkStatus,
  type BlockLayer,
  type CryptoKeyRef,
  KEYSLOT_PENDING,
  type Keyslot,
  type KeyslotResult,
  type KeyslotWaiter,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { asBlkCryptoKey } from "./blk-crypto-key.js";
import { CryptoTracepoints } from "./crypto-tracepoints.js";
import { HwAccess, type HwClient } from "./hw-access.js";
import { IdleSlots } from "./idle-slots.js";
import { type KeyslotInfo, ProfileKeyslot } from "./keyslot.js";
import { type LlOps, NO_SLOT } from "./ll-ops.js";
import { codeOfError, statusOfError } from "./op-error.js";
import type { RuntimePm } from "./runtime-pm.js";
import { WaiterList } from "./waiter-list.js";

const { OK } = BlkStatus;

/**
 * Which key is in which keyslot, and who waits for one.
 *
 * A key that is in a slot is used there, by any number of requests at a time, without asking the driver. Otherwise the
 * slot unused for longest is programmed; while all are in use, I/O waits, first come first served.
 *
 * @kernel block/blk-crypto-profile.c
 */
export class KeyslotManager implements HwClient {
  readonly slotCount: number;
  readonly hw: HwAccess;
  readonly tracepoints: CryptoTracepoints = new CryptoTracepoints();
  readonly #layer: BlockLayer;
  readonly #llOps: LlOps;
  readonly #slots: ProfileKeyslot[] = [];
  readonly #idle = new IdleSlots();
  readonly #waiters = new WaiterList();
  readonly #ready = new WaiterList();
  readonly #serveWork = new WorkItem(() => this.#serveWaiters());
  readonly #tryReuseFor = (waiter: KeyslotWaiter): boolean => this.#tryReuse(waiter);
  /** Where the last key was found. */
  #lastUsed: ProfileKeyslot | null = null;
  /** Reprogrammings under way or in line. The hardware has lost its keys: what the slots say is not true yet. */
  #reprogrammings = 0;

  constructor(layer: BlockLayer, llOps: LlOps, slotCount: number, dev: RuntimePm | null) {
    this.#layer = layer;
    this.#llOps = llOps;
    this.slotCount = slotCount;
    this.hw = new HwAccess(dev, this);
    for (let slotIndex = 0; slotIndex < slotCount; slotIndex++) {
      const slot = new ProfileKeyslot(slotIndex);
      this.#slots.push(slot);
      this.#idle.append(slot);
    }
  }

  /** @kernel block/blk-crypto-profile.c: blk_crypto_get_keyslot */
  get(waiter: KeyslotWaiter): KeyslotResult {
    const lastUsed = this.#lastUsed;
    if (lastUsed === null || lastUsed.key !== waiter.key) return this.#getOther(waiter);
    // Most I/O asks for the key of the I/O before it: no calls on that path.
    lastUsed.hits++;
    lastUsed.references++;
    waiter.slot = lastUsed;
    return OK;
  }

  #getOther(waiter: KeyslotWaiter): KeyslotResult {
    waiter.slot = null;
    if (this.slotCount === 0) return OK;
    if (this.#tryReuse(waiter)) return OK;
    const result = this.#programNowOrWait(waiter);
    if (result === KEYSLOT_PENDING) {
      waiter.waitingSinceMs = this.#layer.executor.nowMs();
      this.tracepoints.keyslotWait.emit?.(asBlkCryptoKey(waiter.key!));
    }
    return result;
  }

  /** @kernel block/blk-crypto-profile.c: blk_crypto_put_keyslot */
  put(keyslot: Keyslot): void {
    const slot = keyslot as ProfileKeyslot;
    slot.references--;
    if (slot.references > 0) return;
    if (slot.references < 0) throw putTooOften(slot);
    this.#idle.append(slot);
    if (this.#waiters.first !== null) this.#wakeWaiters();
  }

  /** @kernel block/blk-crypto-profile.c: __blk_crypto_evict_key */
  async evict(key: CryptoKeyRef): Promise<void> {
    if (this.slotCount === 0 && this.#llOps.keyslotEvict === undefined) return;
    try {
      await this.hw.run(() => this.#evict(key));
    } catch (error) {
      // The device does not wake. Whoever evicts a key forgets it, so its slot must.
      const code = codeOfError(error);
      await this.hw.runLocked(() => {
        for (const slot of this.#unlink(key)) this.#trace("blk_crypto_evict_key", slot.slotIndex, code);
      });
    }
  }

  /** @kernel block/blk-crypto-profile.c: blk_crypto_reprogram_all_keys */
  reprogramAll(): Promise<void> {
    // From here on, not from when those before have ended: meanwhile nobody may get a slot whose key is gone.
    this.#reprogrammings++;
    this.#lastUsed = null;
    return this.hw.runLocked(async () => {
      try {
        for (const slot of this.#slots) if (slot.key !== null) await this.#reprogram(slot, slot.key);
      } finally {
        this.#reprogrammings--;
      }
    });
  }

  /** The slots as they are now, for display. */
  table(): KeyslotInfo[] {
    return this.#slots.map((slot) => slot.info());
  }

  /** @throws BlkBug while a low-level op runs, or I/O uses a slot or waits for one. */
  destroy(): void {
    const refuse = (why: string): never => {
      throw new BlkBug(`a crypto profile is destroyed while ${why}`);
    };
    if (this.#waiters.first !== null) refuse("I/O waits for its keyslots");
    if (this.hw.isBusy) refuse("a low-level op runs");
    for (const slot of this.#slots) if (slot.references > 0) refuse(`keyslot ${slot.slotIndex} is in use`);
    for (const slot of this.#slots) slot.hold(null);
    this.#lastUsed = null;
  }

  /** For `HwAccess`: someone may enter now, or a device that was woken may be let go. */
  hwFree(): void {
    if (this.hw.isAwakeForIo) this.#layer.executor.queueWork(this.#serveWork);
    else this.#wakeWaiters();
  }

  /** For `HwAccess`: I/O fails that has waited for the device to wake; the next tries anew. */
  resumeFailed(status: BlkStatus): void {
    const waiter = this.#waiters.shift();
    if (waiter !== null) this.#answer(waiter, status);
    this.#wakeWaiters();
  }

  /** A linear search: no allocation, and slots are few. */
  #find(key: CryptoKeyRef): ProfileKeyslot | null {
    for (let slotIndex = 0; slotIndex < this.#slots.length; slotIndex++) {
      if (this.#slots[slotIndex]!.key === key) return this.#slots[slotIndex]!;
    }
    return null;
  }

  /** @kernel block/blk-crypto-profile.c: blk_crypto_find_and_grab_keyslot */
  #tryReuse(waiter: KeyslotWaiter): boolean {
    const slot = this.#reprogrammings > 0 ? null : this.#find(waiter.key!);
    if (slot === null) return false;
    slot.hits++;
    this.#take(slot, waiter);
    return true;
  }

  #take(slot: ProfileKeyslot, waiter: KeyslotWaiter): void {
    slot.references++;
    waiter.slot = slot;
    this.#lastUsed = this.#reprogrammings > 0 ? null : slot;
  }

  #programNowOrWait(waiter: KeyslotWaiter): KeyslotResult {
    const isNext = this.#waiters.first === null && this.#idle.oldest() !== null;
    const entered = isNext ? this.hw.tryEnter() : KEYSLOT_PENDING;
    if (entered === OK) return this.#programEntered(waiter);
    if (entered === KEYSLOT_PENDING) this.#waiters.append(waiter);
    return entered;
  }

  /** The hardware is entered; it is left when the driver is done. */
  #programEntered(waiter: KeyslotWaiter): KeyslotResult {
    // A device that wakes may have given a slot, and this very key, to other I/O.
    const slot = this.#tryReuse(waiter) ? null : this.#idle.oldest();
    if (slot !== null) return this.#program(waiter, slot);
    if (waiter.slot === null) this.#waiters.append(waiter);
    this.hw.exit();
    return waiter.slot === null ? KEYSLOT_PENDING : OK;
  }

  /** Programs an idle slot, which keeps its place among them until that has succeeded. */
  #program(waiter: KeyslotWaiter, slot: ProfileKeyslot): KeyslotResult {
    slot.distrust(waiter.key!);
    let settled: void | Promise<void>;
    try {
      settled = this.#llOps.keyslotProgram!(asBlkCryptoKey(waiter.key!), slot.slotIndex);
    } catch (error) {
      return this.#programFailed(waiter, slot, error);
    }
    if (settled === undefined) return this.#programmed(waiter, slot);
    settled.then(
      () => this.#answer(waiter, this.#programmed(waiter, slot)),
      (error) => this.#answer(waiter, this.#programFailed(waiter, slot, error)),
    );
    return KEYSLOT_PENDING;
  }

  #programmed(waiter: KeyslotWaiter, slot: ProfileKeyslot): BlkStatus {
    slot.hold(waiter.key);
    slot.programmings++;
    this.#idle.remove(slot);
    this.#take(slot, waiter);
    this.#traceProgram(waiter.key!, slot, OK);
    this.hw.exit();
    return OK;
  }

  #programFailed(waiter: KeyslotWaiter, slot: ProfileKeyslot, error: unknown): BlkStatus {
    this.hw.exit();
    const status = statusOfError(error);
    this.#traceProgram(waiter.key!, slot, status);
    return status;
  }

  async #reprogram(slot: ProfileKeyslot, key: CryptoKeyRef): Promise<void> {
    try {
      await this.#llOps.keyslotProgram!(asBlkCryptoKey(key), slot.slotIndex);
      slot.programmings++;
      this.#traceProgram(key, slot, OK);
    } catch (error) {
      slot.distrust(key);
      this.#traceProgram(key, slot, statusOfError(error));
      this.#trace("blk_crypto_reprogram_all_keys", slot.slotIndex, codeOfError(error));
    }
  }

  #evict(key: CryptoKeyRef): Promise<void> | undefined {
    if (this.slotCount === 0) return this.#callEvict(key, NO_SLOT);
    let settled: Promise<void> | undefined;
    for (const slot of this.#unlink(key)) {
      if (slot.references > 0) this.#trace("blk_crypto_evict_key", slot.slotIndex, "EBUSY");
      else if (settled === undefined) settled = this.#callEvict(key, slot.slotIndex);
      else settled = settled.then(() => this.#callEvict(key, slot.slotIndex));
    }
    return settled;
  }

  /** Makes the slots that hold a key, or may do so, forget it: one at most, unless programming has failed. */
  #unlink(key: CryptoKeyRef): ProfileKeyslot[] {
    const slots = this.#slots.filter((slot) => slot.mayHold(key));
    for (const slot of slots) {
      slot.hold(null);
      slot.evictions++;
    }
    return slots;
  }

  #callEvict(key: CryptoKeyRef, slotIndex: number): Promise<void> | undefined {
    const ended = (error?: unknown): void => this.#evictEnded(key, slotIndex, error);
    try {
      const settled = this.#llOps.keyslotEvict!(asBlkCryptoKey(key), slotIndex);
      if (settled !== undefined) return settled.then(() => ended(), ended);
    } catch (error) {
      ended(error);
      return undefined;
    }
    ended();
    return undefined;
  }

  #evictEnded(key: CryptoKeyRef, slotIndex: number, error: unknown): void {
    const status = error === undefined ? OK : statusOfError(error);
    if (error !== undefined) this.#trace("blk_crypto_evict_key", slotIndex, codeOfError(error));
    this.tracepoints.keyslotEvict.emit?.(asBlkCryptoKey(key), slotIndex, status);
  }

  /** Waiters are served from a work item: a slot may be put in interrupt context, and programming may take long. */
  #wakeWaiters(): void {
    if (this.#waiters.first !== null) this.#layer.executor.queueWork(this.#serveWork);
  }

  /** Looks for each waiter's key again before a slot is programmed: two waiters with one key need one programming. */
  #serveWaiters(): void {
    this.#grantReuse();
    while (this.#waiters.first !== null && this.#idle.oldest() !== null) {
      const entered = this.hw.tryEnter();
      if (entered === KEYSLOT_PENDING) return;
      const waiter = this.#waiters.shift()!;
      const result = entered === OK ? this.#programEntered(waiter) : entered;
      if (result !== KEYSLOT_PENDING) this.#answer(waiter, result);
      this.#grantReuse();
    }
    this.hw.leaveUnused();
  }

  /** Grants all waiters whose key is in a slot, wherever they are in the line; they cost the others nothing. */
  #grantReuse(): void {
    this.#waiters.moveMatching(this.#tryReuseFor, this.#ready);
    for (let waiter = this.#ready.shift(); waiter !== null; waiter = this.#ready.shift()) {
      this.#answer(waiter, OK);
    }
  }

  /** Answers a waiter that was told KEYSLOT_PENDING. */
  #answer(waiter: KeyslotWaiter, status: BlkStatus): void {
    const slot = waiter.slot as ProfileKeyslot | null;
    if (slot !== null) {
      const waitedMs = this.#layer.executor.nowMs() - waiter.waitingSinceMs;
      slot.countWait(waitedMs);
      this.tracepoints.keyslotGrant.emit?.(asBlkCryptoKey(waiter.key!), slot.slotIndex, waitedMs);
    }
    waiter.granted(status);
  }

  #traceProgram(key: CryptoKeyRef, slot: ProfileKeyslot, status: BlkStatus): void {
    this.tracepoints.keyslotProgram.emit?.(asBlkCryptoKey(key), slot.slotIndex, status);
  }

  #trace(event: string, slotIndex: number, error: string): void {
    this.#layer.tracer?.trace(event, { slotIndex, error });
  }
}

function putTooOften(slot: ProfileKeyslot): BlkBug {
  slot.references = 0;
  return new BlkBug(`keyslot ${slot.slotIndex} is put more often than got`);
}

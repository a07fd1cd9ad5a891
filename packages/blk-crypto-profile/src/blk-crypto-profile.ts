import {
  BlkBug,
  BlkError,
  BlkStatus,
  type BlockLayer,
  type CryptoConfig,
  type CryptoKeyRef,
  type CryptoProfile,
  errnoToStatus,
  KEYSLOT_PENDING,
  type Keyslot,
  type KeyslotResult,
  type KeyslotWaiter,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { BlkCryptoKey } from "./blk-crypto-key.js";
import { BLK_ENCRYPTION_MODE_MAX, type CryptoModeName, cryptoModeByName } from "./crypto-modes.js";
import { IdleSlots, ProfileKeyslot } from "./keyslot.js";
import { type LlOps, NO_SLOT } from "./ll-ops.js";
import { OpLock } from "./op-lock.js";
import { WaiterList } from "./waiter-list.js";

/** What a device's crypto engine can do. */
export interface CryptoCapabilities {
  /**
   * The data unit sizes of each mode, or-ed: `{ "AES-256-XTS": 512 | 4096 }`. Bit i stands for 2^i bytes.
   *
   * @kernel include/linux/blk-crypto-profile.h: blk_crypto_profile.modes_supported
   */
  modesSupported: Readonly<Partial<Record<CryptoModeName, number>>>;
  /** DUNs are 0 to 2^(8 n) - 1; n is 1 to 32. */
  maxDunBytesSupported: number;
  /** @default ["raw"] */
  keyTypesSupported?: readonly ("raw" | "hw-wrapped")[];
}

export interface BlkCryptoProfileOptions extends CryptoCapabilities {
  /** Keyslots of the engine, numbered from 0; 0: it takes keys some other way. */
  slotCount: number;
  /** @default {} */
  llOps?: LlOps;
}

/** One slot, for people to look at. */
export interface KeyslotInfo {
  slotIndex: number;
  /** Mode and data unit of the key it holds; null when empty. */
  key: { mode: CryptoModeName; dataUnitBytes: number } | null;
  /** I/O that uses it now. */
  references: number;
  /** How often a key has been programmed into it. */
  programmings: number;
}

/**
 * A device's inline encryption: what it can do, and which key is in which keyslot.
 *
 * A key that is in a slot is used there, by any number of requests at a time, without asking the driver. Otherwise the
 * slot unused for longest is programmed; while all are in use, I/O waits, first come first served.
 *
 * @kernel block/blk-crypto-profile.c
 */
export class BlkCryptoProfile implements CryptoProfile {
  readonly slotCount: number;
  readonly maxDunBytesSupported: number;
  readonly keyTypesSupported: readonly ("raw" | "hw-wrapped")[];
  // Asked for every encrypted bio: flags are cheaper than a search.
  readonly #takesRawKeys: boolean;
  readonly #takesWrappedKeys: boolean;
  /** Data unit sizes, by mode number. */
  readonly #dataUnitMasks = new Uint32Array(BLK_ENCRYPTION_MODE_MAX);
  readonly #layer: BlockLayer;
  readonly #llOps: LlOps;
  readonly #slots: ProfileKeyslot[] = [];
  readonly #idle = new IdleSlots();
  readonly #waiters = new WaiterList();
  readonly #ready = new WaiterList();
  readonly #lock = new OpLock(() => this.#wakeWaiters());
  readonly #serveWork = new WorkItem(() => this.#serveWaiters());
  readonly #tryReuseFor = (waiter: KeyslotWaiter): boolean => this.#tryReuse(waiter);
  /** Where the last key was found; most I/O asks for the same again. */
  #lastUsed: ProfileKeyslot | null = null;
  /** The hardware has lost its keys: what the slots say is not true yet. */
  #reprogramming = false;

  /**
   * @throws BlkError EINVAL for capabilities that make no sense, and for slots without the ops to fill and empty them.
   * @kernel block/blk-crypto-profile.c: blk_crypto_profile_init
   */
  constructor(layer: BlockLayer, options: BlkCryptoProfileOptions) {
    checkOptions(options);
    this.#layer = layer;
    this.#llOps = options.llOps ?? {};
    this.slotCount = options.slotCount;
    this.maxDunBytesSupported = options.maxDunBytesSupported;
    this.keyTypesSupported = [...(options.keyTypesSupported ?? ["raw"])];
    this.#takesRawKeys = this.keyTypesSupported.includes("raw");
    this.#takesWrappedKeys = this.keyTypesSupported.includes("hw-wrapped");
    for (const [name, mask] of Object.entries(options.modesSupported)) {
      this.#dataUnitMasks[cryptoModeByName(name).num] = mask;
    }
    for (let slotIndex = 0; slotIndex < this.slotCount; slotIndex++) {
      const slot = new ProfileKeyslot(slotIndex);
      this.#slots.push(slot);
      this.#idle.append(slot);
    }
  }

  /** @context hot. @kernel block/blk-crypto-profile.c: __blk_crypto_cfg_supported */
  supports(config: CryptoConfig): boolean {
    return (
      (this.dataUnitMask(config.modeNum) & config.dataUnitBytes) !== 0 &&
      config.dunBytes <= this.maxDunBytesSupported &&
      (config.keyType === "raw" ? this.#takesRawKeys : this.#takesWrappedKeys)
    );
  }

  /** Data unit sizes of a mode, or-ed; 0 when the mode is not supported. */
  dataUnitMask(modeNum: number): number {
    return this.#dataUnitMasks[modeNum] ?? 0;
  }

  /**
   * Gets a slot that holds `waiter.key`. OK: `waiter.slot` is set (null on a profile without slots). KEYSLOT_PENDING:
   * `waiter.granted` will be called from a work item or when the driver is done. Else programming failed.
   *
   * @context hot, may wait: no (the waiter waits)
   * @kernel block/blk-crypto-profile.c: blk_crypto_get_keyslot
   */
  getKeyslot(waiter: KeyslotWaiter): KeyslotResult {
    waiter.slot = null;
    if (this.slotCount === 0) return BlkStatus.OK;
    if (this.#tryReuse(waiter)) return BlkStatus.OK;
    const oldest = this.#waiters.first === null ? this.#idle.oldest() : null;
    if (oldest !== null && this.#lock.tryAcquire()) return this.#program(waiter, oldest);
    this.#waiters.append(waiter);
    return KEYSLOT_PENDING;
  }

  /** @context any. @throws BlkBug when nobody holds the slot. @kernel block/blk-crypto-profile.c: blk_crypto_put_keyslot */
  putKeyslot(keyslot: Keyslot): void {
    const slot = keyslot as ProfileKeyslot;
    if (slot.references === 0) throw new BlkBug(`keyslot ${slot.slotIndex} is put more often than got`);
    slot.references--;
    if (slot.references > 0) return;
    this.#idle.append(slot);
    this.#wakeWaiters();
  }

  /**
   * Removes a key from its slot. Not being in any is success. A key still used by I/O, or a driver's failure, is traced
   * as `blk_crypto_evict_key`; the profile forgets the key all the same.
   *
   * @kernel block/blk-crypto-profile.c: __blk_crypto_evict_key
   */
  evictKey(key: CryptoKeyRef): Promise<void> {
    return this.#lock.run(() => this.#evict(key));
  }

  /**
   * Programs every slot that has a key again, for hardware that lost its keys in a reset. I/O that asks for a slot
   * meanwhile waits. A slot that fails is traced and forgets its key: its next user programs it anew.
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_reprogram_all_keys
   */
  reprogramAllKeys(): Promise<void> {
    return this.#lock.run(async () => {
      this.#reprogramming = true;
      try {
        for (const slot of this.#slots) if (slot.key !== null) await this.#reprogram(slot, slot.key);
      } finally {
        this.#reprogramming = false;
      }
    });
  }

  /** The slots as they are now, for display. */
  slotTable(): KeyslotInfo[] {
    return this.#slots.map(({ slotIndex, key, references, programmings }) => ({
      slotIndex,
      key: key && { mode: asKey(key).mode.name, dataUnitBytes: key.dataUnitBytes },
      references,
      programmings,
    }));
  }

  /**
   * Forgets all keys; what the hardware still holds is the driver's to clear.
   *
   * @throws BlkBug while I/O uses a slot or waits for one.
   * @kernel block/blk-crypto-profile.c: blk_crypto_profile_destroy
   */
  [Symbol.dispose](): void {
    if (this.#waiters.first !== null)
      throw new BlkBug("a crypto profile is destroyed while I/O waits for its keyslots");
    for (const slot of this.#slots) {
      if (slot.references > 0)
        throw new BlkBug(`a crypto profile is destroyed while keyslot ${slot.slotIndex} is in use`);
      slot.key = null;
    }
  }

  /** A linear search: no allocation, and slots are few. */
  #find(key: CryptoKeyRef): ProfileKeyslot | null {
    if (this.#lastUsed?.key === key) return this.#lastUsed;
    for (let slotIndex = 0; slotIndex < this.#slots.length; slotIndex++) {
      if (this.#slots[slotIndex]!.key === key) return this.#slots[slotIndex]!;
    }
    return null;
  }

  /** @kernel block/blk-crypto-profile.c: blk_crypto_find_and_grab_keyslot */
  #tryReuse(waiter: KeyslotWaiter): boolean {
    const slot = this.#reprogramming ? null : this.#find(waiter.key!);
    if (slot === null) return false;
    this.#take(slot, waiter);
    return true;
  }

  #take(slot: ProfileKeyslot, waiter: KeyslotWaiter): void {
    slot.references++;
    waiter.slot = slot;
    this.#lastUsed = slot;
  }

  /**
   * Programs an idle slot, which keeps its place among them until that has succeeded. The lock is held on entry and
   * released when the driver is done.
   */
  #program(waiter: KeyslotWaiter, slot: ProfileKeyslot): KeyslotResult {
    // Whether or not programming succeeds, the slot can no longer be trusted to hold its former key.
    slot.key = null;
    let settled: void | Promise<void>;
    try {
      settled = this.#llOps.keyslotProgram!(asKey(waiter.key!), slot.slotIndex);
    } catch (error) {
      return this.#programFailed(error);
    }
    if (settled === undefined) return this.#programmed(waiter, slot);
    settled.then(
      () => waiter.granted(this.#programmed(waiter, slot)),
      (error) => waiter.granted(this.#programFailed(error)),
    );
    return KEYSLOT_PENDING;
  }

  #programmed(waiter: KeyslotWaiter, slot: ProfileKeyslot): BlkStatus {
    slot.key = waiter.key;
    slot.programmings++;
    this.#idle.remove(slot);
    this.#take(slot, waiter);
    this.#lock.release();
    return BlkStatus.OK;
  }

  #programFailed(error: unknown): BlkStatus {
    this.#lock.release();
    return errnoToStatus(errorCode(error));
  }

  async #reprogram(slot: ProfileKeyslot, key: CryptoKeyRef): Promise<void> {
    try {
      await this.#llOps.keyslotProgram!(asKey(key), slot.slotIndex);
      slot.programmings++;
    } catch (error) {
      slot.key = null;
      this.#trace("blk_crypto_reprogram_all_keys", slot.slotIndex, errorCode(error));
    }
  }

  #evict(key: CryptoKeyRef): void | Promise<void> {
    if (this.slotCount === 0) return this.#callEvict(key, NO_SLOT);
    const slot = this.#find(key);
    if (slot === null) return;
    slot.key = null;
    if (slot.references > 0) return this.#trace("blk_crypto_evict_key", slot.slotIndex, "EBUSY");
    return this.#callEvict(key, slot.slotIndex);
  }

  #callEvict(key: CryptoKeyRef, slotIndex: number): void | Promise<void> {
    const failed = (error: unknown): void => this.#trace("blk_crypto_evict_key", slotIndex, errorCode(error));
    try {
      return this.#llOps.keyslotEvict?.(asKey(key), slotIndex)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Waiters are served from a work item: a slot may be put in interrupt context, and programming may take long. */
  #wakeWaiters(): void {
    if (this.#waiters.first !== null) this.#layer.executor.queueWork(this.#serveWork);
  }

  /** Looks for each waiter's key again before a slot is programmed: two waiters with one key need one programming. */
  #serveWaiters(): void {
    this.#grantReuse();
    while (this.#waiters.first !== null) {
      const oldest = this.#idle.oldest();
      if (oldest === null || !this.#lock.tryAcquire()) return;
      const waiter = this.#waiters.shift()!;
      const result = this.#program(waiter, oldest);
      if (result !== KEYSLOT_PENDING) waiter.granted(result);
      this.#grantReuse();
    }
  }

  /** Grants all waiters whose key is in a slot, wherever they are in the line; they cost the others nothing. */
  #grantReuse(): void {
    this.#waiters.moveMatching(this.#tryReuseFor, this.#ready);
    for (let waiter = this.#ready.shift(); waiter !== null; waiter = this.#ready.shift()) waiter.granted(BlkStatus.OK);
  }

  #trace(event: string, slotIndex: number, error: string): void {
    this.#layer.tracer?.trace(event, { slotIndex, error });
  }
}

/** The block layer knows keys as references; profiles are where their bytes are needed. */
function asKey(key: CryptoKeyRef): BlkCryptoKey {
  if (key instanceof BlkCryptoKey) return key;
  throw new BlkBug("a key reached a crypto profile that is no BlkCryptoKey");
}

/** The errno name an error carries. A broken invariant is not a status: it goes on. */
function errorCode(error: unknown): string {
  if (error instanceof BlkBug) throw error;
  return (error as { code?: string }).code ?? "EIO";
}

function checkOptions(options: BlkCryptoProfileOptions): void {
  const { slotCount, maxDunBytesSupported, llOps } = options;
  if (!Number.isInteger(slotCount) || slotCount < 0) refuse(`slotCount is ${slotCount}, expected 0 or more`);
  if (!Number.isInteger(maxDunBytesSupported) || maxDunBytesSupported < 1 || maxDunBytesSupported > 32) {
    refuse(`maxDunBytesSupported is ${maxDunBytesSupported}, expected 1 to 32`);
  }
  if (slotCount > 0 && !(llOps?.keyslotProgram && llOps.keyslotEvict)) {
    refuse(`${slotCount} keyslots need the ops keyslotProgram and keyslotEvict`);
  }
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "blk_crypto_profile_init", message);
}

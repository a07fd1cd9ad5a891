import { BlkStatus } from "@inlinecrypt/blk-core";

interface ModelSlot {
  key: number | null;
  /** Keys the hardware may still hold there, because programming failed. */
  suspects: Set<number>;
  users: Set<number>;
}

/**
 * What the keyslot manager should do with hardware that answers at once, written the slow and obvious way. Keys and I/O
 * are numbers.
 */
export class KeyslotModel {
  readonly slots: ModelSlot[];
  /** Slots without users, the one to replace first in front. */
  readonly idle: number[];
  readonly waiting: { id: number; key: number }[] = [];
  readonly answers: Map<number, BlkStatus> = new Map();
  /** What the hardware and its device are told. */
  readonly log: string[] = [];
  /** Ops, and attempts to wake the device, that will fail. */
  failures = 0;
  wakeFailures = 0;
  readonly #hasDevice: boolean;
  #nextId = 0;

  constructor(slotCount: number, hasDevice: boolean) {
    this.#hasDevice = hasDevice;
    this.slots = Array.from({ length: slotCount }, () => ({ key: null, suspects: new Set(), users: new Set() }));
    this.idle = this.slots.map((_, slotIndex) => slotIndex);
  }

  get(wanted: number): void {
    const id = this.#nextId++;
    if (this.#reuse(id, wanted)) return;
    if (this.waiting.length === 0 && this.idle.length > 0) this.#program(id, wanted);
    else this.waiting.push({ id, key: wanted });
  }

  put(id: number): void {
    const slotIndex = this.slots.findIndex((slot) => slot.users.has(id));
    const { users } = this.slots[slotIndex]!;
    users.delete(id);
    if (users.size === 0) this.idle.push(slotIndex);
    while (this.waiting.length > 0 && this.idle.length > 0) {
      const { id: next, key: wanted } = this.waiting.shift()!;
      this.#program(next, wanted);
      for (const waiter of [...this.waiting]) {
        if (this.#reuse(waiter.id, waiter.key)) this.waiting.splice(this.waiting.indexOf(waiter), 1);
      }
    }
  }

  evict(evicted: number): void {
    const isAwake = this.#wake();
    for (const [slotIndex, slot] of this.slots.entries()) {
      if (slot.key !== evicted && !slot.suspects.has(evicted)) continue;
      slot.key = null;
      slot.suspects.clear();
      if (isAwake && slot.users.size === 0) this.#op(`evict ${slotIndex} ${evicted}`);
    }
    if (isAwake) this.#sleep();
  }

  /** Programs all keys again, without waking the device. */
  reprogram(): void {
    for (const [slotIndex, slot] of this.slots.entries()) {
      if (slot.key === null || this.#op(`program ${slotIndex} ${slot.key}`)) continue;
      slot.suspects.add(slot.key);
      slot.key = null;
    }
  }

  describe(): string {
    const slots = this.slots.map((slot) => `${slot.key !== null} ${slot.users.size}`);
    const answers = Array.from({ length: this.#nextId }, (_, id) => String(this.answers.get(id) ?? ""));
    return JSON.stringify({ log: this.log, slots, answers });
  }

  #reuse(id: number, wanted: number): boolean {
    const slotIndex = this.slots.findIndex((slot) => slot.key === wanted);
    if (slotIndex < 0) return false;
    this.#use(slotIndex, id);
    return true;
  }

  #program(id: number, wanted: number): void {
    if (!this.#wake()) {
      this.answers.set(id, BlkStatus.TIMEOUT);
      return;
    }
    const slotIndex = this.idle[0]!;
    const slot = this.slots[slotIndex]!;
    if (this.#op(`program ${slotIndex} ${wanted}`)) {
      slot.key = wanted;
      slot.suspects.clear();
      this.#use(slotIndex, id);
    } else {
      if (slot.key !== null) slot.suspects.add(slot.key);
      slot.suspects.add(wanted);
      slot.key = null;
      this.answers.set(id, BlkStatus.IOERR);
    }
    this.#sleep();
  }

  #use(slotIndex: number, id: number): void {
    if (this.idle.includes(slotIndex)) this.idle.splice(this.idle.indexOf(slotIndex), 1);
    this.slots[slotIndex]!.users.add(id);
    this.answers.set(id, BlkStatus.OK);
  }

  #op(what: string): boolean {
    this.log.push(what);
    if (this.failures === 0) return true;
    this.failures--;
    return false;
  }

  #wake(): boolean {
    if (!this.#hasDevice) return true;
    this.log.push("resume");
    if (this.wakeFailures === 0) return true;
    this.wakeFailures--;
    return false;
  }

  #sleep(): void {
    if (this.#hasDevice) this.log.push("put");
  }
}

/**
 * Random histories of the keyslot manager. With a synchronous driver a model predicts every programming, eviction and
 * grant exactly; with an asynchronous one, which ops settle when is random too, and what must always hold is checked.
 */
import { BlkStatus } from "@inlinecrypt/blk-core";
import type { BlkCryptoKey } from "@inlinecrypt/blk-crypto-profile";
import fc from "fast-check";
import { expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeRig, type Rig, type TestWaiter } from "./support.ts";

const SEED = 0x5107;
const KEYS: readonly BlkCryptoKey[] = Array.from({ length: 12 }, (_, fill) => makeKey(fill));

type Step =
  | { do: "get"; key: number }
  | { do: "put"; nth: number }
  | { do: "evict"; key: number }
  | { do: "fail" }
  | { do: "reprogram" }
  | { do: "settle" };

const key = fc.nat({ max: KEYS.length - 1 });
const step = (settles: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constant("put" as const), nth: fc.nat({ max: 20 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("evict" as const), key }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "fail" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "reprogram" }) },
    { weight: settles ? 8 : 0, arbitrary: fc.constant<Step>({ do: "settle" }) },
  );
const history = (settles: boolean): fc.Arbitrary<[number, Step[]]> =>
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.array(step(settles), { maxLength: 60, size: "max" }));

/** What the manager should do, written the slow and obvious way. */
class Model {
  readonly slots: { key: number | null; users: Set<number> }[];
  /** Slots without users, the one to replace first in front. */
  readonly idle: number[];
  readonly waiting: { id: number; key: number }[] = [];
  readonly answers = new Map<number, BlkStatus>();
  readonly log: string[] = [];
  failures = 0;
  #nextId = 0;

  constructor(slotCount: number) {
    this.slots = Array.from({ length: slotCount }, () => ({ key: null, users: new Set<number>() }));
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
    const slot = this.slots.find((each) => each.key === evicted);
    if (slot === undefined) return;
    slot.key = null;
    if (slot.users.size === 0) this.#op(`evict ${this.slots.indexOf(slot)} ${evicted}`);
  }

  reprogram(): void {
    for (const [slotIndex, slot] of this.slots.entries()) {
      if (slot.key !== null && !this.#op(`program ${slotIndex} ${slot.key}`)) slot.key = null;
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
    const slotIndex = this.idle[0]!;
    const programmed = this.#op(`program ${slotIndex} ${wanted}`);
    this.slots[slotIndex]!.key = programmed ? wanted : null;
    if (programmed) this.#use(slotIndex, id);
    else this.answers.set(id, BlkStatus.IOERR);
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
}

/** The real manager, driven by the same steps. */
class Driven {
  readonly rig: Rig;
  readonly waiters: TestWaiter[] = [];
  readonly controlOps: Promise<void>[] = [];

  constructor(slotCount: number) {
    this.rig = makeRig(new FakeHardware(...KEYS), { slotCount });
  }

  /** Waiters that hold a slot. */
  get holders(): TestWaiter[] {
    return this.waiters.filter((waiter) => waiter.slot !== null && waiter.answers[0] === BlkStatus.OK);
  }

  perform(action: Step): void {
    if (action.do === "get") this.waiters.push(this.rig.get(KEYS[action.key]!));
    if (action.do === "put" && this.holders.length > 0) this.rig.put(this.holders[action.nth % this.holders.length]!);
    if (action.do === "evict") this.controlOps.push(this.rig.profile.evictKey(KEYS[action.key]!));
    if (action.do === "reprogram") this.controlOps.push(this.rig.profile.reprogramAllKeys());
    if (action.do === "fail") this.rig.hardware.failures.push("EIO");
    if (action.do === "settle" && this.rig.hardware.isBusy) this.rig.hardware.settle();
  }

  describe(): string {
    const slots = this.rig.profile.slotTable().map((slot) => `${slot.key !== null} ${slot.references}`);
    const answers = this.waiters.map((waiter) => waiter.answers.join());
    return JSON.stringify({ log: this.rig.hardware.log, slots, answers });
  }

  checkInvariants(): void {
    const table = this.rig.profile.slotTable();
    const references = table.map(() => 0);
    for (const holder of this.holders) references[holder.slotIndex!]!++;
    expect(table.map((slot) => slot.references).join()).toBe(references.join());
    for (const waiter of this.waiters) expect(waiter.answers.length).toBeLessThanOrEqual(1);
  }

  /** Lets everything end, puts every slot, and expects every waiter to have had its answer. */
  async finish(): Promise<void> {
    for (let turn = 0; turn < 1000 && this.waiters.some((each) => each.answers.length === 0); turn++) {
      for (const holder of this.holders) this.rig.put(holder);
      await this.rig.settle();
      if (this.rig.hardware.isBusy) this.rig.hardware.settle();
      await this.rig.settle();
    }
    while (this.rig.hardware.isBusy) {
      this.rig.hardware.settle();
      await this.rig.settle();
    }
    await Promise.all(this.controlOps);
    for (const holder of this.holders) this.rig.put(holder);
    for (const waiter of this.waiters) expect(waiter.answers).toHaveLength(1);
    expectIdle(this.rig);
  }
}

it("[PROF-8] [PROF-9] [PROF-10] [PROF-11] [PROF-13] [PROF-15] [PROF-21] does exactly what the model says", async () => {
  await fc.assert(
    fc.asyncProperty(history(false), async ([slotCount, steps]) => {
      const model = new Model(slotCount);
      const driven = new Driven(slotCount);
      for (const action of steps) {
        const putId = action.do === "put" ? driven.waiters.indexOf(pick(driven.holders, action.nth)) : -1;
        driven.perform(action);
        await Promise.all(driven.controlOps);
        await driven.rig.settle();
        if (action.do === "get") model.get(action.key);
        if (putId >= 0) model.put(putId);
        if (action.do === "evict") model.evict(action.key);
        if (action.do === "reprogram") model.reprogram();
        if (action.do === "fail") model.failures++;
        expect(driven.describe()).toBe(model.describe());
      }
      await driven.finish();
    }),
    { seed: SEED, numRuns: 150 },
  );
});

it("[PROF-13] [PROF-14] [PROF-28] an asynchronous driver never sees two ops at once, and every waiter is answered", async () => {
  await fc.assert(
    fc.asyncProperty(history(true), async ([slotCount, steps]) => {
      const driven = new Driven(slotCount);
      driven.rig.hardware.asynchronous = true;
      const { log } = driven.rig.hardware;
      for (const action of steps) {
        const before = log.length;
        driven.perform(action);
        await driven.rig.settle();
        driven.checkInvariants();
        if (action.do !== "reprogram") expectIdleSlotsOnly(log.slice(before), driven);
      }
      await driven.finish();
    }),
    { seed: SEED, numRuns: 150 },
  );
});

function pick<T>(from: readonly T[], nth: number): T {
  return from[nth % from.length]!;
}

/** An op that began just now is on a slot nobody uses, except where all keys are programmed again. */
function expectIdleSlotsOnly(ops: readonly string[], driven: Driven): void {
  for (const op of ops) {
    const slotIndex = Number(op.split(" ")[1]);
    const holders = driven.holders.filter((holder) => holder.slotIndex === slotIndex);
    const isReprogramming = holders.some(
      (holder) => op === `program ${slotIndex} ${KEYS.indexOf(holder.key as never)}`,
    );
    if (!isReprogramming) expect(holders).toEqual([]);
  }
}

/**
 * Random histories of the keyslot manager, with more keys than slots, failing programs, resets, and a device that
 * sleeps. With hardware that answers at once a model predicts every call and every grant exactly; with hardware that
 * takes its time, which answer comes next is random too, and what must always hold is checked.
 */
import assert from "node:assert/strict"; // In loops that run a million times: vitest's own are slow.
import { BlkStatus } from "@inlinecrypt/blk-core";
import type { BlkCryptoKey } from "@inlinecrypt/blk-crypto-profile";
import fc from "fast-check";
import { it } from "vitest";
import { KeyslotModel } from "./keyslot-model.ts";
import { expectIdle, FakeHardware, FakePm, makeKey, makeRig, type Rig, type TestWaiter } from "./support.ts";

const SEED = Number(process.env.INLINECRYPT_SEED ?? 20261122);
const RUNS = 5000;
const KEYS: readonly BlkCryptoKey[] = Array.from({ length: 12 }, (_, fill) => makeKey(fill));

type Step =
  | { do: "get" | "evict"; key: number }
  | { do: "put"; nth: number }
  | { do: "fail" | "failToWake" | "reprogram" | "settleHardware" | "settleDevice" };

const key = fc.nat({ max: KEYS.length - 1 });
const step = (settles: boolean): fc.Arbitrary<Step> => {
  const only = (what: "fail" | "failToWake" | "reprogram" | "settleHardware" | "settleDevice"): fc.Arbitrary<Step> =>
    fc.constant<Step>({ do: what });
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constant("put" as const), nth: fc.nat({ max: 20 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("evict" as const), key }) },
    { weight: 1, arbitrary: only("fail") },
    { weight: 1, arbitrary: only("failToWake") },
    { weight: 1, arbitrary: only("reprogram") },
    { weight: settles ? 8 : 0, arbitrary: only("settleHardware") },
    { weight: settles ? 5 : 0, arbitrary: only("settleDevice") },
  );
};
const history = (settles: boolean): fc.Arbitrary<[number, boolean, Step[]]> =>
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.boolean(), fc.array(step(settles), { maxLength: 40, size: "max" }));

/** The real manager, driven by the same steps. */
class Driven {
  readonly rig: Rig;
  readonly pm: FakePm;
  readonly waiters: TestWaiter[] = [];
  readonly hasDevice: boolean;
  #controlOps: Promise<void>[] = [];

  constructor(slotCount: number, hasDevice: boolean) {
    const hardware = new FakeHardware(...KEYS);
    this.pm = new FakePm(hardware);
    this.hasDevice = hasDevice;
    this.rig = makeRig(hardware, { slotCount, ...(hasDevice && { dev: this.pm }) });
  }

  /** Waiters that hold a slot. */
  get holders(): TestWaiter[] {
    return this.waiters.filter((waiter) => waiter.slot !== null && waiter.answers[0] === BlkStatus.OK);
  }

  perform(action: Step): void {
    const { hardware, profile } = this.rig;
    if (action.do === "get") this.waiters.push(this.rig.get(KEYS[action.key]!));
    if (action.do === "put" && this.holders.length > 0) this.rig.put(pick(this.holders, action.nth));
    if (action.do === "evict") this.#controlOps.push(profile.evictKey(KEYS[action.key]!));
    if (action.do === "reprogram") this.#controlOps.push(profile.reprogramAllKeys());
    if (action.do === "fail") hardware.failures.push("EIO");
    if (action.do === "failToWake") this.pm.failures.push("ETIMEDOUT");
    if (action.do === "settleHardware" && hardware.isBusy) hardware.settle();
    if (action.do === "settleDevice" && this.pm.isResuming) this.pm.settle();
  }

  /** Waits for evictions and reprogramming, with hardware that answers at once. */
  async controlOpsDone(): Promise<void> {
    await Promise.all(this.#controlOps);
    this.#controlOps = [];
  }

  describe(): string {
    const slots = this.rig.profile.slotTable().map((slot) => `${slot.key !== null} ${slot.references}`);
    const answers = this.waiters.map((waiter) => waiter.answers.join());
    return JSON.stringify({ log: this.rig.hardware.log, slots, answers });
  }

  checkInvariants(): void {
    const { holders } = this;
    const references = this.rig.profile.slotTable().map((slot) => slot.references);
    for (const holder of holders) {
      references[holder.slotIndex!]!--;
      // The hardware has it there, too: it is what the I/O is encrypted with.
      assert.equal(this.rig.hardware.slots.get(holder.slotIndex!), holder.key);
    }
    assert(references.every((count) => count === 0));
    assert(this.waiters.every((waiter) => waiter.answers.length <= 1));
    if (!this.pm.isResuming && !this.rig.hardware.isBusy) assert.equal(this.pm.holders, 0);
  }

  /** An op that began just now is on a slot nobody uses, except where all keys are programmed again. */
  checkOps(ops: readonly string[]): void {
    for (const op of ops) {
      const [what, slotIndex, keyIndex] = op.split(" ");
      const holders = this.holders.filter((holder) => holder.slotIndex === Number(slotIndex));
      const isReprogramming = what === "program" && holders.some((holder) => holder.key === KEYS[Number(keyIndex)]);
      if (!isReprogramming) assert.deepEqual(holders, []);
    }
  }

  /** Lets everything end, puts every slot, and expects every waiter to have had its answer. */
  async finish(): Promise<void> {
    const { hardware } = this.rig;
    const isUnsettled = (): boolean =>
      hardware.isBusy || this.pm.isResuming || this.waiters.some((each) => each.answers.length === 0);
    for (let turn = 0; turn < 1000 && isUnsettled(); turn++) {
      for (const holder of this.holders) this.rig.put(holder);
      await this.rig.settle();
      if (hardware.isBusy) hardware.settle();
      if (this.pm.isResuming) this.pm.settle();
      await this.rig.settle();
    }
    await this.controlOpsDone();
    for (const holder of this.holders) this.rig.put(holder);
    assert(this.waiters.every((waiter) => waiter.answers.length === 1));
    assert.equal(this.pm.holders, 0);
    this.rig.executor.runUntilIdle();
    await this.#checkNothingLeft();
    expectIdle(this.rig);
  }

  /** Unless an eviction came too early or failed, evicting all keys leaves none in the hardware, whatever else failed. */
  async #checkNothingLeft(): Promise<void> {
    const { hardware, profile, tracer } = this.rig;
    if (tracer.events.some((event) => event.startsWith("blk_crypto_evict_key"))) return;
    hardware.asynchronous = false;
    this.pm.asynchronous = false;
    hardware.failures.length = 0;
    this.pm.failures.length = 0;
    for (const each of KEYS) await profile.evictKey(each);
    assert.equal(hardware.slots.size, 0);
  }
}

it(`[PROF-8] [PROF-9] [PROF-10] [PROF-11] [PROF-13] [PROF-15] [PROF-21] [PROF-26] [PROF-27] ${RUNS} histories go exactly as the model says (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(history(false), async ([slotCount, hasDevice, steps]) => {
      const model = new KeyslotModel(slotCount, hasDevice);
      const driven = new Driven(slotCount, hasDevice);
      for (const action of steps) {
        const putId = action.do === "put" ? driven.waiters.indexOf(pick(driven.holders, action.nth)) : -1;
        driven.perform(action);
        await driven.controlOpsDone();
        driven.rig.executor.runUntilIdle();
        if (action.do === "get") model.get(action.key);
        if (putId >= 0) model.put(putId);
        if (action.do === "evict") model.evict(action.key);
        if (action.do === "reprogram") model.reprogram();
        if (action.do === "fail") model.failures++;
        if (action.do === "failToWake") model.wakeFailures++;
        assert.equal(driven.describe(), model.describe());
      }
      await driven.finish();
    }),
    { seed: SEED, numRuns: RUNS },
  );
}, 120_000);

it(`[PROF-13] [PROF-14] [PROF-26] [PROF-28] ${RUNS} histories of an asynchronous driver: never two ops at once, every waiter answered (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(history(true), async ([slotCount, hasDevice, steps]) => {
      const driven = new Driven(slotCount, hasDevice);
      driven.rig.hardware.asynchronous = true;
      driven.pm.asynchronous = true;
      const { log } = driven.rig.hardware;
      for (const action of steps) {
        const before = log.length;
        driven.perform(action);
        await driven.rig.settle();
        driven.checkInvariants();
        if (action.do !== "reprogram") driven.checkOps(log.slice(before).filter((op) => op.includes(" ")));
      }
      await driven.finish();
    }),
    { seed: SEED, numRuns: RUNS },
  );
}, 120_000);

function pick<T>(from: readonly T[], nth: number): T {
  return from[nth % from.length]!;
}

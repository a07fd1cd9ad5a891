/** I/O, faults, lost register writes, suspends and resumes in any order, and a close in the middle of it. */
import { type BlkStatus, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import type { FaultRule } from "@inlinecrypt/ufshcd-emulator/controller";
import { expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { makeKey, pattern } from "./support/keys.js";
import { UfsRig } from "./support/ufs-rig.js";

const HCE = 0x34;
/** IS, HCE, UTRLDBR, UTMRLDBR, UICCMD: without a write to these something does not happen. */
const LOSSY: readonly number[] = [0x20, HCE, 0x58, 0x78, 0x90];
const KINDS = [
  "lostCompletion",
  "lostInterrupt",
  "engineFault",
  "engineFatal",
  "controllerFatal",
  "deviceFatal",
] as const;
const KEYS = [1, 2, 3, 4, 5, 6].map((fill) => makeKey(fill));

type Random = (bound: number) => number;

/** Numbers below `bound`, the same for the same seed. */
function randomFrom(seed: number): Random {
  let state = seed * 104729;
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
}

function randomFault(random: Random): FaultRule {
  if (random(KINDS.length + 1) === 0) return { kind: "slowCommand", skip: random(12), delayNs: 1.5e9 };
  return { kind: KINDS[random(KINDS.length)]!, skip: random(12), times: 1 + random(2) };
}

class Scenario {
  readonly #rig: UfsRig;
  readonly #random: Random;
  readonly #ios: Promise<BlkStatus>[] = [];
  readonly #controls: Promise<unknown>[] = [];
  #losesWrites = false;

  constructor(rig: UfsRig, random: Random) {
    this.#rig = rig;
    this.#random = random;
    rig.mmio.onWrite = (offset) => !this.#losesWrites || !LOSSY.includes(offset) || random(8) > 0;
  }

  async perform(): Promise<void> {
    const { hba, controller } = this.#rig;
    const step = this.#random(10);
    if (step < 4) this.#submitSome();
    else if (step < 6) controller.faults.add(randomFault(this.#random));
    else if (step === 6) this.#controls.push(hba.pm.runtimeSuspend());
    else if (step === 7) this.#controls.push(blkCryptoEvictKey(hba.luns[0]!.bdev, KEYS[this.#random(KEYS.length)]!));
    else if (step === 8) this.#controls.push(hba.pm.systemSuspend().catch(() => {}));
    else this.#controls.push(hba.pm.systemResume().catch(() => {}));
    this.#losesWrites = this.#random(3) === 0;
    if (this.#random(2) === 0) await this.#goOn(this.#random(60));
  }

  async close(): Promise<void> {
    this.#losesWrites = false;
    await this.#rig.drive(this.#rig.hba.close());
    expectAtRest(this.#rig);
    // All has ended, one way or the other.
    await this.#rig.drive(Promise.all([...this.#ios, ...this.#controls]));
    await this.#rig.end();
  }

  #submitSome(): void {
    const { bdev } = this.#rig.hba.luns[this.#random(2)]!;
    for (let count = this.#random(30); count >= 0; count--) {
      const op = this.#random(2) === 0 ? ReqOp.WRITE : ReqOp.READ;
      const key = KEYS[this.#random(KEYS.length + 1)];
      const volume = key && new Volume(bdev, { key });
      this.#ios.push(submit(bdev, op, this.#random(500) * 4096, pattern(4096), volume));
    }
  }

  async #goOn(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      for (let each = 0; each < 20; each++) await Promise.resolve();
      this.#rig.executor.step();
    }
  }
}

/** The controller is off, and stays so. A queue may look once more for requests that were refused. */
function expectAtRest({ controller, executor }: UfsRig): void {
  const nowMs = executor.nowMs();
  executor.runUntilIdle();
  expect(executor.nowMs() - nowMs).toBeLessThan(10);
  expect(controller.read32(HCE)).toBe(0);
}

async function run(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const rig = new UfsRig({ ...(random(6) === 0 && { faults: [randomFault(random)] }) }, 2);
  try {
    await rig.probe({ commandTimeoutMs: 1000, autosuspendMs: random(2) === 0 ? null : 1 + random(5) });
  } catch {
    return expectAtRest(rig);
  }
  const scenario = new Scenario(rig, random);
  for (let steps = 3 + random(12); steps > 0; steps--) await scenario.perform();
  await scenario.close();
}

it.each([1, 2, 3, 4])("all ends, and the controller is off (seeds from %i00)", async (hundred) => {
  for (let seed = 100 * hundred; seed < 100 * hundred + 25; seed++) {
    await run(seed).catch((cause) => {
      throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
    });
  }
});

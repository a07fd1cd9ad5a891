import {
  BlkError,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  BlockLayer,
  type CryptoFallback,
  type ErrnoCode,
  GenDisk,
  KEYSLOT_PENDING,
  KeyslotWaiter,
  type Tracer,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import {
  BlkCryptoKey,
  type BlkCryptoKeyOptions,
  BlkCryptoProfile,
  type BlkCryptoProfileOptions,
  CryptoCapabilities,
  type CryptoKeyType,
  type LlOps,
  type RuntimePm,
  type WrappedKeyOps,
} from "@inlinecrypt/blk-crypto-profile";
import { expect } from "vitest";

/** Keys that differ from each other, and whose halves differ. */
export function makeKey(fill = 1, options: Partial<BlkCryptoKeyOptions> = {}): BlkCryptoKey {
  const bytes = new Uint8Array(64).map((_, index) => fill + index);
  return new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: 4096, dunBytes: 8, ...options });
}

export class RecordingTracer implements Tracer {
  readonly events: string[] = [];

  trace(event: string, detail: Readonly<Record<string, string | number>>): void {
    this.events.push(`${event} ${JSON.stringify(detail)}`);
  }
}

/** Hardware that does as it is told at once, or (`asynchronous`) when the test settles the op. */
export class FakeHardware implements LlOps {
  /** `program SLOT KEY` and `evict SLOT KEY`; keys by the order of `names`. */
  readonly log: string[] = [];
  readonly names: readonly BlkCryptoKey[];
  /** What the slots hold, as the hardware sees it. */
  readonly slots: Map<number, BlkCryptoKey> = new Map();
  asynchronous: boolean = false;
  /** Errors of the next ops, in order. */
  readonly failures: ErrnoCode[] = [];
  readonly #running: (() => void)[] = [];

  constructor(...names: BlkCryptoKey[]) {
    this.names = names;
  }

  get isBusy(): boolean {
    return this.#running.length > 0;
  }

  keyslotProgram(key: BlkCryptoKey, slotIndex: number): void | Promise<void> {
    return this.#run(`program ${slotIndex} ${this.names.indexOf(key)}`, () => this.slots.set(slotIndex, key));
  }

  keyslotEvict(key: BlkCryptoKey, slotIndex: number): void | Promise<void> {
    return this.#run(`evict ${slotIndex} ${this.names.indexOf(key)}`, () => this.slots.delete(slotIndex));
  }

  /** Ends the op that runs now. */
  settle(): void {
    this.#running.shift()!();
  }

  #run(what: string, effect: () => void): void | Promise<void> {
    if (this.isBusy) throw new Error(`${what} overlaps another op`);
    this.log.push(what);
    const failure = this.failures.shift();
    const finish = (): void => {
      if (failure !== undefined) throw new BlkError(failure, "fake hardware", what);
      effect();
    };
    if (!this.asynchronous) return finish();
    return new Promise<void>((resolve) => this.#running.push(resolve)).then(finish);
  }
}

/** A waiter that remembers how it was answered. */
export class TestWaiter extends KeyslotWaiter {
  /** Every answer: the synchronous one first, if it was not "pending". */
  readonly answers: BlkStatus[];

  constructor(profile: BlkCryptoProfile, key: BlkCryptoKey) {
    const answers: BlkStatus[] = [];
    super((status) => answers.push(status));
    this.answers = answers;
    this.key = key;
    const result = profile.getKeyslot(this);
    if (result !== KEYSLOT_PENDING) answers.push(result);
  }

  get slotIndex(): number | undefined {
    return this.slot?.slotIndex;
  }
}

export interface Rig {
  executor: SimExecutor;
  layer: BlockLayer;
  tracer: RecordingTracer;
  hardware: FakeHardware;
  profile: BlkCryptoProfile;
  get(key: BlkCryptoKey): TestWaiter;
  put(waiter: TestWaiter): void;
  /** Lets promises and work items run until nothing moves. */
  settle(): Promise<void>;
}

export function makeRig(
  hardware: FakeHardware,
  options: Partial<BlkCryptoProfileOptions> = {},
  cryptoFallback?: CryptoFallback,
): Rig {
  const executor = new SimExecutor();
  const tracer = new RecordingTracer();
  const layer = new BlockLayer({ executor, tracer, ...(cryptoFallback && { cryptoFallback }) });
  const profile = new BlkCryptoProfile(layer, {
    slotCount: 2,
    modesSupported: { "AES-256-XTS": 4096 },
    maxDunBytesSupported: 8,
    llOps: hardware,
    ...options,
  });
  return {
    executor,
    layer,
    tracer,
    hardware,
    profile,
    get: (key) => new TestWaiter(profile, key),
    put(waiter) {
      const slot = waiter.slot!;
      waiter.slot = null;
      profile.putKeyslot(slot);
    },
    settle: () => settle(executor),
  };
}

export async function settle(executor: SimExecutor): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    executor.runUntilIdle();
    await Promise.resolve();
  }
}

export function expectIdle(rig: Rig): void {
  expect(rig.hardware.isBusy).toBe(false);
  expect(rig.executor.isIdle).toBe(true);
  for (const slot of rig.profile.slotTable()) expect(slot).toMatchObject({ references: 0 });
  rig.profile[Symbol.dispose]();
}

/** A queue with the profile, and a driver that keeps requests until the test completes them. */
export function makeQueue(rig: Rig): { disk: GenDisk; requests: BlkRequest[] } {
  const requests: BlkRequest[] = [];
  const queue = new BlkMqQueue(rig.layer, {
    ops: {
      queueRq(rq) {
        requests.push(rq);
        return BlkStatus.OK;
      },
    },
  });
  queue.registerCryptoProfile(rig.profile);
  return { disk: new GenDisk({ name: "test0", queue, sectorCount: 1 << 16 }), requests };
}

/** A driver's wrapped-key ops that remember every buffer they were lent. */
export class RecordingWrappedKeys implements WrappedKeyOps {
  readonly lent: Uint8Array[] = [];
  readonly #ops: WrappedKeyOps;
  /** Does the next imports instead. */
  replaceImport: ((rawKey: Uint8Array) => number) | null = null;

  constructor(ops: WrappedKeyOps) {
    this.#ops = ops;
  }

  importKey(rawKey: Uint8Array, ltKey: Uint8Array): number | Promise<number> {
    this.lent.push(rawKey, ltKey);
    return this.replaceImport?.(rawKey) ?? this.#ops.importKey(rawKey, ltKey);
  }

  generateKey(ltKey: Uint8Array): number | Promise<number> {
    this.lent.push(ltKey);
    return this.#ops.generateKey(ltKey);
  }

  prepareKey(ltKey: Uint8Array, ephKey: Uint8Array): number | Promise<number> {
    this.lent.push(ltKey, ephKey);
    return this.#ops.prepareKey(ltKey, ephKey);
  }

  deriveSwSecret(ephKey: Uint8Array, swSecret: Uint8Array): void | Promise<void> {
    this.lent.push(swSecret);
    return this.#ops.deriveSwSecret(ephKey, swSecret);
  }
}

/** A device that wakes at once, or (`asynchronous`) when the test says so; it writes into the log of its hardware. */
export class FakePm implements RuntimePm {
  holders = 0;
  asynchronous = false;
  /** Errors of the next attempts to wake, in order. */
  readonly failures: ErrnoCode[] = [];
  /** Part of waking. */
  onResume: (() => void | Promise<void>) | null = null;
  onPut: (() => void) | null = null;
  readonly #log: string[];
  readonly #resuming: (() => void)[] = [];

  constructor(hardware: FakeHardware) {
    this.#log = hardware.log;
  }

  get isResuming(): boolean {
    return this.#resuming.length > 0;
  }

  runtimeResume(): void | Promise<void> {
    this.#log.push("resume");
    const failure = this.failures.shift();
    const finish = (): void => {
      if (failure !== undefined) throw new BlkError(failure, "fake device", "does not wake");
      this.holders++;
    };
    if (this.asynchronous) {
      return new Promise<void>((resolve) => this.#resuming.push(resolve)).then(() => this.onResume?.()).then(finish);
    }
    const restored = this.onResume?.();
    return restored instanceof Promise ? restored.then(finish) : finish();
  }

  runtimePut(): void {
    this.#log.push("put");
    if (this.holders === 0) throw new Error("put without resume");
    this.holders--;
    this.onPut?.();
  }

  /** Ends the oldest attempt to wake. */
  settle(): void {
    this.#resuming.shift()!();
  }
}

/** Capabilities with wrapped keys, for AES-256-XTS. */
export function wrapped(...more: CryptoKeyType[]): CryptoCapabilities {
  return new CryptoCapabilities({
    modesSupported: { "AES-256-XTS": 4096 },
    maxDunBytesSupported: 8,
    keyTypesSupported: ["hw-wrapped", ...more],
  });
}

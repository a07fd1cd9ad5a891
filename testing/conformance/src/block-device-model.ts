import { BlkStatus, ReqFlag, ReqOp, statusName } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { newBio, newEmptyBio, submitAll } from "./bios.js";
import type { BlockDeviceUnderTest } from "./block-device-under-test.js";
import { expectSameBytes, pattern } from "./bytes.js";

/** Blocks of the device that random I/O touches: few, so that operations meet. */
const REGION_BLOCKS = 256;
const MAX_BLOCKS = 48;

export interface RandomIoOptions {
  /** Random sequences of operations to try. */
  runs: number;
  /** Replays the same sequences. */
  seed: number;
  /** Whether discarded ranges read as zeroes; if not, nothing is assumed about them until they are written. */
  discardZeroes: boolean;
}

type Kind = "read" | "write" | "fua" | "discard" | "zeroes" | "flush";

interface Step {
  kind: Kind;
  block: number;
  blocks: number;
  /** Cuts data into vectors of these lengths. */
  vecBytes: number[];
  /** Holds the operation back with the next ones, as one plug. */
  plugged: boolean;
  seed: number;
}

interface InFlight {
  step: Step;
  ended: Promise<void>;
}

/**
 * Drives random reads, writes, FUA writes, discards, write zeroes and flushes, many at a time, against a plain array.
 * Operations that overlap an unfinished change wait for it: their order would be nobody's promise.
 *
 * @throws Error with the shortest sequence that shows a difference, and the seed that replays it.
 */
export async function checkRandomIo(device: BlockDeviceUnderTest, options: RandomIoOptions): Promise<void> {
  const blockBytes = device.bdev.queue.limits.logicalBlockBytes;
  await fc.assert(
    fc.asyncProperty(
      fc.array(stepArbitrary(blockBytes), { minLength: 1, maxLength: 40, size: "max" }),
      async (steps) => {
        const run = new RandomIoRun(device, options.discardZeroes);
        await run.start();
        for (const step of steps) await run.take(step);
        await run.finish();
      },
    ),
    { numRuns: options.runs, seed: options.seed, includeErrorInReport: true },
  );
}

function stepArbitrary(blockBytes: number): fc.Arbitrary<Step> {
  const kind = fc.constantFrom<Kind>(
    "read",
    "read",
    "read",
    "write",
    "write",
    "write",
    "fua",
    "discard",
    "zeroes",
    "flush",
  );
  return fc.record({
    kind,
    block: fc.nat(REGION_BLOCKS - MAX_BLOCKS),
    blocks: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: MAX_BLOCKS })),
    vecBytes: fc.array(fc.constantFrom(512, blockBytes, 3 * blockBytes, 4096), { maxLength: 6 }),
    plugged: fc.boolean(),
    seed: fc.nat(0xffff),
  });
}

/** One sequence: the device, the array it should equal, and what is in flight. */
class RandomIoRun {
  readonly #device: BlockDeviceUnderTest;
  readonly #discardZeroes: boolean;
  readonly #blockBytes: number;
  readonly #model: Uint8Array;
  /** 1 where the contents are known. */
  readonly #known: Uint8Array;
  #inFlight: InFlight[] = [];
  #plugged: Step[] = [];

  constructor(device: BlockDeviceUnderTest, discardZeroes: boolean) {
    this.#device = device;
    this.#discardZeroes = discardZeroes;
    this.#blockBytes = device.bdev.queue.limits.logicalBlockBytes;
    this.#model = pattern(REGION_BLOCKS * this.#blockBytes, 0);
    this.#known = new Uint8Array(this.#model.length).fill(1);
  }

  async start(): Promise<void> {
    await this.#device.bdev.write(0, this.#model);
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "discard" && this.#device.bdev.queue.limits.maxDiscardSectors === 0) return;
    if (step.kind === "zeroes" && this.#device.bdev.queue.limits.maxWriteZeroesSectors === 0) return;
    if (this.#conflicts(step)) await this.#settle();
    this.#plugged.push(step);
    if (!step.plugged) this.#submitPlugged();
  }

  async finish(): Promise<void> {
    await this.#settle();
    const back = new Uint8Array(this.#model.length);
    await this.#device.bdev.read(0, back);
    this.#expectKnown(back, this.#model, this.#known, "the region at the end");
  }

  #conflicts(step: Step): boolean {
    const others = [...this.#plugged, ...this.#inFlight.map((one) => one.step)];
    return others.some((other) => {
      if (step.kind === "flush" || other.kind === "flush") return false;
      if (step.kind === "read" && other.kind === "read") return false;
      return step.block < other.block + other.blocks && other.block < step.block + step.blocks;
    });
  }

  async #settle(): Promise<void> {
    this.#submitPlugged();
    const settling = this.#inFlight;
    this.#inFlight = [];
    const results = await Promise.allSettled(settling.map((one) => one.ended));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  #submitPlugged(): void {
    const { layer } = this.#device;
    layer.startPlug();
    for (const step of this.#plugged) {
      const ended = this.#submit(step);
      ended.catch(() => {}); // `#settle` reports it, perhaps much later
      this.#inFlight.push({ step, ended });
    }
    layer.finishPlug();
    this.#plugged = [];
  }

  #submit(step: Step): Promise<void> {
    const { bdev } = this.#device;
    const byteOffset = step.block * this.#blockBytes;
    const bytes = step.blocks * this.#blockBytes;
    switch (step.kind) {
      case "read":
        return this.#read(step, byteOffset, bytes);
      case "write":
      case "fua": {
        const data = pattern(bytes, step.seed + 1);
        this.#set(byteOffset, data);
        const opf = ReqOp.WRITE | (step.kind === "fua" ? ReqFlag.FUA : 0);
        return this.#expectOk(step, newBio(bdev, opf, byteOffset, data, step.vecBytes));
      }
      case "discard":
        this.#set(byteOffset, new Uint8Array(bytes));
        if (!this.#discardZeroes) this.#known.fill(0, byteOffset, byteOffset + bytes);
        return this.#expectOk(step, newEmptyBio(bdev, ReqOp.DISCARD, byteOffset, bytes));
      case "zeroes":
        this.#set(byteOffset, new Uint8Array(bytes));
        return this.#expectOk(step, newEmptyBio(bdev, ReqOp.WRITE_ZEROES, byteOffset, bytes));
      case "flush":
        return this.#expectOk(step, newEmptyBio(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0));
    }
  }

  async #read(step: Step, byteOffset: number, bytes: number): Promise<void> {
    const expected = this.#model.slice(byteOffset, byteOffset + bytes);
    const known = this.#known.slice(byteOffset, byteOffset + bytes);
    const back = pattern(bytes, 0x5eed);
    await this.#expectOk(step, newBio(this.#device.bdev, ReqOp.READ, byteOffset, back, step.vecBytes));
    this.#expectKnown(back, expected, known, `read of ${step.blocks} blocks at ${step.block}`);
  }

  #set(byteOffset: number, data: Uint8Array): void {
    this.#model.set(data, byteOffset);
    this.#known.fill(1, byteOffset, byteOffset + data.length);
  }

  async #expectOk(step: Step, bio: Parameters<typeof submitAll>[0][number]): Promise<void> {
    const [status] = await submitAll([bio]);
    if (status === BlkStatus.OK) return;
    throw new Error(`${step.kind} of ${step.blocks} blocks at ${step.block} ended with ${statusName(status!)}`);
  }

  #expectKnown(actual: Uint8Array, expected: Uint8Array, known: Uint8Array, what: string): void {
    for (let index = 0; index < known.length; index++) if (known[index] === 0) actual[index] = expected[index]!;
    expectSameBytes(actual, expected, what);
  }
}

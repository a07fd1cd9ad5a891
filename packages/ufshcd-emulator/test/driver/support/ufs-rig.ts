import { BlockLayer } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { ExecutorClock } from "@inlinecrypt/ufshcd-emulator";
import {
  type LogicalUnitOptions,
  MemoryMedium,
  type UfsEvent,
  UfsHostController,
  type UfsHostControllerOptions,
} from "@inlinecrypt/ufshcd-emulator/controller";
import { HostMemory, InterruptLine, type Mmio, UfsHba, type UfsHbaOptions } from "@inlinecrypt/ufshcd-emulator/driver";
import { expect } from "vitest";
import { drive, RecordingTracer } from "./rig.js";

export const UNIT_BYTES: number = 4 << 20;

/** Registers with something in between. Undefined: the register itself. */
export class TappedMmio implements Mmio {
  onRead: (offset: number) => number | undefined = () => undefined;
  /** False: the write does not arrive. */
  onWrite: (offset: number, value: number) => boolean = () => true;
  readonly #mmio: Mmio;

  constructor(mmio: Mmio) {
    this.#mmio = mmio;
  }

  read32(offset: number): number {
    return this.onRead(offset) ?? this.#mmio.read32(offset);
  }

  write32(offset: number, value: number): void {
    if (this.onWrite(offset, value)) this.#mmio.write32(offset, value);
  }
}

/** The driver over the real controller, in simulated time. */
export class UfsRig {
  readonly executor: SimExecutor = new SimExecutor();
  readonly tracer: RecordingTracer = new RecordingTracer();
  readonly layer: BlockLayer = new BlockLayer({ executor: this.executor, tracer: this.tracer });
  readonly memory: HostMemory = new HostMemory();
  readonly media: MemoryMedium[];
  readonly controller: UfsHostController;
  readonly mmio: TappedMmio;
  readonly events: UfsEvent[] = [];
  readonly #irq: InterruptLine = new InterruptLine(this.executor);
  hba!: UfsHba;

  constructor(options: Partial<UfsHostControllerOptions> = {}, unitCount = 1) {
    this.media = Array.from({ length: unitCount }, () => new MemoryMedium(UNIT_BYTES));
    this.controller = new UfsHostController({
      dma: this.memory,
      irq: this.#irq,
      clock: new ExecutorClock(this.executor),
      logicalUnits: this.media.map((medium): LogicalUnitOptions => ({ medium })),
      ...(options.keysInPrdt === undefined && { crypto: { engine: createNodeEngine(), keyslots: 4 } }),
      ...options,
    });
    this.controller.events.observe((event) => this.events.push(event));
    this.mmio = new TappedMmio(this.controller);
  }

  static async start(
    controller: Partial<UfsHostControllerOptions> = {},
    driver: Partial<UfsHbaOptions> = {},
    unitCount = 1,
  ): Promise<UfsRig> {
    const rig = new UfsRig(controller, unitCount);
    await rig.probe(driver);
    return rig;
  }

  async probe(driver: Partial<UfsHbaOptions> = {}): Promise<void> {
    const { memory, mmio } = this;
    this.hba = await this.drive(UfsHba.probe(this.layer, { mmio, memory, irq: this.#irq, ...driver }));
    this.events.length = 0;
  }

  /** Lets simulated time pass until a promise settles. */
  drive<T>(promise: Promise<T>): Promise<T> {
    return drive(this.executor, promise);
  }

  /** How often an event of this type was seen. */
  count(type: UfsEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Functions of the task-management requests seen, in order. */
  get taskFunctions(): number[] {
    return this.events.flatMap((event) => (event.type === "taskManagement" ? [event.func] : []));
  }

  /** Closes the host, and expects that all that was taken was given back. */
  async end(): Promise<void> {
    await this.drive(this.hba.close());
    for (const { queue } of this.hba.luns) expect(queue.inFlight, "requests in flight").toBe(0);
    expect(this.hba.tagSet.inUse, "tags in use").toBe(0);
    expect(this.memory.mapped, "buffers that are still mapped").toBe(0);
    expect(this.layer.bioSet.inUse, "bios that were not put").toBe(0);
    expect(this.layer.cryptCtxs.inUse, "contexts that were not put").toBe(0);
    for (const slot of this.hba.cryptoProfile?.slotTable() ?? []) expect(slot.references).toBe(0);
    this.executor.runUntilIdle();
    expect(this.executor.isIdle).toBe(true);
  }
}

import {
  BlkError,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  opOf,
  type QueueLimits,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import type { FaultPlan } from "./fault-plan.js";
import { RequestData } from "./request-data.js";
import type { SeededRandom } from "./seeded-random.js";
import { SimCommand } from "./sim-command.js";
import { checkLatency, type SimDiskOptions, type SimLatency } from "./sim-disk-options.js";
import { countRequest, SimDiskSeen } from "./sim-disk-seen.js";
import { type PowerCutOutcome, SimMedium } from "./sim-medium.js";

/** Discards and zeroing are cached as data; larger ones are split. */
const MAX_NO_DATA_SECTORS = 8192;

/**
 * A simulated disk: seeded latency and reordering, a volatile write cache, faults, and power cuts that leave any state
 * a real disk may leave. Time is the layer's executor's, so with a `SimExecutor` a run costs none and a seed replays it.
 */
export class SimDisk implements AsyncDisposable {
  readonly disk: GenDisk;
  /** Where a crypto profile is registered. */
  readonly queue: BlkMqQueue;
  /** Outlives this disk; give it to another one. */
  readonly medium: SimMedium;
  readonly #seen = new SimDiskSeen();
  readonly #layer: BlockLayer;
  readonly #latency: SimLatency;
  readonly #latencyRandom: SeededRandom;
  readonly #tearRandom: SeededRandom;
  readonly #cutRandom: SeededRandom;
  readonly #faults: FaultPlan | null;
  readonly #data: RequestData;
  readonly #commands: SimCommand[] = [];
  #powered = true;
  #started = 0;
  #latestEnded = 0;

  /** @throws BlkError EINVAL for limits, sizes or latencies that make no sense. */
  constructor(layer: BlockLayer, options: SimDiskOptions) {
    const { name = "sim0", readOnly = false, random, latency = { minMs: 0.1, maxMs: 1 } } = options;
    checkLatency(name, latency);
    this.#layer = layer;
    this.#latency = { ...latency };
    this.#latencyRandom = random.fork("latency");
    this.#tearRandom = random.fork("torn writes");
    this.#cutRandom = random.fork("power cuts");
    this.#faults = options.faults ?? null;
    this.#data = new RequestData(options.crypt ?? null);
    this.queue = this.#newQueue(options);
    const blockBytes = this.queue.limits.physicalBlockBytes;
    this.medium = options.medium ?? new SimMedium({ bytes: options.bytes, blockBytes });
    if (this.medium.blockBytes !== blockBytes) {
      throw new BlkError("EINVAL", name, `physicalBlockBytes is ${blockBytes}, the medium's ${this.medium.blockBytes}`);
    }
    this.disk = new GenDisk({ name, queue: this.queue, sectorCount: this.medium.bytes / SECTOR_BYTES, readOnly });
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /** Counts since the disk was made. */
  get seen(): Readonly<SimDiskSeen> {
    return this.#seen;
  }

  /** False from a power cut until `powerOn`. */
  get powered(): boolean {
    return this.#powered;
  }

  /**
   * Copies what is durable at `byteOffset` into all of `into`, past queue, cache and encryption.
   *
   * @throws BlkError EINVAL outside the disk.
   */
  readMedium(byteOffset: number, into: Uint8Array): void {
    this.medium.readDurable(byteOffset, into);
  }

  /**
   * Takes the power away. Writes in flight and in the cache are kept, lost or torn; whatever is in flight ends with
   * OFFLINE before this returns, and new I/O does until `powerOn`. Without power already: nothing happens.
   */
  powerCut(): PowerCutOutcome {
    if (!this.#powered) return { kept: 0, lost: 0, torn: 0 };
    this.#powered = false;
    this.#seen.powerCuts++;
    const cut = this.#cutRandom.shuffle(this.#commands.filter((command) => command.timer.pending));
    for (const command of cut) {
      this.#layer.executor.cancelTimer(command.timer);
      this.#cacheWrite(command.rq);
    }
    const outcome = this.medium.powerCut(this.#cutRandom);
    this.#seen.cutRequests += cut.length;
    for (const command of cut) command.rq.complete(BlkStatus.OFFLINE);
    return outcome;
  }

  /** The disk serves again, with what the power cut has left. */
  powerOn(): void {
    this.#powered = true;
  }

  /** Refuses new I/O and resolves when all accepted I/O has ended. Idempotent. */
  close(): Promise<void> {
    return this.disk.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #newQueue(options: SimDiskOptions): BlkMqQueue {
    const { writeCache = false, fua = false, queueDepth, medium } = options;
    const limits: Partial<QueueLimits> = {
      ...(medium && { physicalBlockBytes: medium.blockBytes }),
      maxDiscardSectors: MAX_NO_DATA_SECTORS,
      maxWriteZeroesSectors: MAX_NO_DATA_SECTORS,
      ...options.limits,
      writeCache,
      fua,
    };
    const ops = {
      initRequest: (rq: BlkRequest) => this.#initRequest(rq),
      queueRq: (rq: BlkRequest) => this.#queueRq(rq),
    };
    return new BlkMqQueue(this.#layer, { ops, limits, ...(queueDepth !== undefined && { queueDepth }) });
  }

  #initRequest(rq: BlkRequest): void {
    const command = new SimCommand(rq, (due) => this.#end(due));
    rq.driverData = command;
    this.#commands.push(command);
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    if (!this.#powered) return BlkStatus.OFFLINE;
    const fault = this.#faults?.strike(opOf(rq.opf), rq.sector, rq.endSector) ?? null;
    if (fault !== null) this.#seen.faults++;
    const status = fault?.status ?? BlkStatus.OK;
    if (status === BlkStatus.RESOURCE || status === BlkStatus.DEV_RESOURCE) return status;
    const command = rq.driverData as SimCommand;
    command.status = status;
    command.order = ++this.#started;
    command.flushTo = this.medium.sequence;
    countRequest(this.#seen, rq);
    const latencyMs = this.#latencyRandom.between(this.#latency.minMs, this.#latency.maxMs);
    this.#layer.executor.addTimer(command.timer, latencyMs + (fault?.delayMs ?? 0));
    return BlkStatus.OK;
  }

  /** The latency of a command is over: it takes effect now, and ends. */
  #end(command: SimCommand): void {
    if (command.order < this.#latestEnded) this.#seen.overtaken++;
    else this.#latestEnded = command.order;
    const { rq, status } = command;
    if (status === BlkStatus.OK) return rq.complete(this.#execute(command));
    if (opOf(rq.opf) === ReqOp.WRITE && this.#data.gather(rq) === BlkStatus.OK) {
      // A device that fails a write promises nothing about its blocks.
      this.medium.writeTorn(rq.sector * SECTOR_BYTES, this.#data.of(rq), this.#isDurable(rq), this.#tearRandom);
    }
    rq.complete(status);
  }

  #execute(command: SimCommand): BlkStatus {
    const { rq } = command;
    const byteOffset = rq.sector * SECTOR_BYTES;
    switch (opOf(rq.opf)) {
      case ReqOp.READ:
        this.medium.read(byteOffset, this.#data.of(rq));
        return this.#data.scatter(rq);
      case ReqOp.WRITE: {
        const status = this.#data.gather(rq);
        if (status === BlkStatus.OK) this.medium.write(byteOffset, this.#data.of(rq), this.#isDurable(rq));
        return status;
      }
      case ReqOp.FLUSH:
        this.medium.flush(command.flushTo);
        return BlkStatus.OK;
      case ReqOp.DISCARD:
      case ReqOp.WRITE_ZEROES:
        this.medium.zero(byteOffset, rq.bytes, this.#isDurable(rq));
        return BlkStatus.OK;
    }
  }

  /** A write in flight when the power goes: any part of it may have reached the medium. */
  #cacheWrite(rq: BlkRequest): void {
    const byteOffset = rq.sector * SECTOR_BYTES;
    switch (opOf(rq.opf)) {
      case ReqOp.WRITE:
        if (this.#data.gather(rq) === BlkStatus.OK) this.medium.write(byteOffset, this.#data.of(rq), false);
        break;
      case ReqOp.DISCARD:
      case ReqOp.WRITE_ZEROES:
        this.medium.zero(byteOffset, rq.bytes, false);
    }
  }

  #isDurable(rq: BlkRequest): boolean {
    return !this.queue.limits.writeCache || (rq.opf & ReqFlag.FUA) !== 0;
  }
}

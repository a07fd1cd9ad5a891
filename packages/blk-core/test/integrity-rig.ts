import {
  type Bio,
  BlkMqQueue,
  type BlkStatus,
  type BlockDevice,
  BlockLayer,
  type BlockLayerOptions,
  GenDisk,
  type QueueLimitsInput,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { expect } from "vitest";
import { IntegrityDisk } from "./integrity-disk.js";

const DISK_BYTES = 2 ** 18;

/** A disk with protection information, and a block layer for it. */
export class IntegrityRig {
  readonly executor: SimExecutor = new SimExecutor();
  readonly traced: unknown[] = [];
  readonly layer: BlockLayer;
  readonly queue: BlkMqQueue;
  readonly disk: GenDisk;
  readonly device: IntegrityDisk;

  constructor(limits: QueueLimitsInput = {}, layerOptions: Partial<BlockLayerOptions> = {}) {
    const tracer = { trace: (event: string, detail: object) => this.traced.push({ event, ...detail }) };
    this.layer = new BlockLayer({ executor: this.executor, tracer, ...layerOptions });
    const stated: QueueLimitsInput = { integrity: { csum: "crc", type: 1 }, ...limits };
    this.device = new IntegrityDisk(DISK_BYTES, stated.integrity!.intervalBytes ?? stated.logicalBlockBytes ?? 512);
    this.queue = new BlkMqQueue(this.layer, { ops: this.device, limits: stated });
    this.disk = new GenDisk({ name: "pi0", queue: this.queue, sectorCount: DISK_BYTES / 512 });
  }

  newBio(op: number, sector: number, bdev: BlockDevice = this.disk.part0): Bio {
    const bio = this.layer.bioSet.tryAlloc(bdev, op)!;
    bio.sector = sector;
    return bio;
  }

  /** Submits the bio, runs what it causes, and puts it back. */
  run(bio: Bio): BlkStatus {
    let ended: BlkStatus | null = null;
    bio.onEndIo = () => {
      ended = bio.status;
      bio.put();
    };
    this.layer.submitBio(bio);
    this.executor.runUntilIdle();
    return ended!;
  }

  transfer(op: number, sector: number, data: Uint8Array, bdev: BlockDevice = this.disk.part0): BlkStatus {
    const bio = this.newBio(op, sector, bdev);
    bio.addBuffer(data);
    return this.run(bio);
  }

  write(sector: number, data: Uint8Array): BlkStatus {
    return this.transfer(ReqOp.WRITE, sector, data);
  }

  read(sector: number, into: Uint8Array): BlkStatus {
    return this.transfer(ReqOp.READ, sector, into);
  }

  expectAtRest(): void {
    this.executor.runUntilIdle();
    expect(this.layer.integrityPool.inUse).toBe(0);
    expect(this.layer.bioSet.inUse).toBe(0);
    expect(this.queue.inFlight).toBe(0);
  }
}

export function noise(bytes: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  });
}

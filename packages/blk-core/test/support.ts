import {
  type Bio,
  BlkMqQueue,
  type BlkMqQueueOptions,
  type BlkRequest,
  BlkStatus,
  BlockLayer,
  type BlockLayerOptions,
  type CryptoConfig,
  type CryptoKeyRef,
  type CryptoProfile,
  DrvOp,
  GenDisk,
  KEYSLOT_PENDING,
  type Keyslot,
  type KeyslotResult,
  type KeyslotWaiter,
  newDun,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { expect } from "vitest";

export interface Rig {
  executor: SimExecutor;
  layer: BlockLayer;
  queue: BlkMqQueue;
  disk: GenDisk;
  driver: ManualDriver;
}

/** A driver that keeps each request until the test completes it. */
export class ManualDriver {
  readonly taken: BlkRequest[] = [];
  /** Everything ever offered, as `op sector+sectors`. */
  readonly log: string[] = [];
  commits = 0;
  /** Answers of the next `queueRq` calls; OK when used up. */
  readonly answers: BlkStatus[] = [];
  /** Completes everything at once when set. */
  synchronous: BlkStatus | null = null;

  queueRq(rq: BlkRequest): BlkStatus {
    const answer = this.answers.shift() ?? BlkStatus.OK;
    if (answer !== BlkStatus.OK) return answer;
    this.log.push(`${opName(rq.opf)} ${rq.sector}+${rq.sectors}`);
    if (this.synchronous !== null) rq.complete(this.synchronous);
    else this.taken.push(rq);
    return BlkStatus.OK;
  }

  commitRqs(): void {
    this.commits++;
  }

  completeNext(status: BlkStatus = BlkStatus.OK): void {
    this.taken.shift()!.complete(status);
  }

  completeAll(): void {
    while (this.taken.length > 0) this.completeNext();
  }
}

function opName(opf: number): string {
  return Object.entries({ ...ReqOp, ...DrvOp }).find(([, op]) => op === (opf & 0xff))![0];
}

export function makeRig(
  queue: Omit<BlkMqQueueOptions, "ops"> = {},
  layerOptions: Partial<BlockLayerOptions> = {},
  sectorCount: number = 1 << 20,
): Rig {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor, ...layerOptions });
  const driver = new ManualDriver();
  const mq = new BlkMqQueue(layer, { ops: driver, ...queue });
  const disk = new GenDisk({ name: "test0", queue: mq, sectorCount });
  return { executor, layer, queue: mq, disk, driver };
}

/** A key that is only an identity: blk-core never sees more. */
export function fakeKey(dataUnitBytes = 512, dunBytes = 8): CryptoKeyRef {
  return { modeNum: 1, keyType: "raw", dataUnitBytes, dataUnitBits: Math.log2(dataUnitBytes), dunBytes };
}

/** A profile with slots that never run out unless told, and a count of what is held. */
export class FakeProfile implements CryptoProfile {
  held = 0;
  programmed: CryptoKeyRef[] = [];
  answer: KeyslotResult = BlkStatus.OK;
  readonly waiters: KeyslotWaiter[] = [];
  capable = true;

  supports(_config: CryptoConfig): boolean {
    return this.capable;
  }

  getKeyslot(waiter: KeyslotWaiter): KeyslotResult {
    if (this.answer === KEYSLOT_PENDING) this.waiters.push(waiter);
    if (this.answer === BlkStatus.OK) this.#grant(waiter);
    return this.answer;
  }

  grantNext(status: BlkStatus = BlkStatus.OK): void {
    const waiter = this.waiters.shift()!;
    if (status === BlkStatus.OK) this.#grant(waiter);
    waiter.granted(status);
  }

  putKeyslot(_slot: Keyslot): void {
    this.held--;
  }

  async evictKey(): Promise<void> {}

  #grant(waiter: KeyslotWaiter): void {
    this.held++;
    this.programmed.push(waiter.key!);
    waiter.slot = { slotIndex: this.programmed.length - 1 };
  }
}

export interface BioOptions {
  op?: number;
  key?: CryptoKeyRef;
  dun?: bigint;
  /** Lengths of the vectors; one vector of all sectors when absent. */
  vecs?: number[];
}

/** A bio and how often and with what it ended. */
export interface TestBio {
  bio: Bio;
  ends: BlkStatus[];
}

export function makeBio(rig: Rig, sector: number, sectors: number, options: BioOptions = {}): TestBio {
  const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, options.op ?? ReqOp.READ)!;
  bio.sector = sector;
  for (const bytes of options.vecs ?? [sectors * 512]) if (bytes > 0) bio.addBuffer(new Uint8Array(bytes));
  if (options.key) bio.setCryptCtx(options.key, newDun(options.dun ?? BigInt(sector)));
  const ends: BlkStatus[] = [];
  bio.onEndIo = () => {
    ends.push(bio.status);
    bio.put();
  };
  return { bio, ends };
}

/** Submits a new bio and hands out its endings. */
export function submit(rig: Rig, sector: number, sectors: number, options: BioOptions = {}): BlkStatus[] {
  const { bio, ends } = makeBio(rig, sector, sectors, options);
  rig.layer.submitBio(bio);
  return ends;
}

/** Everything that was taken is back. */
export function expectNoLeaks(rig: Rig): void {
  expect(rig.queue.inFlight).toBe(0);
  expect(rig.layer.bioSet.inUse).toBe(0);
  expect(rig.layer.cryptCtxs.inUse).toBe(0);
  expect(rig.layer.integrityPool.inUse).toBe(0);
  expect(rig.driver.taken).toHaveLength(0);
}

import { BlkStatus, BlockLayer, opOf, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { AllocationFaults, FaultPlan, type SeededRandom, SimDisk, type SimDiskCrypt } from "@inlinecrypt/blk-sim";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import { Region } from "./region.js";

/** Small, so that I/O meets: 512 KiB a disk. */
const DISK_SECTORS = 1024;
const REGION_SECTORS = 128;

/** One disk of a world. */
export interface WorldDisk {
  readonly sim: SimDisk;
  readonly faults: FaultPlan;
  /** Its crypto engine; null when the fallback serves it. */
  readonly profile: BlkCryptoProfile | null;
  readonly regions: readonly Region[];
}

/** A block layer with random disks of random abilities, all decided by a seed. */
export class World {
  readonly executor: SimExecutor = new SimExecutor();
  readonly layer: BlockLayer;
  readonly fallback: BlkCryptoFallback;
  readonly disks: WorldDisk[] = [];
  readonly regions: Region[] = [];
  readonly pools: AllocationFaults["pools"];
  /** Fails one allocation in so many while above 0. */
  allocationFaultsOneIn = 0;
  allocationsFailed = 0;

  constructor(random: SeededRandom, engine: SkcipherEngine) {
    const shape = random.fork("shape");
    const chance = random.fork("allocations");
    const pools = new AllocationFaults(0);
    this.pools = pools.pools;
    this.fallback = new BlkCryptoFallback({
      engine,
      slotCount: shape.pick([1, 2, 100]),
      bounceCount: shape.pick([1, 4, 64]),
      readCount: shape.pick([1, 4, 128]),
    });
    this.layer = new BlockLayer({
      executor: this.executor,
      cryptoFallback: this.fallback,
      maxBios: 256,
      failAlloc: (pool) => {
        pools.failAlloc(pool);
        if (this.allocationFaultsOneIn === 0 || pool.inUse === 0) return false;
        if (!chance.oneIn(this.allocationFaultsOneIn)) return false;
        this.allocationsFailed++;
        return true;
      },
    });
    const diskCount = shape.pick([1, 1, 2]);
    for (let index = 0; index < diskCount; index++) this.#addDisk(random.fork(`disk ${index}`), engine, `sim${index}`);
  }

  /** Takes the keys out of all keyslots and wipes them. */
  close(): void {
    for (const region of this.regions) region.dropKey();
  }

  /** Runs something that is not under test, where a failed allocation would be a mistake of this program. */
  withoutAllocationFaults(run: () => void): void {
    const oneIn = this.allocationFaultsOneIn;
    this.allocationFaultsOneIn = 0;
    run();
    this.allocationFaultsOneIn = oneIn;
  }

  #addDisk(random: SeededRandom, engine: SkcipherEngine, name: string): void {
    const shape = random.fork("shape");
    const writeCache = shape.oneIn(4) === false;
    const slotCount = shape.pick([0, 0, 1, 2, 5]);
    const faults = new FaultPlan(random);
    const slots: Skcipher[] = [];
    for (let slot = 0; slot < slotCount; slot++) slots.push(engine.alloc("xts(aes)"));
    const sim = new SimDisk(this.layer, {
      random,
      name,
      faults,
      bytes: DISK_SECTORS * SECTOR_BYTES,
      latency: shape.pick([
        { minMs: 0, maxMs: 0 },
        { minMs: 0.01, maxMs: 1 },
        { minMs: 1, maxMs: 50 },
      ]),
      writeCache,
      fua: writeCache && shape.oneIn(2),
      queueDepth: shape.pick([1, 2, 8, 64]),
      crypt: cryptWith(slots),
      limits: {
        logicalBlockBytes: shape.pick([512, 512, 4096]),
        physicalBlockBytes: shape.pick([512, 4096]),
        maxSectors: shape.pick([8, 16, 64, 2560]),
        maxSegments: shape.pick([1, 2, 128]),
        maxSegmentBytes: shape.pick([4096, 65536]),
      },
    });
    const profile = slotCount === 0 ? null : this.#newProfile(slots);
    if (profile !== null) sim.queue.registerCryptoProfile(profile);
    const regions = this.#newRegions(sim, random);
    this.disks.push({ sim, faults, profile, regions });
    this.regions.push(...regions);
  }

  #newProfile(slots: readonly Skcipher[]): BlkCryptoProfile {
    return new BlkCryptoProfile(this.layer, {
      slotCount: slots.length,
      modesSupported: { "AES-256-XTS": 512 | 4096 },
      maxDunBytesSupported: 16,
      llOps: {
        keyslotProgram: (key, slotIndex) => key.withBytes((bytes) => slots[slotIndex]!.setKey(bytes)),
        keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
      },
    });
  }

  /** Data units of 1024 bytes are what the disks' crypto engines cannot: there the fallback serves one region of many. */
  #newRegions(sim: SimDisk, random: SeededRandom): Region[] {
    const shape = random.fork("regions");
    const regions: Region[] = [];
    for (let startSector = 0; startSector < DISK_SECTORS; startSector += REGION_SECTORS) {
      const dataUnitBytes = shape.pick([0, 512, 512, 1024, 4096]);
      const regionRandom = random.fork(`region ${startSector}`);
      regions.push(new Region({ sim, startSector, sectors: REGION_SECTORS, dataUnitBytes, random: regionRandom }));
    }
    return regions;
  }
}

/** The disk's crypto engine: a cipher in each keyslot. */
function cryptWith(slots: readonly Skcipher[]): SimDiskCrypt {
  return (rq, from, to) => {
    const { key, dun } = rq.cryptCtx!;
    const cipher = slots[rq.cryptKeyslot!.slotIndex]!;
    if (opOf(rq.opf) === ReqOp.WRITE) cipher.encrypt(from, to, key!.dataUnitBytes, dun);
    else cipher.decrypt(from, to, key!.dataUnitBytes, dun);
    return BlkStatus.OK;
  };
}

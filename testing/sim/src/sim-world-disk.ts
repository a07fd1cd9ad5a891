import {
  BlkStatus,
  type BlockLayer,
  type GenDisk,
  opOf,
  ReqOp,
  type RequestQueue,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import {
  FaultPlan,
  type FaultRule,
  type SeededRandom,
  SimDisk,
  type SimDiskCrypt,
  type SimMedium,
} from "@inlinecrypt/blk-sim";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import { keepIntegrity } from "./integrity.js";
import { Medium } from "./medium.js";
import { QueueChanges } from "./queue-changes.js";
import { Violation } from "./violation.js";
import { DISK_SECTORS, type DiskPower, type Place, type WorldDisk } from "./world-disk.js";

const ipOfType1 = { csum: "ip", type: 1, tupleBytes: 8, tagBytes: 0 } as const;

export interface SimWorldDiskOptions {
  layer: BlockLayer;
  engine: SkcipherEngine;
  /** A second path to it has `-b` behind it. */
  name: string;
  random: SeededRandom;
  /** What abilities are drawn from: disks that share it are alike. @default the disk's own random */
  shape?: SeededRandom;
  /** Ways to the medium, each a disk of its own. @default 1 */
  paths?: 1 | 2;
}

/** A simulated disk of random abilities, mostly with a crypto engine, else often with protection information. */
export function newSimDisk(options: SimWorldDiskOptions): SimWorldDisk {
  const { random, shape = random, name, paths = 1 } = options;
  const first = newPath(options, shape, random, name, null);
  if (paths === 1) return new SimWorldDisk([first]);
  return new SimWorldDisk([first, newPath(options, shape, random.fork("b"), `${name}-b`, first.sim.medium)]);
}

/** A way to a medium: a disk, with a crypto engine and faults of its own. */
interface Path {
  readonly sim: SimDisk;
  readonly faults: FaultPlan;
  readonly profile: BlkCryptoProfile | null;
  /** Keyslots that hold a key, whatever the profile knows. */
  readonly keyed: ReadonlySet<number>;
  readonly changes: QueueChanges;
}

function newPath(
  { layer, engine }: SimWorldDiskOptions,
  shapeRandom: SeededRandom,
  random: SeededRandom,
  name: string,
  medium: SimMedium | null,
): Path {
  const shape = shapeRandom.fork("shape");
  const writeCache = shape.oneIn(4) === false;
  const slotCount = shape.pick([0, 0, 1, 2, 5]);
  const faults = new FaultPlan(random);
  const logicalBlockBytes = shape.pick([512, 512, 4096]);
  const intervalBytes = slotCount > 0 ? 0 : shape.pick([0, 512, logicalBlockBytes]);
  const slots: Skcipher[] = [];
  for (let slot = 0; slot < slotCount; slot++) slots.push(engine.alloc("xts(aes)"));
  const behaviour = {
    random,
    name,
    faults,
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
      logicalBlockBytes,
      integrity: intervalBytes === 0 ? null : { ...ipOfType1, intervalBytes },
      physicalBlockBytes: shape.pick([512, 4096]),
      maxSectors: shape.pick([8, 16, 64, 2560]),
      maxSegments: shape.pick([1, 2, 128]),
      maxSegmentBytes: shape.pick([4096, 65536]),
    },
  };
  const size = medium === null ? { bytes: DISK_SECTORS * SECTOR_BYTES } : { medium };
  const sim = new SimDisk(layer, { ...behaviour, ...size });
  const keyed = new Set<number>();
  const profile = slotCount === 0 ? null : newProfile(layer, slots, keyed);
  if (profile !== null) sim.queue.registerCryptoProfile(profile);
  if (intervalBytes > 0) keepIntegrity(sim.queue);
  return { sim, faults, profile, keyed, changes: new QueueChanges(sim.queue) };
}

/** A medium, and the simulated disks that are the ways to it. They have one power supply. */
export class SimWorldDisk implements WorldDisk {
  readonly gendisk: GenDisk;
  readonly blockBytes: number;
  readonly queues: readonly RequestQueue[];
  readonly profiles: readonly BlkCryptoProfile[];
  readonly power: DiskPower;
  readonly medium: Medium;
  readonly #paths: readonly Path[];

  constructor(paths: readonly Path[]) {
    const { sim } = paths[0]!;
    this.#paths = paths;
    this.gendisk = sim.disk;
    this.blockBytes = sim.queue.limits.logicalBlockBytes;
    this.queues = paths.map((path) => path.sim.queue);
    this.profiles = paths.flatMap((path) => path.profile ?? []);
    this.medium = new Medium(sim.disk.name, DISK_SECTORS, (at, into) => sim.readMedium(at, into));
    this.power = {
      get isOn(): boolean {
        return sim.powered;
      },
      get cuts(): number {
        return sim.seen.powerCuts;
      },
      cut: () => {
        for (const path of paths) path.sim.powerCut();
      },
      restore: () => {
        for (const path of paths) path.sim.powerOn();
      },
    };
  }

  /** The disks that are ways to it. */
  get gendisks(): GenDisk[] {
    return this.#paths.map(({ sim }) => sim.disk);
  }

  get isHeld(): boolean {
    return this.#paths.some(({ changes }) => changes.isHeld);
  }

  placeOf(sector: number): Place {
    return { disk: this, sector, encryptions: [] };
  }

  addFault(random: SeededRandom): null {
    const startSector = random.below(DISK_SECTORS);
    const rule: FaultRule = {
      op: random.pick([ReqOp.READ, ReqOp.WRITE, ReqOp.WRITE, ReqOp.DISCARD]),
      startSector,
      endSector: startSector + 1 + random.below(256),
      status: random.pick([BlkStatus.IOERR, BlkStatus.MEDIUM, BlkStatus.RESOURCE, BlkStatus.OK]),
      oneIn: random.pick([1, 2, 10]),
      delayMs: random.pick([0, 0, 5, 500]),
      times: random.pick([1, 5, 50]),
    };
    const { faults } = this.#pathFrom(random);
    faults.add(random.oneIn(6) ? { op: ReqOp.FLUSH, times: 3 } : rule);
    return null;
  }

  liftFaults(): null {
    for (const { faults } of this.#paths) faults.liftAll();
    return null;
  }

  reconfigure(random: SeededRandom): Promise<void> | null {
    return this.#pathFrom(random).changes.change(random);
  }

  release(): null {
    for (const { changes } of this.#paths) changes.release();
    return null;
  }

  async close(): Promise<void> {
    for (const { sim, keyed } of this.#paths) {
      if (keyed.size > 0) throw new Violation(`${sim.disk.name} has keys in slots ${[...keyed].join(", ")}`);
      await sim.close();
    }
  }

  #pathFrom(random: SeededRandom): Path {
    return this.#paths.length === 1 ? this.#paths[0]! : random.pick(this.#paths);
  }
}

function newProfile(layer: BlockLayer, slots: readonly Skcipher[], keyed: Set<number>): BlkCryptoProfile {
  return new BlkCryptoProfile(layer, {
    slotCount: slots.length,
    modesSupported: { "AES-256-XTS": 512 | 4096 },
    maxDunBytesSupported: 16,
    llOps: {
      keyslotProgram: (key, slotIndex) => {
        key.withBytes((bytes) => slots[slotIndex]!.setKey(bytes));
        keyed.add(slotIndex);
      },
      keyslotEvict: (_key, slotIndex) => {
        slots[slotIndex]!.clear();
        keyed.delete(slotIndex);
      },
    },
  });
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

import { BlkStatus, type BlockLayer, opOf, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { FaultPlan, type FaultRule, type SeededRandom, SimDisk, type SimDiskCrypt } from "@inlinecrypt/blk-sim";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import { DISK_SECTORS, type WorldDisk } from "./world-disk.js";

/** A simulated disk of random abilities, half of the time with a crypto engine. */
export function newSimDisk(layer: BlockLayer, random: SeededRandom, engine: SkcipherEngine, name: string): WorldDisk {
  const shape = random.fork("shape");
  const writeCache = shape.oneIn(4) === false;
  const slotCount = shape.pick([0, 0, 1, 2, 5]);
  const faults = new FaultPlan(random);
  const slots: Skcipher[] = [];
  for (let slot = 0; slot < slotCount; slot++) slots.push(engine.alloc("xts(aes)"));
  const sim = new SimDisk(layer, {
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
  const profile = slotCount === 0 ? null : newProfile(layer, slots);
  if (profile !== null) sim.queue.registerCryptoProfile(profile);
  return new SimWorldDisk(sim, faults, profile);
}

class SimWorldDisk implements WorldDisk {
  readonly profile: BlkCryptoProfile | null;
  readonly power: WorldDisk["power"];
  readonly #sim: SimDisk;
  readonly #faults: FaultPlan;

  constructor(sim: SimDisk, faults: FaultPlan, profile: BlkCryptoProfile | null) {
    this.#sim = sim;
    this.#faults = faults;
    this.profile = profile;
    this.power = {
      get isOn(): boolean {
        return sim.powered;
      },
      cut: () => sim.powerCut(),
      restore: () => sim.powerOn(),
    };
  }

  get gendisk(): SimDisk["disk"] {
    return this.#sim.disk;
  }

  get queue(): SimDisk["queue"] {
    return this.#sim.queue;
  }

  addFault(random: SeededRandom): void {
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
    this.#faults.add(random.oneIn(6) ? { op: ReqOp.FLUSH, times: 3 } : rule);
  }

  liftFaults(): void {
    this.#faults.liftAll();
  }

  readMedium(byteOffset: number, into: Uint8Array): void {
    this.#sim.readMedium(byteOffset, into);
  }

  async close(): Promise<void> {}
}

function newProfile(layer: BlockLayer, slots: readonly Skcipher[]): BlkCryptoProfile {
  return new BlkCryptoProfile(layer, {
    slotCount: slots.length,
    modesSupported: { "AES-256-XTS": 512 | 4096 },
    maxDunBytesSupported: 16,
    llOps: {
      keyslotProgram: (key, slotIndex) => key.withBytes((bytes) => slots[slotIndex]!.setKey(bytes)),
      keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
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

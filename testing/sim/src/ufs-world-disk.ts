import { type BlockLayer, type GenDisk, type RequestQueue, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { runUntilSettled, type SeededRandom } from "@inlinecrypt/blk-sim";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { createUfsDisk, type UfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { type FaultKind, type FaultRule, MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { Medium } from "./medium.js";
import { QueueChanges } from "./queue-changes.js";
import { DISK_SECTORS, type Place, type WorldDisk } from "./world-disk.js";

/** Each as often as it is wanted: resets take long, and all other faults wait for them. */
const FAULT_KINDS: readonly Exclude<FaultKind, "slowCommand">[] = [
  "programFails",
  "engineFault",
  "engineFault",
  "engineFatal",
  "controllerFatal",
  "deviceFatal",
  "lostCompletion",
  "lostInterrupt",
];

/** Disks of one UFS host controller: they share its commands, its crypto engine, and what goes wrong with it. */
export async function newUfsDisks(
  layer: BlockLayer,
  executor: SimExecutor,
  random: SeededRandom,
  engine: SkcipherEngine,
  name: string,
): Promise<WorldDisk[]> {
  const shape = random.fork("ufs");
  const media = Array.from({ length: shape.pick([1, 1, 3]) }, () => new MemoryMedium(DISK_SECTORS * SECTOR_BYTES));
  const probed = createUfsDisk({
    layer,
    name,
    engine,
    logicalUnits: media.map((backing) => ({ backing })),
    keyslots: shape.pick([1, 2, 8, 32]),
    dataUnitSizes: shape.pick([[4096], [512, 4096]]),
    transferRequests: shape.pick([2, 4, 32]),
    autosuspendMs: shape.pick([null, 1, 20]),
    hibernateClearsKeys: shape.oneIn(2),
    commandTimeoutMs: shape.pick([100, 30_000]),
  });
  const ufs = await runUntilSettled(executor, probed);
  return media.map((medium, index) => new UfsWorldDisk(ufs, index, medium));
}

class UfsWorldDisk implements WorldDisk {
  readonly gendisk: GenDisk;
  readonly blockBytes: number;
  readonly queues: readonly RequestQueue[];
  readonly profiles: readonly BlkCryptoProfile[];
  /** What is in memory survives; a cache that is lost is for simulated disks. */
  readonly power = null;
  readonly medium: Medium;
  readonly #ufs: UfsDisk;
  readonly #changes: QueueChanges;

  constructor(ufs: UfsDisk, index: number, medium: MemoryMedium) {
    const { disk, queue } = ufs.luns[index]!;
    this.gendisk = disk;
    this.blockBytes = queue.limits.logicalBlockBytes;
    this.queues = [queue];
    this.profiles = ufs.profile === null ? [] : [ufs.profile];
    this.medium = new Medium(disk.name, DISK_SECTORS, (at, into) =>
      into.set(medium.data.subarray(at, at + into.length)),
    );
    this.#ufs = ufs;
    this.#changes = new QueueChanges(queue);
  }

  get isHeld(): boolean {
    return this.#changes.isHeld;
  }

  placeOf(sector: number): Place {
    return { disk: this, sector, encryptions: [] };
  }

  addFault(random: SeededRandom): null {
    const times = random.pick([1, 1, 3, 20]);
    const skip = random.below(5);
    const rule: FaultRule = random.oneIn(4)
      ? { kind: "slowCommand", delayNs: random.pick([1e6, 1e9, 40e9]), times, skip }
      : { kind: random.pick(FAULT_KINDS), times, skip };
    this.#ufs.controller.faults.add(rule);
    return null;
  }

  liftFaults(): null {
    this.#ufs.controller.faults.clear();
    // A key that was programmed in vain stays unusable, as far as a driver can know, until the next reset.
    void this.#ufs.profile?.reprogramAllKeys();
    return null;
  }

  reconfigure(random: SeededRandom): Promise<void> | null {
    return this.#changes.change(random);
  }

  release(): null {
    this.#changes.release();
    return null;
  }

  close(): Promise<void> {
    return this.#ufs.close();
  }
}

import { BlkStatus, mqDeadline, noneElevator, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { FaultRule, SeededRandom } from "@inlinecrypt/blk-sim";
import { startsWithMagic } from "./content.js";
import { type Load, Violation } from "./load.js";
import type { World, WorldDisk } from "./world.js";

const SECTOR_WORDS = SECTOR_BYTES / 4;

/** What happened in a run. */
export interface ChaosCounts {
  faults: number;
  powerCuts: number;
  keyChanges: number;
  reconfigurations: number;
  allocationsFailed: number;
}

/** What goes wrong or is changed while the load runs. A third of all worlds know neither faults nor power cuts. */
export class Chaos {
  readonly counts: ChaosCounts = {
    faults: 0,
    powerCuts: 0,
    keyChanges: 0,
    reconfigurations: 0,
    allocationsFailed: 0,
  };
  /** Elevator changes under way: each waits for a frozen queue to fall idle. */
  #changing = 0;
  readonly #quiesced = new Set<WorldDisk>();
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #calm: boolean;

  constructor(world: World, load: Load, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#calm = random.oneIn(3);
    load.failuresExpected = !this.#calm;
  }

  /** Whether something waits for promises to run. */
  get isChanging(): boolean {
    return this.#changing > 0;
  }

  /** Called at every step: mostly nothing happens. A disk without power gets it back soon. */
  tick(): void {
    for (const { sim } of this.#world.disks) if (!sim.powered && this.#random.oneIn(30)) sim.powerOn();
    for (const disk of this.#quiesced) if (this.#random.oneIn(30)) this.#unquiesce(disk);
    if (this.#random.oneIn(100)) this.#act();
  }

  #act(): void {
    const disk = this.#random.pick(this.#world.disks);
    switch (this.#random.below(this.#calm ? 4 : 7)) {
      case 0:
        return this.#changeKey();
      case 1:
        return this.checkMedium(disk);
      case 2:
        this.#world.allocationFaultsOneIn = this.#random.pick([0, 0, 3, 30]);
        return;
      case 3:
        return this.#reconfigure(disk);
      case 4:
        return this.#cutPower(disk);
      case 5:
        return disk.faults.liftAll();
      default:
        return this.#addFault(disk);
    }
  }

  /** Ends everything that makes I/O fail. */
  end(): void {
    this.counts.allocationsFailed = this.#world.allocationsFailed;
    this.#world.allocationFaultsOneIn = 0;
    for (const disk of this.#quiesced) this.#unquiesce(disk);
    for (const { sim, faults } of this.#world.disks) {
      faults.liftAll();
      sim.powerOn();
    }
  }

  /** No sector of an encrypted region may hold plaintext. */
  checkMedium({ sim, regions }: WorldDisk): void {
    for (const region of regions) {
      if (!region.encrypted) continue;
      const medium = new Uint32Array(region.sectors * SECTOR_WORDS);
      sim.readMedium(region.startSector * SECTOR_BYTES, new Uint8Array(medium.buffer));
      for (let sector = 0; sector < region.sectors; sector++) {
        if (!startsWithMagic(medium, sector * SECTOR_WORDS)) continue;
        throw new Violation(`plaintext on ${sim.disk.name}, sector ${region.startSector + sector}`);
      }
    }
  }

  #changeKey(): void {
    const region = this.#random.pick(this.#world.regions);
    if (!region.encrypted || !region.isQuiet) return;
    this.counts.keyChanges++;
    this.#world.withoutAllocationFaults(() => region.changeKey());
  }

  #reconfigure(disk: WorldDisk): void {
    this.counts.reconfigurations++;
    const { queue } = disk.sim;
    switch (this.#random.below(3)) {
      case 0:
        return queue.setNrRequests(this.#random.pick([1, 2, 8, 64]));
      case 1:
        if (this.#quiesced.has(disk)) return;
        this.#quiesced.add(disk);
        return queue.quiesce();
      default:
        void this.#changeElevator(disk);
    }
  }

  async #changeElevator({ sim }: WorldDisk): Promise<void> {
    this.#changing++;
    await sim.queue.setElevator(this.#random.pick([noneElevator, mqDeadline()]));
    this.#changing--;
  }

  #unquiesce(disk: WorldDisk): void {
    this.#quiesced.delete(disk);
    disk.sim.queue.unquiesce();
  }

  #cutPower(disk: WorldDisk): void {
    if (!disk.sim.powered) return;
    this.counts.powerCuts++;
    disk.sim.powerCut();
    for (const region of disk.regions) region.model.powerCut();
  }

  #addFault(disk: WorldDisk): void {
    this.counts.faults++;
    const startSector = this.#random.below(disk.sim.bdev.sectorCount);
    const rule: FaultRule = {
      op: this.#random.pick([ReqOp.READ, ReqOp.WRITE, ReqOp.WRITE, ReqOp.DISCARD]),
      startSector,
      endSector: startSector + 1 + this.#random.below(256),
      status: this.#random.pick([BlkStatus.IOERR, BlkStatus.MEDIUM, BlkStatus.RESOURCE, BlkStatus.OK]),
      oneIn: this.#random.pick([1, 2, 10]),
      delayMs: this.#random.pick([0, 0, 5, 500]),
      times: this.#random.pick([1, 5, 50]),
    };
    disk.faults.add(this.#random.oneIn(6) ? { op: ReqOp.FLUSH, times: 3 } : rule);
  }
}

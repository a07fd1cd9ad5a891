import { mqDeadline, noneElevator, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { startsWithMagic } from "./content.js";
import { type Load, Violation } from "./load.js";
import type { Region } from "./region.js";
import type { World } from "./world.js";
import type { WorldDisk } from "./world-disk.js";

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
  /** Changes of elevators and keys under way: they wait for a queue to fall idle, or for a keyslot to be emptied. */
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
    for (const { power } of this.#world.disks) if (power?.isOn === false && this.#random.oneIn(30)) power.restore();
    for (const disk of this.#quiesced) if (this.#random.oneIn(30)) this.#unquiesce(disk);
    if (this.#random.oneIn(100)) this.#act();
  }

  #act(): void {
    const disk = this.#random.pick(this.#world.disks);
    switch (this.#random.below(this.#calm ? 4 : 7)) {
      case 0:
        return this.#startChangingKey();
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
        return disk.liftFaults();
      default:
        return this.#addFault(disk);
    }
  }

  /** Ends everything that makes I/O fail. */
  end(): void {
    this.counts.allocationsFailed = this.#world.allocationsFailed;
    this.#world.allocationFaultsOneIn = 0;
    for (const disk of this.#quiesced) this.#unquiesce(disk);
    for (const disk of this.#world.disks) {
      disk.liftFaults();
      disk.power?.restore();
    }
  }

  /** No sector of an encrypted region may hold plaintext. */
  checkMedium(disk: WorldDisk): void {
    for (const region of this.#regionsOf(disk)) {
      if (!region.encrypted) continue;
      const medium = new Uint32Array(region.sectors * SECTOR_WORDS);
      disk.readMedium(region.startSector * SECTOR_BYTES, new Uint8Array(medium.buffer));
      for (let sector = 0; sector < region.sectors; sector++) {
        if (!startsWithMagic(medium, sector * SECTOR_WORDS)) continue;
        throw new Violation(`plaintext on ${disk.gendisk.name}, sector ${region.startSector + sector}`);
      }
    }
  }

  #regionsOf(disk: WorldDisk): Region[] {
    return this.#world.regions.filter((region) => region.disk === disk);
  }

  #startChangingKey(): void {
    const region = this.#random.pick(this.#world.regions);
    if (!region.encrypted || !region.isQuiet) return;
    this.counts.keyChanges++;
    void this.#changeKey(region);
  }

  async #changeKey(region: Region): Promise<void> {
    this.#changing++;
    await region.changeKey();
    this.#changing--;
  }

  #reconfigure(disk: WorldDisk): void {
    this.counts.reconfigurations++;
    const { queue } = disk;
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

  async #changeElevator({ queue }: WorldDisk): Promise<void> {
    this.#changing++;
    await queue.setElevator(this.#random.pick([noneElevator, mqDeadline()]));
    this.#changing--;
  }

  #unquiesce(disk: WorldDisk): void {
    this.#quiesced.delete(disk);
    disk.queue.unquiesce();
  }

  #cutPower(disk: WorldDisk): void {
    if (disk.power?.isOn !== true) return;
    this.counts.powerCuts++;
    disk.power.cut();
    for (const region of this.#regionsOf(disk)) region.model.powerCut();
  }

  #addFault(disk: WorldDisk): void {
    this.counts.faults++;
    disk.addFault(this.#random);
  }
}

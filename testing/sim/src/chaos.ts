import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { Load } from "./load.js";
import type { World } from "./world.js";
import type { WorldDisk } from "./world-disk.js";

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
  /** Changes under way: they wait for a queue to fall idle, for a keyslot to be emptied, for I/O to end. */
  #changing = 0;
  /** Why a change came to nothing. */
  #failure: unknown = null;
  readonly #held = new Set<WorldDisk>();
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #calm: boolean;

  constructor(world: World, load: Load, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#calm = random.oneIn(3);
    load.failuresExpected = !this.#calm;
  }

  /** Whether something waits for promises to run. @throws what a change has thrown */
  get isChanging(): boolean {
    if (this.#failure !== null) throw this.#failure;
    return this.#changing > 0;
  }

  /** Called at every step: mostly nothing happens. A disk without power gets it back soon. @throws what a change has thrown */
  tick(): void {
    if (this.#failure !== null) throw this.#failure;
    for (const { power } of this.#world.disks) if (power?.isOn === false && this.#random.oneIn(30)) power.restore();
    for (const disk of this.#held) if (this.#random.oneIn(30)) this.#release(disk);
    if (this.#random.oneIn(100)) this.#act();
  }

  #act(): void {
    const disk = this.#random.pick(this.#world.disks);
    switch (this.#random.below(this.#calm ? 4 : 7)) {
      case 0:
        return this.#startChangingKey();
      case 1:
        return disk.medium?.check();
      case 2:
        this.#world.allocationFaultsOneIn = this.#random.pick([0, 0, 3, 30]);
        return;
      case 3:
        return this.#reconfigure(disk);
      case 4:
        return this.#cutPower(disk);
      case 5:
        return this.#goOn(disk.liftFaults());
      default:
        this.counts.faults++;
        return this.#goOn(disk.addFault(this.#random));
    }
  }

  /** Ends everything that makes I/O wait or fail. */
  end(): void {
    this.counts.allocationsFailed = this.#world.allocationsFailed;
    this.#world.allocationFaultsOneIn = 0;
    for (const disk of this.#held) this.#release(disk);
    for (const disk of this.#world.disks) {
      this.#goOn(disk.liftFaults());
      disk.power?.restore();
    }
  }

  #startChangingKey(): void {
    const region = this.#random.pick(this.#world.regions);
    if (!region.encrypted || !region.isQuiet) return;
    this.counts.keyChanges++;
    this.#goOn(region.changeKey());
  }

  #reconfigure(disk: WorldDisk): void {
    this.counts.reconfigurations++;
    this.#goOn(disk.reconfigure(this.#random));
    if (disk.isHeld) this.#held.add(disk);
  }

  #release(disk: WorldDisk): void {
    this.#held.delete(disk);
    this.#goOn(disk.release());
  }

  #cutPower(disk: WorldDisk): void {
    if (disk.power?.isOn !== true) return;
    this.counts.powerCuts++;
    disk.power.cut();
    for (const region of this.#world.regions) region.powerCut(disk);
  }

  /** Lets a change take its time. */
  #goOn(change: Promise<void> | null): void {
    if (change !== null) void this.#waitFor(change);
  }

  async #waitFor(change: Promise<void>): Promise<void> {
    this.#changing++;
    try {
      await change;
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#changing--;
    }
  }
}

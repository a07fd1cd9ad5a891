import type { DmArgs } from "../dm-args.js";
import type { DmDev } from "../dm-target-spec.js";

/** A way to the device. @kernel drivers/md/dm-mpath.c: pgpath */
export interface Path {
  readonly dev: DmDev;
  active: boolean;
  /** How often it has failed. */
  failCount: number;
}

/**
 * Chooses among the paths of one priority group.
 *
 * @kernel drivers/md/dm-path-selector.h: path_selector_type
 */
export interface PathSelector {
  readonly name: string;
  /** Arguments each path has in a table, and words it has in a status. */
  readonly tableArgs: number;
  readonly infoArgs: number;
  /** Takes a path with its arguments. */
  addPath(path: Path, args: DmArgs): void;
  /** An active path for a request of so many bytes, or null. @context hot */
  select(bytes: number): Path | null;
  startIo(path: Path, bytes: number): void;
  endIo(path: Path, bytes: number): void;
  /** The path's arguments, as a table prints them. */
  tableOf(path: Path): string;
  /** What a status says of the path; "" for nothing. */
  infoOf(path: Path): string;
}

/** @throws BlkError EINVAL for a selector there is none of. */
export function newPathSelector(name: string, args: DmArgs): PathSelector {
  if (name === "round-robin") return new RoundRobin();
  if (name === "service-time") return new ServiceTime();
  args.refuse("unknown path selector, expected round-robin or service-time");
}

/** One after the other. @kernel drivers/md/dm-ps-round-robin.c */
class RoundRobin implements PathSelector {
  readonly name = "round-robin";
  readonly tableArgs = 1;
  readonly infoArgs = 0;
  readonly #paths: Path[] = [];
  #next = 0;

  /** The repeat count is taken and not heeded, as in the kernel: every request is a choice. */
  addPath(path: Path, args: DmArgs): void {
    if (args.left > 0) args.number("the repeat count");
    this.#paths.push(path);
  }

  select(): Path | null {
    for (let tries = 0; tries < this.#paths.length; tries++) {
      const path = this.#paths[this.#next]!;
      this.#next = (this.#next + 1) % this.#paths.length;
      if (path.active) return path;
    }
    return null;
  }

  startIo(): void {}

  endIo(): void {}

  tableOf(): string {
    return "1";
  }

  infoOf(): string {
    return "";
  }
}

interface Load {
  readonly path: Path;
  /** 0 to 100; 0: only when there is no other. */
  readonly throughput: number;
  bytes: number;
}

/**
 * Where it is done first, judging by what is under way; paths as good as each other take turns.
 *
 * @kernel drivers/md/dm-ps-service-time.c
 */
class ServiceTime implements PathSelector {
  readonly name = "service-time";
  readonly tableArgs = 2;
  readonly infoArgs = 2;
  /** Those chosen longest ago first. */
  readonly #loads: Load[] = [];

  addPath(path: Path, args: DmArgs): void {
    if (args.left > 0) args.number("the repeat count");
    const throughput = args.left > 0 ? args.number("the relative throughput", 0, 100) : 1;
    this.#loads.push({ path, throughput, bytes: 0 });
  }

  select(bytes: number): Path | null {
    let best: Load | null = null;
    for (let index = 0; index < this.#loads.length; index++) {
      const load = this.#loads[index]!;
      if (load.path.active && (best === null || compareLoads(load, best, bytes) < 0)) best = load;
    }
    if (best === null) return null;
    this.#moveToEnd(best);
    return best.path;
  }

  startIo(path: Path, bytes: number): void {
    this.#loadOf(path).bytes += bytes;
  }

  endIo(path: Path, bytes: number): void {
    this.#loadOf(path).bytes -= bytes;
  }

  tableOf(path: Path): string {
    return `1 ${this.#loadOf(path).throughput}`;
  }

  infoOf(path: Path): string {
    const { bytes, throughput } = this.#loadOf(path);
    return `${bytes} ${throughput}`;
  }

  /** Paths are few. */
  #loadOf(path: Path): Load {
    let index = 0;
    while (this.#loads[index]!.path !== path) index++;
    return this.#loads[index]!;
  }

  #moveToEnd(load: Load): void {
    const last = this.#loads.length - 1;
    for (let index = this.#loads.indexOf(load); index < last; index++) this.#loads[index] = this.#loads[index + 1]!;
    this.#loads[last] = load;
  }
}

/**
 * Below 0 when so many bytes more are done first at `a`. Times are compared without dividing by a throughput of 0.
 *
 * @kernel drivers/md/dm-ps-service-time.c: st_compare_load
 */
function compareLoads(a: Load, b: Load, bytes: number): number {
  const byThroughput = b.throughput - a.throughput;
  if (a.throughput === 0 || b.throughput === 0) return byThroughput || a.bytes - b.bytes;
  const byTime = (a.bytes + bytes) * b.throughput - (b.bytes + bytes) * a.throughput;
  return byTime || byThroughput;
}

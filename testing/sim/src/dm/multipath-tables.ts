import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { Layout } from "./layout.js";
import type { Tables } from "./tables.js";

/** Tables for a device with one or two paths to it, in one or two groups. */
export class MultipathTables implements Tables {
  readonly #pathNames: readonly string[];
  readonly #features: string;

  constructor(pathNames: readonly string[], queueIfNoPath: boolean) {
    this.#pathNames = pathNames;
    this.#features = queueIfNoPath ? "1 queue_if_no_path" : "0";
  }

  write({ sectors }: Layout, random: SeededRandom): string {
    const paths = random.shuffle([...this.#pathNames]);
    const groups = random.oneIn(2) ? [paths] : paths.map((path) => [path]);
    const each = groups.map((names) => groupOf(names, random)).join(" ");
    return `0 ${sectors} multipath ${this.#features} 0 ${groups.length} 1 ${each}`;
  }
}

function groupOf(names: readonly string[], random: SeededRandom): string {
  if (random.oneIn(2)) return `round-robin 0 ${names.length} 1 ${names.map((name) => `${name} 1`).join(" ")}`;
  return `service-time 0 ${names.length} 2 ${names.map((name) => `${name} 1 ${random.pick([1, 50])}`).join(" ")}`;
}

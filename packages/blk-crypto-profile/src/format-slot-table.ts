import type { KeyslotInfo } from "./keyslot.js";

const HEADERS = ["slot", "key", "users", "programmings", "hits", "waits", "evictions", "longest wait"];

/**
 * A profile's slots as a table, one line a slot: what a debug file beside sysfs would print.
 *
 * ```text
 * slot  key               users  programmings  hits  waits  evictions  longest wait
 * 0     AES-256-XTS 4096  1      1             120   2      0          1.50 ms
 * 1     -                 0      0             0     0      0          -
 * ```
 */
export function formatSlotTable(slots: readonly KeyslotInfo[]): string {
  const rows = [HEADERS, ...slots.map(cellsOf)];
  const widths = HEADERS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function cellsOf(slot: KeyslotInfo): string[] {
  const key = slot.key === null ? "-" : `${slot.key.mode} ${slot.key.dataUnitBytes}`;
  const longestWait = slot.waits === 0 ? "-" : `${slot.longestWaitMs.toFixed(2)} ms`;
  const counts = [slot.references, slot.programmings, slot.hits, slot.waits, slot.evictions];
  return [String(slot.slotIndex), key, ...counts.map(String), longestWait];
}

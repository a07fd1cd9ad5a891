import { resolve } from "node:path";
import { formatListenAddress } from "../values.js";
import { type ExportDefinition, exportName, type StackDefinition } from "./stack-definition.js";
import type { StackProblem } from "./stack-schema.js";

/**
 * What is wrong between the parts of a stack: names that lead nowhere, two exports under one name.
 *
 * @param folder - where relative paths start
 */
export function findReferenceProblems(definition: StackDefinition, folder: string): StackProblem[] {
  return [...deviceProblems(definition), ...volumeProblems(definition), ...exportProblems(definition, folder)];
}

/** Bottom-up: a device stands on those before it. Tables name theirs too, and are checked when they are loaded. */
function deviceProblems({ devices }: StackDefinition): StackProblem[] {
  const before: Record<string, unknown> = {};
  return Object.entries(devices).flatMap(([name, device]) => {
    const below = device.driver === "loop" ? device.device : undefined;
    const found =
      below === undefined ? null : dangling(["devices", name, "device"], "device", below, before, " before it");
    before[name] = device;
    return found ?? [];
  });
}

function volumeProblems({ volumes = {}, devices, keys = {} }: StackDefinition): StackProblem[] {
  return Object.entries(volumes).flatMap(([name, volume]) => {
    const problems = [dangling(["volumes", name, "device"], "device", volume.device, devices)];
    if (volume.key !== undefined) problems.push(danglingKey(name, volume.key, keys));
    else if (volume.firstDun !== undefined) {
      problems.push(problem(["volumes", name, "firstDun"], "a volume without a key has no DUNs"));
    }
    return problems.filter((found) => found !== null);
  });
}

function exportProblems(definition: StackDefinition, folder: string): StackProblem[] {
  const { exports = [], volumes = {} } = definition;
  // One socket may be spelled in several ways.
  const addresses = exports.map(({ nbd }) =>
    formatListenAddress("unix" in nbd ? { unix: resolve(folder, nbd.unix) } : nbd),
  );
  return exports.flatMap((each, index) => {
    const problems = [
      dangling(["exports", index, "volume"], "volume", each.volume, volumes),
      takenName(index, exports, addresses),
      dividedDevice(index, exports, addresses, definition),
    ];
    return problems.filter((found) => found !== null);
  });
}

function takenName(
  index: number,
  exports: readonly ExportDefinition[],
  addresses: readonly string[],
): StackProblem | null {
  const each = exports[index]!;
  const first = exports.findIndex(
    (other, at) => addresses[at] === addresses[index] && exportName(other) === exportName(each),
  );
  if (first === index) return null;
  return problem(
    ["exports", index],
    `${formatListenAddress(each.nbd)} has an export named "${exportName(each)}" already, exports[${first}]; ` +
      "give this one another name",
  );
}

/** A server serialises partial writes to a device, and an address has a server of its own. */
function dividedDevice(
  index: number,
  exports: readonly ExportDefinition[],
  addresses: readonly string[],
  { volumes = {} }: StackDefinition,
): StackProblem | null {
  const deviceOf = ({ volume }: ExportDefinition) => (Object.hasOwn(volumes, volume) ? volumes[volume]!.device : null);
  const device = deviceOf(exports[index]!);
  const other = exports
    .slice(0, index)
    .find((one, at) => deviceOf(one) === device && addresses[at] !== addresses[index]);
  if (device === null || other === undefined) return null;
  return problem(
    ["exports", index, "nbd"],
    `device "${device}" is exported on ${formatListenAddress(other.nbd)} already; all exports of a device share an address`,
  );
}

/** Does not say the name: it may be the key itself. */
function danglingKey(volumeName: string, name: string, keys: Readonly<Record<string, unknown>>): StackProblem | null {
  const path = ["volumes", volumeName, "key"];
  return Object.hasOwn(keys, name) ? null : problem(path, `no key of this name; there ${listed(keys)}`);
}

function dangling(
  path: StackProblem["path"],
  what: string,
  name: string,
  there: Readonly<Record<string, unknown>>,
  where = "",
): StackProblem | null {
  if (Object.hasOwn(there, name)) return null;
  return problem(path, `no ${what} "${name}"${where}; there ${listed(there)}`);
}

function listed(there: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(there);
  return names.length === 0 ? "is none" : `is ${names.join(", ")}`;
}

function problem(path: StackProblem["path"], message: string): StackProblem {
  return { path, message, atKey: false };
}

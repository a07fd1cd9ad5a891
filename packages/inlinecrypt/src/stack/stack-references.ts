import { formatListenAddress } from "../values.js";
import { type ExportDefinition, exportName, type StackDefinition } from "./stack-definition.js";
import type { StackProblem } from "./stack-schema.js";

/** What is wrong between the parts of a stack: names that lead nowhere, two exports under one name. */
export function findReferenceProblems(definition: StackDefinition): StackProblem[] {
  return [...deviceProblems(definition), ...volumeProblems(definition), ...exportProblems(definition)];
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
    if (volume.key !== undefined) problems.push(dangling(["volumes", name, "key"], "key", volume.key, keys));
    else if (volume.firstDun !== undefined) {
      problems.push(problem(["volumes", name, "firstDun"], "a volume without a key has no DUNs"));
    }
    return problems.filter((found) => found !== null);
  });
}

function exportProblems(definition: StackDefinition): StackProblem[] {
  const { exports = [], volumes = {} } = definition;
  return exports.flatMap((each, index) => {
    const before = exports.slice(0, index);
    const problems = [
      dangling(["exports", index, "volume"], "volume", each.volume, volumes),
      takenName(each, index, before),
      dividedDevice(each, index, before, definition),
    ];
    return problems.filter((found) => found !== null);
  });
}

function takenName(each: ExportDefinition, index: number, before: readonly ExportDefinition[]): StackProblem | null {
  const address = formatListenAddress(each.nbd);
  const first = before.findIndex(
    (other) => formatListenAddress(other.nbd) === address && exportName(other) === exportName(each),
  );
  if (first < 0) return null;
  return problem(
    ["exports", index],
    `${address} has an export named "${exportName(each)}" already, exports[${first}]; give this one another name`,
  );
}

/** A server serialises partial writes to a device, and an address has a server of its own. */
function dividedDevice(
  each: ExportDefinition,
  index: number,
  before: readonly ExportDefinition[],
  { volumes = {} }: StackDefinition,
): StackProblem | null {
  const deviceOf = ({ volume }: ExportDefinition) => (Object.hasOwn(volumes, volume) ? volumes[volume]!.device : null);
  const device = deviceOf(each);
  const address = formatListenAddress(each.nbd);
  const other = before.find((one) => deviceOf(one) === device && formatListenAddress(one.nbd) !== address);
  if (device === null || other === undefined) return null;
  return problem(
    ["exports", index, "nbd"],
    `device "${device}" is exported on ${formatListenAddress(other.nbd)} already; all exports of a device share an address`,
  );
}

function dangling(
  path: StackProblem["path"],
  what: string,
  name: string,
  there: Readonly<Record<string, unknown>>,
  where = "",
): StackProblem | null {
  if (Object.hasOwn(there, name)) return null;
  const names = Object.keys(there);
  return problem(
    path,
    `no ${what} "${name}"${where}; there ${names.length === 0 ? "is none" : `is ${names.join(", ")}`}`,
  );
}

function problem(path: StackProblem["path"], message: string): StackProblem {
  return { path, message, atKey: false };
}

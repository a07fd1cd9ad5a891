import { formatListenAddress } from "../values.js";
import { exportName, type StackDefinition } from "./stack-definition.js";
import type { StackProblem } from "./stack-schema.js";

/** What is wrong between the parts of a stack: names that lead nowhere, two exports under one name. */
export function findReferenceProblems(definition: StackDefinition): StackProblem[] {
  return [...volumeProblems(definition), ...exportProblems(definition)];
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

function exportProblems({ exports = [], volumes = {} }: StackDefinition): StackProblem[] {
  const takenBy = new Map<string, number>();
  return exports.flatMap((definition, index) => {
    const problems = [dangling(["exports", index, "volume"], "volume", definition.volume, volumes)];
    const address = formatListenAddress(definition.nbd);
    const name = exportName(definition);
    const first = takenBy.get(`${address}\n${name}`);
    if (first === undefined) takenBy.set(`${address}\n${name}`, index);
    else {
      const message = `${address} has an export named "${name}" already, exports[${first}]; give this one another name`;
      problems.push(problem(["exports", index], message));
    }
    return problems.filter((found) => found !== null);
  });
}

function dangling(
  path: StackProblem["path"],
  what: string,
  name: string,
  there: Readonly<Record<string, unknown>>,
): StackProblem | null {
  if (Object.hasOwn(there, name)) return null;
  const names = Object.keys(there);
  return problem(path, `no ${what} "${name}"; there ${names.length === 0 ? "is none" : `is ${names.join(", ")}`}`);
}

function problem(path: StackProblem["path"], message: string): StackProblem {
  return { path, message, atKey: false };
}

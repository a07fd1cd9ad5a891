import { dirname, resolve } from "node:path";
import { UsageError } from "../failure.js";
import { readAtMost } from "../read-at-most.js";
import type { DeviceDefinition, ExportDefinition, StackDefinition } from "./stack-definition.js";

/** More than any stack anyone writes. */
const FILE_BYTES_MAX = 2 ** 20;

/**
 * Reads and checks a stack file. Relative paths in it start at its folder.
 *
 * @throws StackFileError with every problem found; UsageError for a file that is no text, or too large
 * @throws RequestError when the file cannot be read
 */
export async function loadStackFile(path: string): Promise<StackDefinition> {
  const text = await readStackText(path);
  // Loaded now because it takes longer than the rest of the command, which most often does without.
  const { parseStackText } = await import("./stack-text.js");
  return resolvePaths(parseStackText(text, path), dirname(resolve(path)));
}

async function readStackText(path: string): Promise<string> {
  const content = new Uint8Array(FILE_BYTES_MAX + 1);
  const { bytesRead } = await readAtMost(path, content, `stack file ${path}`);
  if (bytesRead > FILE_BYTES_MAX) {
    throw new UsageError(`${path} has over ${FILE_BYTES_MAX} bytes, too many for a stack file`);
  }
  return decode(content.subarray(0, bytesRead), path);
}

/** Who gives a raw key or an image in the place of a stack file must not see it in a message. */
function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${path}: expected a stack file, which is text in UTF-8; this is not`);
  }
}

function resolvePaths(definition: StackDefinition, folder: string): StackDefinition {
  return {
    ...definition,
    devices: mapValues(definition.devices, (device) => resolveDevice(device, folder)),
    keys: mapValues(definition.keys ?? {}, (key) => ({ ...key, file: resolve(folder, key.file) })),
    exports: (definition.exports ?? []).map((definition) => resolveExport(definition, folder)),
  };
}

function resolveDevice(device: DeviceDefinition, folder: string): DeviceDefinition {
  if (device.driver === "loop" && device.file !== undefined) return { ...device, file: resolve(folder, device.file) };
  if (device.driver === "ufs" && device.backing !== undefined) {
    return { ...device, backing: resolve(folder, device.backing) };
  }
  return device;
}

function resolveExport(definition: ExportDefinition, folder: string): ExportDefinition {
  if (!("unix" in definition.nbd)) return definition;
  return { ...definition, nbd: { unix: resolve(folder, definition.nbd.unix) } };
}

function mapValues<From, To>(from: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value)]));
}

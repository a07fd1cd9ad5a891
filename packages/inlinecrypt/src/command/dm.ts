import type { MappedDevice } from "@inlinecrypt/dm-layer";
import { buildStack } from "../stack/build-stack.js";
import { devicesForReading } from "../stack/devices-for-reading.js";
import { loadStackFile } from "../stack/stack-file.js";
import type { CommandIo } from "./command-io.js";
import { print } from "./print.js";

/** What `inlinecrypt dm` shows. */
export type DmView = "table" | "status";

/**
 * `inlinecrypt dm table|status`: the tables of a stack's mapped devices, or the state of their targets, as dmsetup prints
 * them. Only devices are opened, for reading, and the keys that tables name are read; they are shown as zeroes.
 */
export async function dm(io: CommandIo, view: DmView, stackFile: string, json: boolean): Promise<void> {
  const stack = await buildStack(devicesForReading(await loadStackFile(stackFile)));
  try {
    await print(io, json ? linesJson(stack.mappedDevices, view) : linesText(stack.mappedDevices, view));
  } finally {
    await stack.close();
  }
}

function linesText(devices: readonly MappedDevice[], view: DmView): string {
  if (devices.length === 0) return "No devices found\n";
  return devices.flatMap((device) => device[view]().map((line) => `${device.name}: ${line}\n`)).join("");
}

function linesJson(devices: readonly MappedDevice[], view: DmView): string {
  const shown = devices.map((device) => [device.name, device[view]()]);
  return `${JSON.stringify({ devices: Object.fromEntries(shown) })}\n`;
}

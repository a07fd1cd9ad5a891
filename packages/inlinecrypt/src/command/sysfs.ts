import type { BlockDevice } from "@inlinecrypt/blk-core";
import { formatSysfs, queueCryptoSysfs } from "@inlinecrypt/blk-crypto-profile";
import { buildStack } from "../stack/build-stack.js";
import type { DeviceDefinition, StackDefinition } from "../stack/stack-definition.js";
import { loadStackFile } from "../stack/stack-file.js";
import type { CommandIo } from "./command-io.js";

/**
 * `inlinecrypt sysfs`: what each device of a stack can encrypt by itself. Only devices are opened, for reading: no keys are
 * read, nothing is served, created or changed.
 */
export async function sysfs(io: CommandIo, stackFile: string, json: boolean): Promise<void> {
  const stack = await buildStack(onlyDevices(await loadStackFile(stackFile)));
  try {
    io.stdout.write(json ? cryptoFilesJson(stack.devices) : cryptoFilesText(stack.devices));
  } finally {
    await stack.close();
  }
}

/** The `queue/crypto` directory of each device as a tree, or that there is none. */
export function cryptoFilesText(devices: ReadonlyMap<string, BlockDevice>): string {
  let text = "";
  for (const [name, bdev] of devices) {
    const files = queueCryptoSysfs(bdev.disk);
    const path = `${name}/queue/crypto`;
    text += files === null ? `${path}: no such directory, ${name} does not encrypt\n` : formatSysfs(path, files);
  }
  return text;
}

/** The same for machines: an object of paths and contents for each device, or null. */
export function cryptoFilesJson(devices: ReadonlyMap<string, BlockDevice>): string {
  const shown = [...devices].map(([name, bdev]) => {
    const files = queueCryptoSysfs(bdev.disk);
    return [name, files && Object.fromEntries([...files].map(([path, read]) => [path, read().trimEnd()]))];
  });
  return `${JSON.stringify({ devices: Object.fromEntries(shown) })}\n`;
}

function onlyDevices({ version, devices }: StackDefinition): StackDefinition {
  const opened = Object.entries(devices).map(([name, device]) => [name, forReading(device)]);
  return { version, cryptoFallback: false, devices: Object.fromEntries(opened) };
}

/** A file that does not exist is not created. */
function forReading(device: DeviceDefinition): DeviceDefinition {
  return device.driver === "loop" ? { ...device, readOnly: true } : device;
}

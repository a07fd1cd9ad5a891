import type { BlockDevice } from "@inlinecrypt/blk-core";
import { formatSysfs, queueCryptoSysfs } from "@inlinecrypt/blk-crypto-profile";
import { buildStack } from "../stack/build-stack.js";
import { devicesForReading } from "../stack/devices-for-reading.js";
import { loadStackFile } from "../stack/stack-file.js";
import type { CommandIo } from "./command-io.js";
import { print } from "./print.js";

/**
 * `inlinecrypt sysfs`: what each device of a stack can encrypt by itself. Only devices are opened, for reading: nothing
 * is served, created or changed, and no keys are read but those that tables name.
 */
export async function sysfs(io: CommandIo, stackFile: string, json: boolean): Promise<void> {
  const stack = await buildStack(devicesForReading(await loadStackFile(stackFile)));
  try {
    await print(io, json ? cryptoFilesJson(stack.devices) : cryptoFilesText(stack.devices));
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

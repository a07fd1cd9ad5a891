import type { GenDisk, SysfsFiles } from "@inlinecrypt/blk-core";
import type { CryptoCapabilities } from "./crypto-capabilities.js";
import { cryptoModes } from "./crypto-modes.js";

/**
 * The files that a profile with these capabilities shows now. Which there are is decided here, once; what they say is
 * looked up at each reading.
 *
 * @kernel block/blk-crypto-sysfs.c: blk_crypto_attrs, blk_crypto_mode_is_visible
 */
export function cryptoSysfsFiles(capabilities: CryptoCapabilities, slotCount: number): SysfsFiles {
  const files = new Map<string, () => string>();
  files.set("max_dun_bits", () => `${8 * capabilities.maxDunBytesSupported}\n`);
  files.set("num_keyslots", () => `${slotCount}\n`);
  if (capabilities.hasKeyType("raw")) files.set("raw_keys", () => "supported\n");
  if (capabilities.hasKeyType("hw-wrapped")) files.set("hw_wrapped_keys", () => "supported\n");
  for (const { num, name } of cryptoModes) {
    if (capabilities.dataUnitMask(num) === 0) continue;
    files.set(`modes/${name}`, () => `0x${capabilities.dataUnitMask(num).toString(16)}\n`);
  }
  return files;
}

/**
 * The files of a disk's `queue/crypto` directory: a function for each path, such as `"modes/AES-256-XTS"`, that reads it
 * now, newline included. Null where the directory does not exist: the queue had no crypto profile when the disk came
 * into being.
 *
 * @kernel Documentation/ABI/stable/sysfs-block: /sys/block/<disk>/queue/crypto/
 */
export function queueCryptoSysfs(disk: GenDisk): SysfsFiles | null {
  return disk.cryptoSysfs;
}

/**
 * A directory as people like to read it: one line for each file, with what it says now, under the line `name`.
 *
 * ```text
 * disk0/queue/crypto
 * ├── max_dun_bits: 64
 * ├── num_keyslots: 32
 * ├── raw_keys: supported
 * └── modes
 *     └── AES-256-XTS: 0x1000
 * ```
 */
export function formatSysfs(name: string, files: SysfsFiles): string {
  return `${[name, ...treeLines([...files].map(([path, read]) => [path.split("/"), read()]))].join("\n")}\n`;
}

type Entry = readonly [path: readonly string[], content: string];

function treeLines(entries: readonly Entry[]): string[] {
  const names = [...new Set(entries.map(([[name]]) => name!))];
  return names.flatMap((name, index) => {
    const isLast = index === names.length - 1;
    const inside = entries.filter(([[first]]) => first === name);
    const [[path, content]] = inside as [Entry];
    const line = (isLast ? "└── " : "├── ") + (path.length === 1 ? `${name}: ${content.trimEnd()}` : name);
    if (path.length === 1) return [line];
    const below = treeLines(inside.map(([[, ...rest], each]) => [rest, each]));
    return [line, ...below.map((each) => (isLast ? "    " : "│   ") + each)];
  });
}

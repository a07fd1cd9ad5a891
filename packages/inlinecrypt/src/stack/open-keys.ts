import type { BlockDevice, CryptoConfig } from "@inlinecrypt/blk-core";
import {
  type BlkCryptoKey,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoMode,
  cryptoModeByName,
} from "@inlinecrypt/blk-crypto-profile";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { noCipherFor } from "../engines.js";
import { RequestError } from "../failure.js";
import { loadKey } from "../load-key.js";
import type { StackOptions } from "./build-stack.js";
import { KEY_DEFAULTS, type KeyDefinition, type StackDefinition } from "./stack-definition.js";
import type { Unwinder } from "./unwinder.js";

/** A volume that a key is used for. */
interface KeyUse {
  readonly volumeName: string;
  readonly bdev: BlockDevice;
  readonly firstDun: bigint;
}

/**
 * Makes the keys of a stack and starts them on the devices of their volumes. Unwinding evicts them from there and wipes
 * them.
 *
 * @param engine - the fallback's; null without a fallback
 * @throws RequestError for a key file without the key, a DUN the mode cannot express, a mode that nothing here serves
 */
export async function openKeys(
  definition: StackDefinition,
  devices: ReadonlyMap<string, BlockDevice>,
  engine: SkcipherEngine | null,
  { warn }: StackOptions,
  unwinder: Unwinder,
): Promise<Map<string, BlkCryptoKey>> {
  const opened = new Map<string, BlkCryptoKey>();
  for (const [name, keyDefinition] of Object.entries(definition.keys ?? {})) {
    const uses = usesOfKey(name, definition, devices);
    const { key, warning } = await openKey(keyDefinition, uses, engine);
    unwinder.defer(() => key.wipe());
    if (warning !== null) warn?.(warning);
    for (const bdev of new Set(uses.map((use) => use.bdev))) {
      blkCryptoStartUsingKey(bdev, key);
      unwinder.defer(() => blkCryptoEvictKey(bdev, key));
    }
    opened.set(name, key);
  }
  return opened;
}

function usesOfKey(
  name: string,
  { volumes = {} }: StackDefinition,
  devices: ReadonlyMap<string, BlockDevice>,
): KeyUse[] {
  return Object.entries(volumes)
    .filter(([, volume]) => volume.key === name)
    .map(([volumeName, { device, firstDun = 0n }]) => ({ volumeName, bdev: devices.get(device)!, firstDun }));
}

/** Looks for who will serve the key before it reads it: a wrong mode is more telling than a wrong key for it. */
function openKey(
  definition: KeyDefinition,
  uses: readonly KeyUse[],
  engine: SkcipherEngine | null,
): ReturnType<typeof loadKey> {
  const mode = cryptoModeByName(definition.mode ?? KEY_DEFAULTS.mode);
  const dataUnitBytes = definition.dataUnitSize ?? KEY_DEFAULTS.dataUnitSize;
  const needed = uses.map((use) => dunBytesFor(use, mode, dataUnitBytes));
  const dunBytes = definition.dunBytes ?? Math.max(1, ...needed);
  for (const { bdev } of uses) {
    const config: CryptoConfig = { modeNum: mode.num, dataUnitBytes, dunBytes, keyType: "raw" };
    if (!blkCryptoConfigSupportedNatively(bdev, config)) checkFallback(bdev, mode, engine);
  }
  return loadKey({ file: definition.file, mode, dataUnitBytes, dunBytes });
}

function checkFallback(bdev: BlockDevice, mode: CryptoMode, engine: SkcipherEngine | null): void {
  if (engine === null) {
    throw new RequestError(
      `${bdev.name} does not encrypt ${mode.name} in hardware, and the software fallback is off (ENOPKG)`,
    );
  }
  if (!engine.supports(mode.cipher)) throw noCipherFor(mode);
}

/** Bytes of the volume's last DUN. @kernel fs/crypto/inline_crypt.c: fscrypt_get_dun_bytes */
function dunBytesFor({ volumeName, bdev, firstDun }: KeyUse, mode: CryptoMode, dataUnitBytes: number): number {
  const lastDun = firstDun + BigInt(Math.ceil(bdev.bytes / dataUnitBytes)) - 1n;
  const bytes = Math.ceil(lastDun.toString(16).length / 2);
  if (bytes <= mode.ivBytes) return bytes;
  throw new RequestError(
    `volume ${volumeName}: with a first DUN of ${firstDun} its last is ${lastDun}, ` +
      `and ${mode.name} ends at 2^${8 * mode.ivBytes} - 1`,
  );
}

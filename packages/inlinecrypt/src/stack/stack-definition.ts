import type { CryptoModeName } from "@inlinecrypt/blk-crypto-profile";
import type { NbdAddress } from "@inlinecrypt/nbd";

/** A disk in a file, created sparse when `size` is given and the file does not exist; or on another device. */
export interface LoopDefinition {
  readonly driver: "loop";
  /** Path of a regular file or block special file. Either this or `device`. */
  readonly file?: string | undefined;
  /** Name of a device that was defined before; without `size`. */
  readonly device?: string | undefined;
  /** Bytes; for a file that exists, what its size must be. */
  readonly size?: number | undefined;
  /** @default false */
  readonly readOnly?: boolean | undefined;
}

/** A disk in memory, gone at the end. */
export interface RamDefinition {
  readonly driver: "ram";
  /** Bytes. */
  readonly size: number;
}

/** A UFS disk that encrypts inline. */
export interface UfsDefinition {
  readonly driver: "ufs";
  /** Bytes. Without `backing` the disk is in memory, and this is required. */
  readonly size?: number | undefined;
  /** Path of the file that holds its blocks, created as that of a loop device is. */
  readonly backing?: string | undefined;
  /** 1 to 32. @default 8 */
  readonly keyslots?: number | undefined;
  /** Bytes, powers of two from 512 to 65536. @default all of them */
  readonly dataUnitSizes?: readonly number[] | undefined;
  /** @default false */
  readonly readOnly?: boolean | undefined;
}

/** A mapped device. */
export interface DmDefinition {
  readonly driver: "dm";
  /** Lines as `dmsetup` takes them; they name devices that were defined before, and keys as `:BYTES:logon:NAME`. */
  readonly table: readonly string[];
  /** @default false */
  readonly readOnly?: boolean | undefined;
}

export type DeviceDefinition = LoopDefinition | RamDefinition | UfsDefinition | DmDefinition;

/** A key and what it is used for. */
export interface KeyDefinition {
  /** Name in the kernel's table. @default "AES-256-XTS" */
  readonly mode?: CryptoModeName | undefined;
  /** Bytes of a data unit: a power of two, 512 to 65536. @default 4096 */
  readonly dataUnitSize?: number | undefined;
  /** Bytes of the largest DUN used with the key. @default as many as the volumes of this key need */
  readonly dunBytes?: number | undefined;
  /** Path of the key: raw bytes or hex. */
  readonly file: string;
}

/** What an upper layer sees: a device, and how it is encrypted. */
export interface VolumeDefinition {
  readonly device: string;
  /** Without a key the volume is plain. */
  readonly key?: string | undefined;
  /** DUN of the first data unit. @default 0n */
  readonly firstDun?: bigint | undefined;
}

/** A volume under a name on an NBD server; exports with the same address share the server. */
export interface ExportDefinition {
  readonly volume: string;
  readonly nbd: NbdAddress;
  /** @default the volume's name */
  readonly name?: string | undefined;
  /** @default false */
  readonly readOnly?: boolean | undefined;
}

/** A whole stack, bottom-up: what a stack file says, with sizes in bytes. */
export interface StackDefinition {
  readonly version: 1;
  /** Whether contexts that a device does not support are served in software. @default true */
  readonly cryptoFallback?: boolean | undefined;
  readonly devices: Readonly<Record<string, DeviceDefinition>>;
  readonly keys?: Readonly<Record<string, KeyDefinition>> | undefined;
  readonly volumes?: Readonly<Record<string, VolumeDefinition>> | undefined;
  readonly exports?: readonly ExportDefinition[] | undefined;
}

/** Mode and data unit of a key that does not say. */
export const KEY_DEFAULTS = { mode: "AES-256-XTS", dataUnitSize: 4096 } as const;

/** The name clients ask for. */
export function exportName(definition: ExportDefinition): string {
  return definition.name ?? definition.volume;
}

/** Whether any device is a mapped one. */
export function hasTables({ devices }: StackDefinition): boolean {
  return Object.values(devices).some(({ driver }) => driver === "dm");
}

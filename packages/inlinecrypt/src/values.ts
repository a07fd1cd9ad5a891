import { type CryptoModeName, cryptoModes } from "@inlinecrypt/blk-crypto-profile";
import type { NbdAddress } from "@inlinecrypt/nbd";

/** A value as people write it on a command line or in a stack file, that is not what was expected. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/** Smallest and largest data unit, in bytes. */
const DATA_UNIT_BYTES_MIN = 512;
const DATA_UNIT_BYTES_MAX = 65536;

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tib: 2 ** 40,
};

/**
 * Bytes from `"512"`, `"4KiB"`, `"256M"`, `"1GiB"`. `K`, `M`, `G` and `T` are powers of 1024, as for `qemu-img` and
 * `truncate`; `MB` and its like are refused, because half the world takes them for powers of 1000.
 *
 * @throws ValueError
 */
export function parseByteSize(text: string): number {
  const match = /^(\d{1,16})\s*([a-z]{0,3})$/i.exec(text);
  const unit = match === null ? undefined : unitBytes[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) {
    throw new ValueError("expected a number of bytes, alone or with KiB, MiB, GiB or TiB: 512, 256MiB, 1GiB");
  }
  const bytes = Number(match[1]) * unit;
  if (!Number.isSafeInteger(bytes)) throw new ValueError("expected fewer than 2^53 bytes");
  return bytes;
}

/** The size of a disk: as {@link parseByteSize}, whole sectors, at least one. @throws ValueError */
export function parseDiskBytes(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes === 0 || bytes % 512 !== 0) throw new ValueError("expected a multiple of 512 bytes, at least one");
  return bytes;
}

/** A data unit's bytes: a power of two, 512 to 65536. @throws ValueError */
export function parseDataUnitBytes(text: string): number {
  const expected = `expected a power of two from ${DATA_UNIT_BYTES_MIN} to ${DATA_UNIT_BYTES_MAX}`;
  const bytes = parseByteSize(text);
  if (bytes < DATA_UNIT_BYTES_MIN || bytes > DATA_UNIT_BYTES_MAX) throw new ValueError(expected);
  if (!Number.isInteger(Math.log2(bytes))) throw new ValueError(expected);
  return bytes;
}

/** Keyslots of a crypto engine, 1 to 32. @throws ValueError */
export function parseKeyslots(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 32) return count;
  throw new ValueError("expected a number of keyslots from 1 to 32");
}

/** A data unit number, decimal or with 0x; how many bits a mode takes is checked with the mode. @throws ValueError */
export function parseDun(text: string): bigint {
  if (!/^(\d{1,78}|0x[0-9a-f]{1,64})$/i.test(text)) {
    throw new ValueError("expected a number from 0, decimal or with 0x");
  }
  const dun = BigInt(text);
  if (dun >= 1n << 256n) throw new ValueError("expected a number below 2^256");
  return dun;
}

/** A mode's name, spelled as in the kernel's table. @throws ValueError listing the modes there are */
export function parseModeName(text: string): CryptoModeName {
  const names = cryptoModes.map((mode) => mode.name);
  const name = names.find((candidate) => candidate === text);
  if (name === undefined) throw new ValueError(`expected a mode: ${names.join(", ")}`);
  return name;
}

/** How many bytes of a DUN a key is used with, 1 to 32. @throws ValueError */
export function parseDunBytes(text: string): number {
  const bytes = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (bytes < 1 || bytes > 32) throw new ValueError("expected a number of bytes from 1 to 32");
  return bytes;
}

/**
 * An address from `"unix:PATH"`, `"tcp:HOST:PORT"` or `"tcp:[IPV6]:PORT"`. Port 0 takes any free port.
 *
 * @throws ValueError
 */
export function parseListenAddress(text: string): NbdAddress {
  const unix = /^unix:(.+)$/s.exec(text);
  if (unix !== null) return { unix: unix[1]! };
  const tcp = /^tcp:(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const port = Number(tcp?.[3] ?? Number.NaN);
  if (tcp === null || port > 65535) {
    throw new ValueError("expected unix:PATH or tcp:HOST:PORT: unix:./disk.sock, tcp:127.0.0.1:10809");
  }
  return { host: (tcp[1] ?? tcp[2])!, port };
}

/** The address as {@link parseListenAddress} reads it. */
export function formatListenAddress(address: NbdAddress): string {
  if ("unix" in address) return `unix:${address.unix}`;
  return `tcp:${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Bytes for people: `"8.0 MiB"`, `"512 bytes"`. */
export function formatBytes(bytes: number): string {
  const names = ["KiB", "MiB", "GiB", "TiB"];
  if (bytes < 1024) return `${bytes} bytes`;
  let power = Math.min(Math.floor(Math.log2(bytes) / 10), names.length);
  if (bytes / 1024 ** power >= 1023.95 && power < names.length) power++;
  return `${(bytes / 1024 ** power).toFixed(1)} ${names[power - 1]}`;
}

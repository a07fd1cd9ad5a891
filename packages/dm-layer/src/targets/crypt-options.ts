import { SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { DmArgs } from "../dm-args.js";

/** Options of `crypt` that say where work is done; here there is one place, so they are only kept. */
const WORKER_OPTIONS = [
  "same_cpu_crypt",
  "high_priority",
  "submit_from_crypt_cpus",
  "no_read_workqueue",
  "no_write_workqueue",
] as const;

const SECTOR_SIZE = "sector_size:";

/** The optional arguments of `crypt` and its kin. */
export interface CryptOptions {
  readonly allowDiscards: boolean;
  /** Bytes encrypted at a time, a power of two from 512 to 4096. */
  readonly sectorBytes: number;
  /** IVs count such units, not sectors of 512 bytes. */
  readonly ivLargeSectors: boolean;
  /** Others that were given, in the order in which tables print them. */
  readonly others: readonly string[];
}

/** @kernel drivers/md/dm-crypt.c: crypt_ctr_optional */
export function parseCryptOptions(args: DmArgs, known: readonly string[] = WORKER_OPTIONS): CryptOptions {
  const group = args.group("optional arguments", 12);
  args.end();
  const given = new Set<string>();
  let sectorBytes = SECTOR_BYTES;
  while (group.left > 0) {
    const option = group.keyword("an optional argument");
    if (option.startsWith(SECTOR_SIZE)) sectorBytes = parseSectorBytes(group, option.slice(SECTOR_SIZE.length));
    else if (option === "allow_discards" || option === "iv_large_sectors" || known.includes(option)) given.add(option);
    else
      group.refuse(
        `unknown optional argument, expected allow_discards, sector_size:, iv_large_sectors, ${known.join(", ")}`,
      );
  }
  return {
    allowDiscards: given.has("allow_discards"),
    sectorBytes,
    ivLargeSectors: given.has("iv_large_sectors"),
    others: known.filter((option) => given.has(option)),
  };
}

/** As `dmsetup table` prints them, the blank in front included; nothing when there are none. */
export function formatCryptOptions(options: CryptOptions): string {
  const words = [
    ...(options.allowDiscards ? ["allow_discards"] : []),
    ...options.others,
    ...(options.sectorBytes === SECTOR_BYTES ? [] : [`sector_size:${options.sectorBytes}`]),
    ...(options.ivLargeSectors ? ["iv_large_sectors"] : []),
  ];
  return words.length === 0 ? "" : ` ${words.length} ${words.join(" ")}`;
}

/** Refuses places that are no whole units. @kernel drivers/md/dm-crypt.c: crypt_ctr */
export function checkCryptAlignment(args: DmArgs, options: CryptOptions, sectors: number, ivOffset: bigint): void {
  const { sectorBytes } = options;
  const unitSectors = sectorBytes / SECTOR_BYTES;
  if (sectors % unitSectors !== 0) args.refuse(`${sectors} sectors are no multiple of sector_size ${sectorBytes}`);
  if (ivOffset % BigInt(unitSectors) !== 0n) args.refuse(`the IV offset is no multiple of sector_size ${sectorBytes}`);
  if (ivOffset + BigInt(sectors) > 1n << 64n) args.refuse("the IV offset and the sectors need more than 64 bits");
}

function parseSectorBytes(args: DmArgs, text: string): number {
  const bytes = args.parse("sector_size", text, SECTOR_BYTES, 4096);
  if ((bytes & (bytes - 1)) !== 0) args.refuse("sector_size is a power of two");
  return bytes;
}

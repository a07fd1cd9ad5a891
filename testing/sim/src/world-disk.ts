import type { BlkMqQueue, GenDisk } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { SeededRandom } from "@inlinecrypt/blk-sim";

/** 512 KiB: small, so that I/O meets. */
export const DISK_SECTORS = 1024;

/** A disk of a world, whatever it is made of. */
export interface WorldDisk {
  readonly gendisk: GenDisk;
  readonly queue: BlkMqQueue;
  /** Its crypto engine; null when the fallback serves it. */
  readonly profile: BlkCryptoProfile | null;
  /** How it loses power; null: it does not. */
  readonly power: DiskPower | null;
  /** Makes something go wrong, once or for a while. */
  addFault(random: SeededRandom): void;
  /** From now on nothing goes wrong. */
  liftFaults(): void;
  /** Copies what the medium holds, past queue and encryption. */
  readMedium(byteOffset: number, into: Uint8Array): void;
  /** Ends what goes on by itself. */
  close(): Promise<void>;
}

export interface DiskPower {
  readonly isOn: boolean;
  cut(): void;
  restore(): void;
}

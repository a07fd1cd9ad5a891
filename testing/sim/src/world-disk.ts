import type { GenDisk, RequestQueue } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { Medium } from "./medium.js";
import type { SectorEncryption } from "./sector-encryption.js";

/** 512 KiB: small, so that I/O meets. */
export const DISK_SECTORS = 1024;

/** Where a sector lies in the end. */
export interface Place {
  /** One with a medium. */
  readonly disk: WorldDisk;
  readonly sector: number;
  /** What happens to it on its way there, first things first. */
  readonly encryptions: readonly SectorEncryption[];
}

/** A disk of a world, whatever it is made of: hardware, or other disks. */
export interface WorldDisk {
  readonly gendisk: GenDisk;
  /** I/O is whole blocks of so many bytes, whatever table a mapped device has. */
  readonly blockBytes: number;
  readonly queues: readonly RequestQueue[];
  /** Its crypto engines; none when the fallback serves it. */
  readonly profiles: readonly BlkCryptoProfile[];
  /** How it loses power; null: it does not. */
  readonly power: DiskPower | null;
  /** What stays; null when that is in other disks. */
  readonly medium: Medium | null;
  /** I/O waits until `release`. */
  readonly isHeld: boolean;
  placeOf(sector: number): Place;
  /** Makes something go wrong, once or for a while. Like all others, a promise says when that is done; null: now. */
  addFault(random: SeededRandom): Promise<void> | null;
  /** From now on nothing goes wrong. */
  liftFaults(): Promise<void> | null;
  /** Changes something that changes nothing of what the disk holds. It may hold I/O up. */
  reconfigure(random: SeededRandom): Promise<void> | null;
  release(): Promise<void> | null;
  /** Ends what goes on by itself. @throws Violation when a key is left in it. */
  close(): Promise<void>;
}

export interface DiskPower {
  readonly isOn: boolean;
  /** How often it has been cut. */
  readonly cuts: number;
  cut(): void;
  restore(): void;
}

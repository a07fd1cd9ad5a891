import { type BlkError, BlockLayer, bioIntegrityAlloc, HostExecutor, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { crcT10Dif } from "./crc-t10-dif.js";
import { INTERVAL_BYTES, PiDisk } from "./pi-disk.js";

const DISK_BYTES = 64 * 1024;
const DATA_UNIT_BYTES = 4096;
const [PLAIN_AT, SECRET_AT] = [0, 32 * 1024];
const INTEGRITY = { csum: "crc", type: 1 } as const;

/** What a disk is given: the disk and the layer above it. */
export interface Setup {
  name: string;
  integrity: boolean;
  fallback: boolean;
}

/** A setup's column of the table: what happened, by row. */
export type Findings = Record<string, string>;

/** Builds a disk with a crypto engine and, if wanted, protection information, and tries everything on it. */
export async function tryOut(setup: Setup): Promise<Findings> {
  const engine = createNodeEngine();
  const fallback = setup.fallback ? new BlkCryptoFallback({ engine }) : null;
  const layer = new BlockLayer({ executor: new HostExecutor(), ...(fallback && { cryptoFallback: fallback }) });
  const slots = [engine.alloc("xts(aes)")];
  const disk = new PiDisk(layer, setup.name, DISK_BYTES, { integrity: setup.integrity ? INTEGRITY : null }, slots);
  const bdev = disk.disk.part0;
  const profile = new BlkCryptoProfile(layer, {
    slotCount: slots.length,
    modesSupported: { "AES-256-XTS": DATA_UNIT_BYTES },
    maxDunBytesSupported: 8,
    llOps: {
      keyslotProgram: (key, slotIndex) => key.withBytes((bytes) => slots[slotIndex]!.setKey(bytes)),
      keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
    },
  });
  const registered = disk.queue.registerCryptoProfile(profile);
  const bytes = new Uint8Array(64).map((_, at) => at); // a key for a test: anybody can guess it
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: DATA_UNIT_BYTES, dunBytes: 8 });
  const servers = (): string => (usedSlots(profile) > 0 ? "the engine" : fallback ? "the fallback" : "nobody");
  const findings: Findings = {
    "crypto engine": registered ? "registered" : "refused",
    "protection information, added now": await outcome(() => disk.queue.commitLimits({ integrity: INTEGRITY })),
    "start using the key": await outcome(() => blkCryptoStartUsingKey(bdev, key)),
    "plain write and read": await roundTrip(new Volume(bdev), PLAIN_AT),
    "encrypted write and read": await roundTrip(new Volume(bdev, { key }), SECRET_AT),
    "encrypted by": servers(),
    "at rest": await whatIsAt(disk, SECRET_AT),
    "protection information is made from": whatGuardsCover(disk),
    "own protection information for encrypted I/O": await outcome(() => attachOwn(new Volume(bdev, { key }))),
    "a bit flips at rest": await readFlipped(disk, new Volume(bdev, { key })),
  };
  await blkCryptoEvictKey(bdev, key);
  key.wipe();
  await disk.disk.close();
  return findings;
}

function usedSlots(profile: BlkCryptoProfile): number {
  return profile.slotTable().filter((slot) => slot.programmings > 0).length;
}

/** "OK", or the errno. */
async function outcome(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "OK";
  } catch (error) {
    return (error as BlkError).code;
  }
}

function plaintext(): Uint8Array {
  return new Uint8Array(2 * DATA_UNIT_BYTES).map((_, at) => at * 7);
}

async function roundTrip(volume: Volume, byteOffset: number): Promise<string> {
  const into = new Uint8Array(plaintext().length);
  const result = await outcome(async () => {
    await volume.write(byteOffset, plaintext());
    await volume.read(byteOffset, into);
  });
  return result === "OK" && Buffer.compare(into, plaintext()) !== 0 ? "wrong data" : result;
}

async function whatIsAt(disk: PiDisk, byteOffset: number): Promise<string> {
  const stored = disk.medium.subarray(byteOffset, byteOffset + plaintext().length);
  if (stored.every((byte) => byte === 0)) return "nothing";
  return Buffer.compare(stored, plaintext()) === 0 ? "PLAINTEXT" : "ciphertext";
}

/** Compares the guards of the encrypted blocks with those of what is stored and of what was written. */
function whatGuardsCover(disk: PiDisk): string {
  const offsets = Array.from({ length: plaintext().length / INTERVAL_BYTES }, (_, index) => index * INTERVAL_BYTES);
  const guards = offsets.map((at) => disk.guardAt(SECRET_AT + at));
  if (guards.every((guard) => guard === 0)) return "nothing";
  const covers = (bytes: Uint8Array): boolean =>
    offsets.every((at, index) => guards[index] === crcT10Dif(bytes.subarray(at, at + INTERVAL_BYTES)));
  if (covers(disk.medium.subarray(SECRET_AT))) return "ciphertext";
  return covers(plaintext()) ? "PLAINTEXT" : "something else";
}

/** What a submitter does that brings its own tuples. */
function attachOwn(volume: Volume): void {
  const { layer } = volume.bdev.queue;
  const bio = layer.bioSet.tryAlloc(volume.bdev, ReqOp.WRITE)!;
  try {
    bio.addBuffer(plaintext());
    volume.attachContext(bio);
    bioIntegrityAlloc(bio);
  } finally {
    bio.put();
  }
}

/** Whether anybody notices that the disk returns something else than what was written. */
async function readFlipped(disk: PiDisk, volume: Volume): Promise<string> {
  disk.medium[SECRET_AT + 1000]! ^= 1;
  const into = new Uint8Array(plaintext().length);
  const result = await outcome(() => volume.read(SECRET_AT, into));
  if (result !== "OK") return result;
  return Buffer.compare(into, plaintext()) === 0 ? "right data" : "not noticed";
}

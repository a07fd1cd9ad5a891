import {
  type Bio,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type CryptoFallback,
  type CryptoKeyRef,
  newDun,
  opIsWrite,
  ReqFlag,
} from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  type BlkCryptoKeyOptions,
  BlkCryptoProfile,
  blkCryptoProfileOf,
  type CryptoCapabilities,
  type CryptoCapabilitiesOptions,
  type WrappedKeyOps,
} from "@inlinecrypt/blk-crypto-profile";
import type { FaultPlan, SimDisk, SimMedium } from "@inlinecrypt/blk-sim";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { expect } from "vitest";
import type { MappedDevice } from "../src/index.js";
import { pattern, Rig, type SubmittedBio } from "./support.js";

export interface CryptoDiskOptions extends Partial<CryptoCapabilitiesOptions> {
  slotCount?: number;
  wrappedKeys?: Partial<WrappedKeyOps>;
  evictFails?: boolean;
  /** Until then an eviction takes. */
  evictEnds?: Promise<void>;
  medium?: SimMedium;
  faults?: FaultPlan;
}

/** A disk that encrypts inline, and what its keyslots hold. */
export interface CryptoDisk {
  readonly disk: SimDisk;
  readonly profile: BlkCryptoProfile;
  readonly slots: (BlkCryptoKey | null)[];
  /** `program 0`, `evict 1`. */
  readonly log: string[];
}

export function cryptoDisk(rig: Rig, name: string, options: CryptoDiskOptions = {}): CryptoDisk {
  const { slotCount = 4, wrappedKeys = {}, evictFails = false, evictEnds, medium, faults, ...capabilities } = options;
  const slots = new Array<BlkCryptoKey | null>(slotCount).fill(null);
  const log: string[] = [];
  const profile = new BlkCryptoProfile(rig.layer, {
    modesSupported: { "AES-256-XTS": 512 | 4096 },
    maxDunBytesSupported: 8,
    ...capabilities,
    slotCount,
    llOps: {
      keyslotProgram: (key, slotIndex) => {
        log.push(`program ${slotIndex}`);
        slots[slotIndex] = key;
      },
      keyslotEvict: (_key, slotIndex) => {
        log.push(`evict ${slotIndex}`);
        if (evictFails) throw Object.assign(new Error("no"), { code: "EIO" });
        slots[slotIndex] = null;
        return evictEnds;
      },
      ...wrappedKeys,
    },
  });
  const crypt = (rq: BlkRequest, from: Uint8Array, to: Uint8Array): BlkStatus => {
    cryptUnits(slots[rq.cryptKeyslot!.slotIndex]!, rq.cryptCtx!.dun, opIsWrite(rq.opf), from, to);
    return BlkStatus.OK;
  };
  const disk = rig.sim(name, {
    crypt,
    ...(medium && { medium, bytes: undefined as never }),
    ...(faults && { faults }),
  });
  disk.queue.registerCryptoProfile(profile);
  return { disk, profile, slots, log };
}

function cryptUnits(key: BlkCryptoKey, dun: Uint32Array, write: boolean, from: Uint8Array, to: Uint8Array): void {
  const cipher = createNodeEngine().alloc(key.mode.cipher);
  key.withBytes((bytes) => cipher.setKey(bytes));
  if (write) cipher.encrypt(from, to, key.dataUnitBytes, dun);
  else cipher.decrypt(from, to, key.dataUnitBytes, dun);
}

export function newKey(seed = 1, options: Partial<BlkCryptoKeyOptions> = {}): BlkCryptoKey {
  return new BlkCryptoKey({
    mode: "AES-256-XTS",
    bytes: pattern(64, seed + 100),
    dataUnitBytes: 512,
    dunBytes: 8,
    ...options,
  });
}

/** What the medium has to hold, by the oracle. */
export function ciphertext(data: Uint8Array, key: BlkCryptoKey, dun: bigint): Uint8Array {
  return key.withBytes((bytes) => referenceEncrypt("xts(aes)", bytes, key.dataUnitBytes, dun, data));
}

/** A bio with a context. */
export function cryptBio(
  rig: Rig,
  bdev: BlockDevice,
  opf: number,
  sector: number,
  data: Uint8Array,
  key: CryptoKeyRef,
  dun: bigint,
): SubmittedBio {
  const submitted = rig.bio(bdev, opf, sector, data);
  submitted.bio.setCryptCtx(key, newDun(dun));
  return submitted;
}

/** Software encryption as the fallback does it, in the simplest way: writes only, one bounce each. */
export class WriteFallback implements CryptoFallback {
  /** Names of the devices whose bios came here. */
  readonly served: string[] = [];
  readonly evicted: CryptoKeyRef[] = [];
  #layer: Parameters<CryptoFallback["attach"]>[0] | null = null;

  attach(layer: Parameters<CryptoFallback["attach"]>[0]): void {
    this.#layer = layer;
  }

  prepBio(bio: Bio): boolean {
    this.served.push(bio.bdev!.name);
    const { key, dun } = bio.cryptCtx!;
    const { data, offset } = bio.vecs[bio.vecIndex]!;
    const start = offset + bio.vecDone;
    const bounce = new Uint8Array(bio.bytes);
    cryptUnits(key as BlkCryptoKey, dun, true, data.slice(start, start + bio.bytes), bounce);
    const plain = this.#layer!.bioSet.tryAlloc(bio.bdev, bio.opf | ReqFlag.SKIP_DM_DEFAULT_KEY)!;
    plain.sector = bio.sector;
    plain.addBuffer(bounce);
    plain.onEndIo = (ended) => {
      const { status } = ended;
      ended.put();
      bio.endIoWith(status);
    };
    this.#layer!.submitBioNoacct(plain);
    return false;
  }

  supports(): boolean {
    return true;
  }

  startUsingKey(_key: CryptoKeyRef): void {}

  async evictKey(key: CryptoKeyRef): Promise<void> {
    this.evicted.push(key);
  }
}

/** A block layer with a fallback that writes down what it serves, and what was warned of. */
export class CryptoRig extends Rig {
  readonly fallback: WriteFallback;
  readonly traced: string[];

  constructor() {
    const fallback = new WriteFallback();
    const traced: string[] = [];
    super({ cryptoFallback: fallback, tracer: { trace: (event) => traced.push(event) } });
    this.fallback = fallback;
    this.traced = traced;
  }

  create(table: string, name = "dm"): Promise<MappedDevice> {
    return this.run(this.dm.create({ name, table }));
  }

  capabilitiesOf(name = "dm"): CryptoCapabilities | null {
    return blkCryptoProfileOf(this.dm.get(name).bdev.queue)?.capabilities ?? null;
  }

  expectCapabilities(name: string, xtsSizes: number, maxDunBytes: number, keyTypes: string[]): void {
    const capabilities = this.capabilitiesOf(name)!;
    expect(capabilities.dataUnitMask(1)).toBe(xtsSizes);
    expect(capabilities.maxDunBytesSupported).toBe(maxDunBytes);
    expect(capabilities.keyTypesSupported).toEqual(keyTypes);
  }
}

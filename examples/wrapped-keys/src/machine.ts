import { BlkStatus, BlockLayer, opOf, ReqOp, Volume } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import {
  BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  MAX_HW_WRAPPED_KEY_BYTES,
} from "@inlinecrypt/blk-crypto-profile";
import type { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { type SeededRandom, SimDisk, type SimDiskCrypt, type SimMedium } from "@inlinecrypt/blk-sim";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

export const DATA_UNIT_BYTES = 4096;

/** A machine from one boot to the next: a block layer, and a disk whose crypto engine takes wrapped keys only. */
export class Machine {
  readonly profile: BlkCryptoProfile;
  readonly #disk: SimDisk;

  constructor(executor: SimExecutor, hardware: EmulatedWrappedKeys, random: SeededRandom, medium: SimMedium) {
    const layer = new BlockLayer({ executor });
    const slots = [createNodeEngine().alloc("xts(aes)")];
    this.#disk = new SimDisk(layer, { random, medium, crypt: cryptWith(slots) });
    this.profile = new BlkCryptoProfile(layer, {
      slotCount: slots.length,
      modesSupported: { "AES-256-XTS": DATA_UNIT_BYTES },
      maxDunBytesSupported: 8,
      keyTypesSupported: ["hw-wrapped"],
      llOps: {
        keyslotProgram: (key, slotIndex) => key.withBytes((blob) => program(slots[slotIndex]!, hardware, blob)),
        keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
        ...hardware.llOps,
      },
    });
    this.#disk.queue.registerCryptoProfile(this.profile);
  }

  /** Wraps a raw key for the long term: what is stored, once, where the raw key came from. */
  async importKey(rawKey: Uint8Array): Promise<Uint8Array> {
    const ltKey = new Uint8Array(MAX_HW_WRAPPED_KEY_BYTES);
    return ltKey.subarray(0, await this.profile.wrappedKeys.importKey(rawKey, ltKey));
  }

  /** Wraps a long-term blob's key for this boot. */
  async prepareKey(ltKey: Uint8Array): Promise<Uint8Array> {
    const ephKey = new Uint8Array(MAX_HW_WRAPPED_KEY_BYTES);
    return ephKey.subarray(0, await this.profile.wrappedKeys.prepareKey(ltKey, ephKey));
  }

  /** The secret that software may have of an ephemeral blob. */
  async deriveSwSecret(ephKey: Uint8Array): Promise<Uint8Array> {
    const secret = new Uint8Array(32);
    await this.profile.wrappedKeys.deriveSwSecret(ephKey, secret);
    return secret;
  }

  /** Runs I/O with a key, from its start to its eviction. */
  async withKey(
    options: Pick<BlkCryptoKey, "keyType">,
    bytes: Uint8Array,
    use: (volume: Volume) => Promise<void>,
  ): Promise<void> {
    const { bdev } = this.#disk;
    using key = new BlkCryptoKey({
      ...options,
      mode: "AES-256-XTS",
      bytes,
      dataUnitBytes: DATA_UNIT_BYTES,
      dunBytes: 8,
    });
    blkCryptoStartUsingKey(bdev, key);
    try {
      await use(new Volume(bdev, { key }));
    } finally {
      await blkCryptoEvictKey(bdev, key);
    }
  }

  close(): Promise<void> {
    return this.#disk.close();
  }
}

/** What a driver does: the hardware unwraps the blob, and the key never leaves it. */
function program(slot: Skcipher, hardware: EmulatedWrappedKeys, blob: Uint8Array): void {
  const inlineKey = hardware.unwrapInlineKey(blob);
  try {
    slot.setKey(inlineKey);
  } finally {
    inlineKey.fill(0);
  }
}

function cryptWith(slots: readonly Skcipher[]): SimDiskCrypt {
  return (rq, from, to) => {
    const { key, dun } = rq.cryptCtx!;
    const cipher = slots[rq.cryptKeyslot!.slotIndex]!;
    if (opOf(rq.opf) === ReqOp.WRITE) cipher.encrypt(from, to, key!.dataUnitBytes, dun);
    else cipher.decrypt(from, to, key!.dataUnitBytes, dun);
    return BlkStatus.OK;
  };
}

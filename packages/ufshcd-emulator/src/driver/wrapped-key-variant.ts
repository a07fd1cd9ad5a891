import { BlkBug, BlkError } from "@inlinecrypt/blk-core";
import {
  type BlkCryptoProfile,
  devmBlkCryptoProfileInit,
  type LlOps,
  type WrappedKeyOps,
} from "@inlinecrypt/blk-crypto-profile";
import { Cap, Reg } from "../ufshci/index.js";
import type { UfsHba } from "./ufs-hba.js";
import type { UfsVariant } from "./ufs-variant.js";
import { UfsCryptoEngine } from "./ufshcd-crypto.js";

/** Behind the firmware's blob, in front of the zeroes that fill up its fixed length. */
const END_OF_BLOB = 0x80;

/** The part of a system-on-chip that wraps keys; `EmulatedWrappedKeys` of blk-crypto-profile is one. */
export interface WrappedKeyFirmware {
  readonly llOps: WrappedKeyOps;
  /** What the engine encrypts with for an ephemeral blob; the caller wipes it. @throws BlkError EBADMSG. */
  unwrapInlineKey(ephKey: Uint8Array): Uint8Array;
}

export interface WrappedKeyVariantOptions {
  firmware: WrappedKeyFirmware;
  /** Every blob has this length: the two generations of the hardware. */
  blobBytes: 68 | 100;
}

/**
 * Qualcomm's: keys are wrapped by the hardware, and the engine takes no others. What firmware calls an input or argument
 * error is, to the block layer, a bad blob.
 *
 * @kernel drivers/soc/qcom/ice.c; drivers/ufs/host/ufs-qcom.c: ufs_qcom_ice_init
 */
export function wrappedKeyVariant(options: WrappedKeyVariantOptions): UfsVariant {
  return { name: "qcom", crypto: true, makeCryptoProfile: (hba) => makeCryptoProfile(hba, options) };
}

function makeCryptoProfile(hba: UfsHba, options: WrappedKeyVariantOptions): BlkCryptoProfile | null {
  if ((hba.mmio.read32(Reg.CAP) & Cap.CS) === 0) return null;
  const engine = new UfsCryptoEngine(hba.mmio);
  engine.clearAll();
  hba.device.addAction(() => engine.clearAll());
  return devmBlkCryptoProfileInit(hba.device, hba.layer, {
    ...engine.capabilities,
    keyTypesSupported: ["hw-wrapped"],
    slotCount: engine.slotCount,
    llOps: { ...keyslotOps(engine, options), ...wrappedKeyOps(options) },
    dev: hba.pm,
  });
}

/** @kernel drivers/soc/qcom/ice.c: qcom_ice_program_wrapped_key, qcom_ice_evict_key */
function keyslotOps(engine: UfsCryptoEngine, { firmware, blobBytes }: WrappedKeyVariantOptions): LlOps {
  return {
    keyslotProgram(key, slotIndex) {
      if (key.keyType !== "hw-wrapped") {
        throw new BlkError("EINVAL", "qcom_ice_program_key", "the hardware takes wrapped keys only, got a raw one");
      }
      const inlineKey = key.withBytes((blob) => firmware.unwrapInlineKey(stripped(blob, blobBytes)));
      try {
        engine.program(slotIndex, key, inlineKey);
      } finally {
        inlineKey.fill(0);
      }
    },
    keyslotEvict: (_key, slotIndex) => engine.clear(slotIndex),
  };
}

function wrappedKeyOps({ firmware, blobBytes }: WrappedKeyVariantOptions): WrappedKeyOps {
  const { llOps } = firmware;
  return {
    importKey: async (rawKey, ltKey) => filledUp(ltKey, await llOps.importKey(rawKey, ltKey), blobBytes),
    generateKey: async (ltKey) => filledUp(ltKey, await llOps.generateKey(ltKey), blobBytes),
    prepareKey: (ltKey, ephKey) =>
      withBadBlobs(async () => filledUp(ephKey, await llOps.prepareKey(stripped(ltKey, blobBytes), ephKey), blobBytes)),
    deriveSwSecret: (ephKey, swSecret) =>
      withBadBlobs(async () => llOps.deriveSwSecret(stripped(ephKey, blobBytes), swSecret)),
  };
}

/** @kernel drivers/soc/qcom/ice.c: qcom_ice_prepare_key, qcom_ice_derive_sw_secret */
async function withBadBlobs<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== "EIO" && code !== "EINVAL") throw error;
    throw new BlkError("EBADMSG", "qcom_scm", "the firmware does not take the key blob", { cause: error });
  }
}

function filledUp(blob: Uint8Array, bytes: number, blobBytes: number): number {
  if (bytes >= blobBytes) throw new BlkBug(`the firmware's blob of ${bytes} bytes does not fit ${blobBytes}`);
  blob.fill(0, bytes, blobBytes);
  blob[bytes] = END_OF_BLOB;
  return blobBytes;
}

function stripped(blob: Uint8Array, blobBytes: number): Uint8Array {
  let end = blob.length - 1;
  while (end >= 0 && blob[end] === 0) end--;
  if (blob.length === blobBytes && end > 0 && blob[end] === END_OF_BLOB) return blob.subarray(0, end);
  throw new BlkError("EBADMSG", "qcom_scm", `a key blob has ${blobBytes} bytes, got ${blob.length} or another layout`);
}

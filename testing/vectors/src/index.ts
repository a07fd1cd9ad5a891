/**
 * Ciphertext written by Linux kernels, and how to read it.
 *
 * @packageDocumentation
 */
export {
  type Ext4Directory,
  type Ext4Extent,
  type Ext4File,
  type Ext4ImageFacts,
  ext4FileContent,
  ext4ImageFacts,
  ext4ImagePath,
  readExt4Image,
} from "./ext4-image.js";
export type { FscryptPolicyName, KernelRecord, KernelVectorMode } from "./kernel-record.js";
export {
  assertCiphertext,
  type KernelVector,
  type KernelVectorFilter,
  kernelVectors,
  sha256Hex,
} from "./kernel-vector.js";
export type { PlaintextSegment } from "./plaintext.js";

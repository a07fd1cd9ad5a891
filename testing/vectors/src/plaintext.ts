import { createHash } from "node:crypto";

/** Bytes `skip` to `skip + length` of the stream of `seed`, at offset `at`. */
export interface PlaintextSegment {
  readonly at: number;
  readonly seed: string;
  readonly skip: number;
  readonly length: number;
}

const DIGEST_BYTES = 32;

/** Bytes `skip` to `skip + length` of SHA-256(seed || u64le(0)) || SHA-256(seed || u64le(1)) || ... */
function seedStream(seed: string, skip: number, length: number): Uint8Array {
  const firstDigest = Math.floor(skip / DIGEST_BYTES);
  const digests = Math.ceil((skip + length) / DIGEST_BYTES) - firstDigest;
  const stream = new Uint8Array(digests * DIGEST_BYTES);
  const counter = new Uint8Array(8);
  const counterView = new DataView(counter.buffer);
  for (let i = 0; i < digests; i++) {
    counterView.setBigUint64(0, BigInt(firstDigest + i), true);
    stream.set(createHash("sha256").update(seed, "utf8").update(counter).digest(), i * DIGEST_BYTES);
  }
  const start = skip - firstDigest * DIGEST_BYTES;
  return stream.subarray(start, start + length);
}

/** Builds a record's plaintext: the segments, and zeros where there are none. */
export function buildPlaintext(length: number, segments: readonly PlaintextSegment[]): Uint8Array {
  const plaintext = new Uint8Array(length);
  for (const segment of segments) {
    plaintext.set(seedStream(segment.seed, segment.skip, segment.length), segment.at);
  }
  return plaintext;
}

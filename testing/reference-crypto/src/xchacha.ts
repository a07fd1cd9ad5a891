/** The words of "expand 32-byte k". */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
const CHACHA_BLOCK_BYTES = 64;

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** RFC 8439 section 2.1. */
function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  x[a]! += x[b]!;
  x[d] = rotateLeft(x[d]! ^ x[a]!, 16);
  x[c]! += x[d]!;
  x[b] = rotateLeft(x[b]! ^ x[c]!, 12);
  x[a]! += x[b]!;
  x[d] = rotateLeft(x[d]! ^ x[a]!, 8);
  x[c]! += x[d]!;
  x[b] = rotateLeft(x[b]! ^ x[c]!, 7);
}

/** The state after `rounds` rounds, columns and diagonals in turn, without adding the state before them. */
function permute(state: Uint32Array, rounds: number): Uint32Array {
  const x = state.slice();
  for (let round = 0; round < rounds; round += 2) {
    for (let i = 0; i < 4; i++) quarterRound(x, i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarterRound(x, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  return x;
}

function readWords(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function toBytes(words: Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * words.length));
  for (let i = 0; i < words.length; i++) view.setUint32(4 * i, words[i]!, true);
  return new Uint8Array(view.buffer);
}

/** HChaCha of draft-irtf-cfrg-xchacha section 2.2: the first and the last four words of the permuted state. */
function hChaCha(key: Uint8Array, nonce16: Uint8Array, rounds: number): Uint8Array {
  const x = permute(new Uint32Array([...CONSTANTS, ...readWords(key), ...readWords(nonce16)]), rounds);
  return toBytes(new Uint32Array([...x.subarray(0, 4), ...x.subarray(12, 16)]));
}

/** One block of the original ChaCha: a block counter of 64 bits and a nonce of 8 bytes. */
function chaChaBlock(key: Uint8Array, counter: number, nonce8: Uint8Array, rounds: number): Uint8Array {
  const state = new Uint32Array([...CONSTANTS, ...readWords(key), counter, 0, ...readWords(nonce8)]);
  return toBytes(permute(state, rounds).map((word, i) => word + state[i]!));
}

/**
 * The first `byteCount` bytes of an XChaCha keystream.
 *
 * @param key - 32 bytes
 * @param nonce - 24 bytes
 */
export function xChaChaStream(key: Uint8Array, nonce: Uint8Array, byteCount: number, rounds: number): Uint8Array {
  const subkey = hChaCha(key, nonce.subarray(0, 16), rounds);
  const blockCount = Math.ceil(byteCount / CHACHA_BLOCK_BYTES);
  const stream = new Uint8Array(blockCount * CHACHA_BLOCK_BYTES);
  for (let block = 0; block < blockCount; block++) {
    stream.set(chaChaBlock(subkey, block, nonce.subarray(16), rounds), block * CHACHA_BLOCK_BYTES);
  }
  return stream.subarray(0, byteCount);
}

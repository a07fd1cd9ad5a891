import { fromLittleEndian } from "./little-endian.js";

const WORD = 2n ** 64n;
const WORD_BYTES = 8;

const rotateLeft = (word: bigint, bits: bigint): bigint => ((word << bits) | (word >> (64n - bits))) % WORD;

type State = [bigint, bigint, bigint, bigint];

function sipRound([v0, v1, v2, v3]: State): State {
  let [a, b, c, d] = [(v0 + v1) % WORD, rotateLeft(v1, 13n), (v2 + v3) % WORD, rotateLeft(v3, 16n)];
  b ^= a;
  a = rotateLeft(a, 32n);
  d ^= c;
  a = (a + d) % WORD;
  d = rotateLeft(d, 21n) ^ a;
  c = (c + b) % WORD;
  b = rotateLeft(b, 17n) ^ c;
  c = rotateLeft(c, 32n);
  return [a, b, c, d];
}

/** The message in words of 8 bytes, little-endian; the last one ends with the message's length modulo 256. */
function words(message: Uint8Array): bigint[] {
  const parsed: bigint[] = [];
  for (let at = 0; at <= message.length; at += WORD_BYTES) {
    parsed.push(fromLittleEndian(message.subarray(at, at + WORD_BYTES)));
  }
  parsed[parsed.length - 1]! |= (BigInt(message.length) % 256n) << 56n;
  return parsed;
}

/** SipHash-2-4 by the paper of Aumasson and Bernstein, under a key of 16 bytes: a number of 64 bits. */
export function sipHash24(key: Uint8Array, message: Uint8Array): bigint {
  const k0 = fromLittleEndian(key.subarray(0, 8));
  const k1 = fromLittleEndian(key.subarray(8, 16));
  let v: State = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  for (const word of words(message)) {
    v[3] ^= word;
    for (let round = 0; round < 2; round++) v = sipRound(v);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  for (let round = 0; round < 4; round++) v = sipRound(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

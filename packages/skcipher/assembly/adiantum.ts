// AssemblyScript: `npm run build:wasm` compiles this into src/node/adiantum-wasm.ts.
// The methods of AdiantumScratch (src/adiantum-scratch.ts) in WebAssembly SIMD; names and layouts are explained there.

const CHUNK_BYTES: usize = 65536;
const CHUNK_DATA_UNITS: usize = 128;
const SOFT_KEYS_BYTES: usize = 1136;

// Addresses. JavaScript sees these five.
export const DATA_AT: usize = 0;
export const TWEAKS_AT: usize = DATA_AT + CHUNK_BYTES;
export const MIDDLES_AT: usize = TWEAKS_AT + 32 * CHUNK_DATA_UNITS;
export const SOFT_KEYS_AT: usize = MIDDLES_AT + 16 * CHUNK_DATA_UNITS;
const HEADERS_AT: usize = SOFT_KEYS_AT + SOFT_KEYS_BYTES;
const POLY1305_AT: usize = HEADERS_AT + 16 * CHUNK_DATA_UNITS;
const STREAM_AT: usize = POLY1305_AT + 128;
const PERMUTED_AT: usize = STREAM_AT + 256;
const SUBKEYS_AT: usize = PERMUTED_AT + 256;

const HEADER_KEY_AT: usize = SOFT_KEYS_AT + 32;
const MESSAGE_KEY_AT: usize = HEADER_KEY_AT + 16;
const NH_KEY_AT: usize = MESSAGE_KEY_AT + 16;

// --- Poly1305, in five limbs of 26 bits: the sum at POLY1305_AT, the key behind it.

const LIMB: u64 = 0x3ffffff;

/** What is left of most words of a key. */
const CLAMP: u64 = 0x0ffffffc;

function sumLimb(i: usize): u64 {
  return load<u64>(POLY1305_AT + 8 * i);
}

function keyLimb(i: usize): u64 {
  return load<u64>(POLY1305_AT + 40 + 8 * i);
}

function storeSum(i: usize, limb: u64): void {
  store<u64>(POLY1305_AT + 8 * i, limb);
}

/** Sets the key at an address, clamped, and begins a message. */
function startPoly1305(key: usize): void {
  const low = load<u64>(key) & ((CLAMP << 32) | 0x0fffffff);
  const high = load<u64>(key + 8) & ((CLAMP << 32) | CLAMP);
  store<u64>(POLY1305_AT + 40, low & LIMB);
  store<u64>(POLY1305_AT + 48, (low >> 26) & LIMB);
  store<u64>(POLY1305_AT + 56, ((low >> 52) | (high << 12)) & LIMB);
  store<u64>(POLY1305_AT + 64, (high >> 14) & LIMB);
  store<u64>(POLY1305_AT + 72, high >> 40);
  for (let i: usize = 0; i < 5; i++) storeSum(i, 0);
}

/** Hashes a block. */
function addBlock(low: u64, high: u64): void {
  const h0 = sumLimb(0) + (low & LIMB);
  const h1 = sumLimb(1) + ((low >> 26) & LIMB);
  const h2 = sumLimb(2) + (((low >> 52) | (high << 12)) & LIMB);
  const h3 = sumLimb(3) + ((high >> 14) & LIMB);
  const h4 = sumLimb(4) + ((high >> 40) | (1 << 24));
  const r0 = keyLimb(0);
  const r1 = keyLimb(1);
  const r2 = keyLimb(2);
  const r3 = keyLimb(3);
  const r4 = keyLimb(4);
  // What leaves at the top comes back times 5.
  const s1 = 5 * r1;
  const s2 = 5 * r2;
  const s3 = 5 * r3;
  const s4 = 5 * r4;
  const d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
  const d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2 + (d0 >> 26);
  const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3 + (d1 >> 26);
  const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4 + (d2 >> 26);
  const d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + (d3 >> 26);
  const lowest = (d0 & LIMB) + 5 * (d4 >> 26);
  storeSum(0, lowest & LIMB);
  storeSum(1, (d1 & LIMB) + (lowest >> 26));
  storeSum(2, d2 & LIMB);
  storeSum(3, d3 & LIMB);
  storeSum(4, d4 & LIMB);
}

/** Makes every limb of the sum less than 2^26; what leaves at the top is returned. */
function carryOut(): u64 {
  let carry: u64 = 0;
  for (let i: usize = 0; i < 5; i++) {
    const limb = sumLimb(i) + carry;
    storeSum(i, limb & LIMB);
    carry = limb >> 26;
  }
  return carry;
}

/** Ends the message: makes the sum less than 2^130 - 5, so that its low 128 bits are the hash. */
function reduceSum(): void {
  // Twice, as the first time may make it reach 2^130 again, but only just.
  for (let i = 0; i < 2; i++) {
    const top = carryOut();
    storeSum(0, sumLimb(0) + 5 * top);
  }
  // With 5 more it reaches 2^130 if it is not less than 2^130 - 5, and what is left below 2^130 is what is wanted.
  let carry: u64 = 5;
  for (let i: usize = 0; i < 5; i++) carry = (sumLimb(i) + carry) >> 26;
  storeSum(0, sumLimb(0) + 5 * carry);
  carryOut();
}

function hashLow(): u64 {
  return sumLimb(0) | (sumLimb(1) << 26) | (sumLimb(2) << 52);
}

function hashHigh(): u64 {
  return (sumLimb(2) >> 12) | (sumLimb(3) << 14) | (sumLimb(4) << 40);
}

// --- NH and the hashes made of it

/** Adds the products of a pass: of words 0 and 2, and of words 1 and 3. */
function addProducts(sum: v128, message: v128, key: v128): v128 {
  const words = i32x4.add(message, key);
  return i64x2.add(sum, i64x2.extmul_low_i32x4_u(words, v128.shuffle<i32>(words, words, 2, 3, 2, 3)));
}

function addLanes(sum: v128): u64 {
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

/** Hashes the NH hash of up to 1024 bytes. */
function addNh(message: usize, bytes: usize): void {
  let key = NH_KEY_AT;
  let key0 = v128.load(key);
  let key1 = v128.load(key, 16);
  let key2 = v128.load(key, 32);
  let sum0 = i64x2.splat(0);
  let sum1 = i64x2.splat(0);
  let sum2 = i64x2.splat(0);
  let sum3 = i64x2.splat(0);
  const end = message + bytes;
  while (message < end) {
    const words = v128.load(message);
    const key3 = v128.load(key, 48);
    sum0 = addProducts(sum0, words, key0);
    sum1 = addProducts(sum1, words, key1);
    sum2 = addProducts(sum2, words, key2);
    sum3 = addProducts(sum3, words, key3);
    key0 = key1;
    key1 = key2;
    key2 = key3;
    key += 16;
    message += 16;
  }
  addBlock(addLanes(sum0), addLanes(sum1));
  addBlock(addLanes(sum2), addLanes(sum3));
}

/** Leaves the hash of a left half in the sum. */
function hashMessage(left: usize, leftBytes: usize): void {
  startPoly1305(MESSAGE_KEY_AT);
  const end = left + leftBytes;
  for (let at = left; at < end; at += 1024) addNh(at, min<usize>(1024, end - at));
  reduceSum();
}

/** Leaves the hash of a left half's length, in bits, and of a tweak in the sum. */
function hashHeader(tweak: usize, leftBytes: usize): void {
  startPoly1305(HEADER_KEY_AT);
  addBlock(8 * leftBytes, 0);
  addBlock(load<u64>(tweak), load<u64>(tweak + 8));
  addBlock(load<u64>(tweak + 16), load<u64>(tweak + 24));
  reduceSum();
}

/** Makes the 16 bytes at `target` those at `source` plus a number, modulo 2^128. */
function storeSum128(target: usize, source: usize, low: u64, high: u64): void {
  const sumLow = load<u64>(source) + low;
  store<u64>(target, sumLow);
  store<u64>(target + 8, load<u64>(source + 8) + high + u64(sumLow < low));
}

export function hashToMiddles(dataUnits: u32, dataUnitBytes: u32): void {
  const leftBytes: usize = dataUnitBytes - 16;
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    const left = DATA_AT + unit * dataUnitBytes;
    const header = HEADERS_AT + 16 * unit;
    const middle = MIDDLES_AT + 16 * unit;
    hashHeader(TWEAKS_AT + 32 * unit, leftBytes);
    store<u64>(header, hashLow());
    store<u64>(header + 8, hashHigh());
    hashMessage(left, leftBytes);
    // The header's hash becomes that of both.
    storeSum128(middle, left + leftBytes, hashLow(), hashHigh());
    storeSum128(middle, middle, load<u64>(header), load<u64>(header + 8));
  }
}

export function hashFromMiddles(dataUnits: u32, dataUnitBytes: u32): void {
  const leftBytes: usize = dataUnitBytes - 16;
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    const left = DATA_AT + unit * dataUnitBytes;
    const header = HEADERS_AT + 16 * unit;
    const middle = MIDDLES_AT + 16 * unit;
    hashMessage(left, leftBytes);
    storeSum128(header, header, hashLow(), hashHigh());
    const low = load<u64>(middle);
    const subtrahend = load<u64>(header);
    store<u64>(left + leftBytes, low - subtrahend);
    store<u64>(left + leftBytes + 8, load<u64>(middle + 8) - load<u64>(header + 8) - u64(low < subtrahend));
  }
}

// --- XChaCha12, four blocks at a time: a vector holds the same word of each.

function rotate16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** Twelve rounds, two at a time: over the columns, then over the diagonals. From the 16 vectors at STREAM_AT to PERMUTED_AT. */
function permute(): void {
  let x0 = v128.load(STREAM_AT);
  let x1 = v128.load(STREAM_AT, 16);
  let x2 = v128.load(STREAM_AT, 32);
  let x3 = v128.load(STREAM_AT, 48);
  let x4 = v128.load(STREAM_AT, 64);
  let x5 = v128.load(STREAM_AT, 80);
  let x6 = v128.load(STREAM_AT, 96);
  let x7 = v128.load(STREAM_AT, 112);
  let x8 = v128.load(STREAM_AT, 128);
  let x9 = v128.load(STREAM_AT, 144);
  let x10 = v128.load(STREAM_AT, 160);
  let x11 = v128.load(STREAM_AT, 176);
  let x12 = v128.load(STREAM_AT, 192);
  let x13 = v128.load(STREAM_AT, 208);
  let x14 = v128.load(STREAM_AT, 224);
  let x15 = v128.load(STREAM_AT, 240);
  for (let round = 0; round < 12; round += 2) {
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = rotate16(v128.xor(x12, x0));
    x13 = rotate16(v128.xor(x13, x1));
    x14 = rotate16(v128.xor(x14, x2));
    x15 = rotate16(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = rotate(v128.xor(x4, x8), 12);
    x5 = rotate(v128.xor(x5, x9), 12);
    x6 = rotate(v128.xor(x6, x10), 12);
    x7 = rotate(v128.xor(x7, x11), 12);
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = rotate8(v128.xor(x12, x0));
    x13 = rotate8(v128.xor(x13, x1));
    x14 = rotate8(v128.xor(x14, x2));
    x15 = rotate8(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = rotate(v128.xor(x4, x8), 7);
    x5 = rotate(v128.xor(x5, x9), 7);
    x6 = rotate(v128.xor(x6, x10), 7);
    x7 = rotate(v128.xor(x7, x11), 7);

    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = rotate16(v128.xor(x15, x0));
    x12 = rotate16(v128.xor(x12, x1));
    x13 = rotate16(v128.xor(x13, x2));
    x14 = rotate16(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = rotate(v128.xor(x5, x10), 12);
    x6 = rotate(v128.xor(x6, x11), 12);
    x7 = rotate(v128.xor(x7, x8), 12);
    x4 = rotate(v128.xor(x4, x9), 12);
    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = rotate8(v128.xor(x15, x0));
    x12 = rotate8(v128.xor(x12, x1));
    x13 = rotate8(v128.xor(x13, x2));
    x14 = rotate8(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = rotate(v128.xor(x5, x10), 7);
    x6 = rotate(v128.xor(x6, x11), 7);
    x7 = rotate(v128.xor(x7, x8), 7);
    x4 = rotate(v128.xor(x4, x9), 7);
  }
  v128.store(PERMUTED_AT, x0);
  v128.store(PERMUTED_AT, x1, 16);
  v128.store(PERMUTED_AT, x2, 32);
  v128.store(PERMUTED_AT, x3, 48);
  v128.store(PERMUTED_AT, x4, 64);
  v128.store(PERMUTED_AT, x5, 80);
  v128.store(PERMUTED_AT, x6, 96);
  v128.store(PERMUTED_AT, x7, 112);
  v128.store(PERMUTED_AT, x8, 128);
  v128.store(PERMUTED_AT, x9, 144);
  v128.store(PERMUTED_AT, x10, 160);
  v128.store(PERMUTED_AT, x11, 176);
  v128.store(PERMUTED_AT, x12, 192);
  v128.store(PERMUTED_AT, x13, 208);
  v128.store(PERMUTED_AT, x14, 224);
  v128.store(PERMUTED_AT, x15, 240);
}

/** "expand 32-byte k", little-endian, becomes the first row. */
function startState(): void {
  v128.store(STREAM_AT, i32x4.splat(0x61707865));
  v128.store(STREAM_AT, i32x4.splat(0x3320646e), 16);
  v128.store(STREAM_AT, i32x4.splat(0x79622d32), 32);
  v128.store(STREAM_AT, i32x4.splat(0x6b206574), 48);
}

/** Stores the same words of four blocks as words of one block after another. */
function transpose(target: usize, stride: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(target, v128.xor(v128.load(target), v128.shuffle<i64>(ab01, cd01, 0, 2)));
  v128.store(target + stride, v128.xor(v128.load(target + stride), v128.shuffle<i64>(ab01, cd01, 1, 3)));
  v128.store(target + 2 * stride, v128.xor(v128.load(target + 2 * stride), v128.shuffle<i64>(ab23, cd23, 0, 2)));
  v128.store(target + 3 * stride, v128.xor(v128.load(target + 3 * stride), v128.shuffle<i64>(ab23, cd23, 1, 3)));
}

/** A word of the key stream's state plus that of its permutation. */
function streamWord(i: usize): v128 {
  return i32x4.add(v128.load(STREAM_AT + 16 * i), v128.load(PERMUTED_AT + 16 * i));
}

/** HChaCha for the middles of four data units: 8 vectors of subkey words at SUBKEYS_AT. */
function deriveSubkeys(middles: usize): void {
  startState();
  for (let i: usize = 0; i < 8; i++) {
    v128.store(STREAM_AT + 64 + 16 * i, v128.load32_splat(SOFT_KEYS_AT + 4 * i));
  }
  for (let i: usize = 0; i < 4; i++) {
    const word = middles + 4 * i;
    v128.store(
      STREAM_AT + 192 + 16 * i,
      i32x4(load<i32>(word), load<i32>(word + 16), load<i32>(word + 32), load<i32>(word + 48)),
    );
  }
  permute();
  memory.copy(SUBKEYS_AT, PERMUTED_AT, 64);
  memory.copy(SUBKEYS_AT + 64, PERMUTED_AT + 192, 64);
}

/** Adds the key stream of one of the four subkeys to a data unit; its right half is written later. */
function addUnitStream(data: usize, dataUnitBytes: usize, subkey: usize): void {
  for (let i: usize = 0; i < 8; i++) {
    v128.store(STREAM_AT + 64 + 16 * i, v128.load32_splat(SUBKEYS_AT + 16 * i + 4 * subkey));
  }
  v128.store(STREAM_AT, i32x4(0, 1, 2, 3), 192);
  v128.store(STREAM_AT, i32x4.splat(0), 208);
  v128.store(STREAM_AT, i32x4.splat(1), 224);
  v128.store(STREAM_AT, i32x4.splat(0), 240);
  const end = data + dataUnitBytes;
  for (; data < end; data += 256) {
    permute();
    for (let i: usize = 0; i < 16; i += 4) {
      transpose(data + 4 * i, 64, streamWord(i), streamWord(i + 1), streamWord(i + 2), streamWord(i + 3));
    }
    v128.store(STREAM_AT, i32x4.add(v128.load(STREAM_AT, 192), i32x4.splat(4)), 192);
  }
}

export function addStream(dataUnits: u32, dataUnitBytes: u32): void {
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    // The fifth word of the nonce is 1, the sixth 0.
    if (unit % 4 === 0) deriveSubkeys(MIDDLES_AT + 16 * unit);
    addUnitStream(DATA_AT + unit * dataUnitBytes, dataUnitBytes, unit % 4);
  }
}

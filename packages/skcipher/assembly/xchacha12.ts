// AssemblyScript, part of adiantum.ts: XChaCha12 with the nonces of Adiantum.
import { PERMUTED_AT, SOFT_KEYS_AT, STATES_AT, SUBKEYS_AT } from "./adiantum-memory";
import { permute } from "./chacha12";

/** "expand 32-byte k", little-endian, becomes the first row. */
function startState(): void {
  v128.store(STATES_AT, i32x4.splat(0x61707865));
  v128.store(STATES_AT, i32x4.splat(0x3320646e), 16);
  v128.store(STATES_AT, i32x4.splat(0x79622d32), 32);
  v128.store(STATES_AT, i32x4.splat(0x6b206574), 48);
}

/** Adds the same four words of four blocks to data, where the blocks lie one after another. */
function addTransposed(target: usize, stride: usize, a: v128, b: v128, c: v128, d: v128): void {
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
  return i32x4.add(v128.load(STATES_AT + 16 * i), v128.load(PERMUTED_AT + 16 * i));
}

/** HChaCha for the middles of four data units: 8 vectors of subkey words at SUBKEYS_AT. */
export function deriveSubkeys(middles: usize): void {
  startState();
  for (let i: usize = 0; i < 8; i++) {
    v128.store(STATES_AT + 64 + 16 * i, v128.load32_splat(SOFT_KEYS_AT + 4 * i));
  }
  for (let i: usize = 0; i < 4; i++) {
    const word = middles + 4 * i;
    v128.store(
      STATES_AT + 192 + 16 * i,
      i32x4(load<i32>(word), load<i32>(word + 16), load<i32>(word + 32), load<i32>(word + 48)),
    );
  }
  permute();
  memory.copy(SUBKEYS_AT, PERMUTED_AT, 64);
  memory.copy(SUBKEYS_AT + 64, PERMUTED_AT + 192, 64);
}

/** Adds the key stream of one of the four subkeys to a data unit; its right half is written later. */
export function addUnitStream(data: usize, dataUnitBytes: usize, subkey: usize): void {
  for (let i: usize = 0; i < 8; i++) {
    v128.store(STATES_AT + 64 + 16 * i, v128.load32_splat(SUBKEYS_AT + 16 * i + 4 * subkey));
  }
  v128.store(STATES_AT, i32x4(0, 1, 2, 3), 192);
  v128.store(STATES_AT, i32x4.splat(0), 208);
  v128.store(STATES_AT, i32x4.splat(1), 224);
  v128.store(STATES_AT, i32x4.splat(0), 240);
  const end = data + dataUnitBytes;
  for (; data < end; data += 256) {
    permute();
    for (let i: usize = 0; i < 16; i += 4) {
      addTransposed(data + 4 * i, 64, streamWord(i), streamWord(i + 1), streamWord(i + 2), streamWord(i + 3));
    }
    v128.store(STATES_AT, i32x4.add(v128.load(STATES_AT, 192), i32x4.splat(4)), 192);
  }
}

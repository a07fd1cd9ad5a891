// AssemblyScript, part of adiantum.ts: NH.
import { NH_KEY_AT } from "./adiantum-memory";
import { addBlock } from "./poly1305";

/** Adds the products of a pass: of words 0 and 2, and of words 1 and 3. */
function addProducts(sum: v128, message: v128, key: v128): v128 {
  const words = i32x4.add(message, key);
  return i64x2.add(sum, i64x2.extmul_low_i32x4_u(words, v128.shuffle<i32>(words, words, 2, 3, 2, 3)));
}

function addLanes(sum: v128): u64 {
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

/** Hashes the NH hash of up to 1024 bytes. */
export function addNh(message: usize, bytes: usize): void {
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

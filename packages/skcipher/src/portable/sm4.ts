import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "../block-cipher.js";
import { secretBytes } from "../secret-bytes.js";

const ROUNDS = 32;

const SBOX_HEX =
  "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa44132649860699" +
  "9c4250f491ef987a33540b43edcfac62e4b31ca9c908e89580df94fa758f3fa6" +
  "4707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35" +
  "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89e" +
  "eabf8ad240c738b5a3f7f2cef96115a1e0ae5da49b341a55ad933230f58cb1e3" +
  "1df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51" +
  "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b0" +
  "8969974a0c96777e65b9f109c56ec68418f07dec3adc4d2079ee5f3ed7cb3948";

const SBOX: Uint8Array = Uint8Array.from({ length: 256 }, (_, i) =>
  Number.parseInt(SBOX_HEX.slice(2 * i, 2 * i + 2), 16),
);

/** The system parameter FK, added to the key before its expansion. */
const FAMILY_KEY: readonly number[] = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The S-box on each byte of a word. */
function substitute(word: number): number {
  return (
    (SBOX[word >>> 24]! << 24) |
    (SBOX[(word >>> 16) & 0xff]! << 16) |
    (SBOX[(word >>> 8) & 0xff]! << 8) |
    SBOX[word & 0xff]!
  );
}

/** Substitution of the highest byte and linear transformation of a round, in one table; other bytes' are rotations of it. */
const ROUND_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, i) => {
  const word = SBOX[i]! << 24;
  return word ^ rotateLeft(word, 2) ^ rotateLeft(word, 10) ^ rotateLeft(word, 18) ^ rotateLeft(word, 24);
});

/** The fixed parameter CK of a round: bytes that rise by 7. */
function roundConstant(round: number): number {
  let constant = 0;
  for (let i = 0; i < 4; i++) constant = (constant << 8) | (((4 * round + i) * 7) & 0xff);
  return constant;
}

/** Round keys of encryption, in order. */
function expandKey(key: Uint8Array): Int32Array {
  const roundKeys = new Int32Array(secretBytes(4 * ROUNDS).buffer);
  const view = new DataView(key.buffer, key.byteOffset, BLOCK_BYTES);
  let k0 = view.getInt32(0) ^ FAMILY_KEY[0]!;
  let k1 = view.getInt32(4) ^ FAMILY_KEY[1]!;
  let k2 = view.getInt32(8) ^ FAMILY_KEY[2]!;
  let k3 = view.getInt32(12) ^ FAMILY_KEY[3]!;
  for (let round = 0; round < ROUNDS; round++) {
    const word = substitute(k1 ^ k2 ^ k3 ^ roundConstant(round));
    const next = k0 ^ word ^ rotateLeft(word, 13) ^ rotateLeft(word, 23);
    roundKeys[round] = next;
    k0 = k1;
    k1 = k2;
    k2 = k3;
    k3 = next;
  }
  return roundKeys;
}

function roundFunction(word: number): number {
  return (
    ROUND_TABLE[word >>> 24]! ^
    rotateLeft(ROUND_TABLE[(word >>> 16) & 0xff]!, 24) ^
    rotateLeft(ROUND_TABLE[(word >>> 8) & 0xff]!, 16) ^
    rotateLeft(ROUND_TABLE[word & 0xff]!, 8)
  );
}

function transformBlock(view: DataView, at: number, roundKeys: Int32Array): void {
  let x0 = view.getInt32(at);
  let x1 = view.getInt32(at + 4);
  let x2 = view.getInt32(at + 8);
  let x3 = view.getInt32(at + 12);
  for (let round = 0; round < ROUNDS; round += 4) {
    x0 ^= roundFunction(x1 ^ x2 ^ x3 ^ roundKeys[round]!);
    x1 ^= roundFunction(x2 ^ x3 ^ x0 ^ roundKeys[round + 1]!);
    x2 ^= roundFunction(x3 ^ x0 ^ x1 ^ roundKeys[round + 2]!);
    x3 ^= roundFunction(x0 ^ x1 ^ x2 ^ roundKeys[round + 3]!);
  }
  view.setInt32(at, x3);
  view.setInt32(at + 4, x2);
  view.setInt32(at + 8, x1);
  view.setInt32(at + 12, x0);
}

class Sm4Transform implements BlockTransform {
  readonly #roundKeys: Int32Array;

  constructor(roundKeys: Int32Array) {
    this.#roundKeys = roundKeys;
  }

  run(blocks: Uint8Array): void {
    const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
    for (let at = 0; at < blocks.length; at += BLOCK_BYTES) transformBlock(view, at, this.#roundKeys);
  }

  clear(): void {
    this.#roundKeys.fill(0);
  }
}

/**
 * SM4 (GB/T 32907) in JavaScript; decryption is encryption with the round keys backwards.
 *
 * @kernel lib/crypto/sm4.c: sm4_expandkey, sm4_crypt_block
 */
export const sm4: BlockCipher = {
  keyBytes: 16,
  encryptor: (key) => new Sm4Transform(expandKey(key)),
  decryptor: (key) => new Sm4Transform(expandKey(key).reverse()),
};

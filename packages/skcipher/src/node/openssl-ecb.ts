import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from "node:crypto";
import type { BlockCipher, BlockTransform } from "../block-cipher.js";

/** ECB has no state between blocks, so one OpenSSL context serves a key for as long as it is set. */
class EcbTransform implements BlockTransform {
  readonly #context: Cipher | Decipher;

  constructor(context: Cipher | Decipher) {
    this.#context = context.setAutoPadding(false);
  }

  run(blocks: Uint8Array): void {
    const result = this.#context.update(blocks);
    blocks.set(result);
    // Node allocates the result anew each time; without this, tweaks would stay behind in freed memory.
    result.fill(0);
  }

  clear(): void {
    // Makes Node free the OpenSSL context now, which wipes the key schedule in it.
    this.#context.final();
  }
}

function opensslEcb(name: string, keyBytes: number): BlockCipher {
  return {
    keyBytes,
    encryptor: (key) => new EcbTransform(createCipheriv(name, key, null)),
    decryptor: (key) => new EcbTransform(createDecipheriv(name, key, null)),
  };
}

/** AES-128 of the OpenSSL inside node. */
export const opensslAes128: BlockCipher = opensslEcb("aes-128-ecb", 16);

/** AES-256 of the OpenSSL inside node. */
export const opensslAes256: BlockCipher = opensslEcb("aes-256-ecb", 32);

/** SM4 of the OpenSSL inside node. */
export const opensslSm4: BlockCipher = opensslEcb("sm4-ecb", 16);

import { createCipheriv, createDecipheriv, createHash } from "node:crypto";

/** As `Skcipher.encrypt` and `decrypt`. */
export type Crypt = (src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array) => void;

/** One way to compute a cipher. */
export interface Contender {
  readonly name: string;
  readonly encrypt: Crypt;
  readonly decrypt: Crypt;
}

type MakeContext = typeof createCipheriv | typeof createDecipheriv;

/** A node:crypto cipher for each data unit. @param ivs - of the data units that are asked for, made beforehand */
function crypt(make: MakeContext, opensslName: string, key: Uint8Array, ivs: readonly Uint8Array[]): Crypt {
  return (src, dst, dataUnitBytes) => {
    for (let at = 0; at < src.length; at += dataUnitBytes) {
      const context = make(opensslName, key, ivs[at / dataUnitBytes]!).setAutoPadding(false);
      dst.set(context.update(src.subarray(at, at + dataUnitBytes)), at);
      context.final();
    }
  };
}

function littleEndianIvs(firstDun: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const iv = Buffer.alloc(16);
    iv.writeUInt32LE(firstDun + i);
    return iv;
  });
}

function essivIvs(key: Uint8Array, firstDun: number, count: number): Uint8Array[] {
  const salt = createHash("sha256").update(key).digest();
  return littleEndianIvs(firstDun, count).map((iv) =>
    createCipheriv("aes-256-ecb", salt, null).setAutoPadding(false).update(iv),
  );
}

/**
 * What one writes first, for ciphers that node:crypto has something of: not for Adiantum, which it knows nothing of, nor for
 * xts(sm4): OpenSSL before 3.2 has no SM4-XTS, and node:crypto cannot tell that of later ones to use the tweak of IEEE 1619.
 */
export function naiveContender(cipherName: string, key: Uint8Array, firstDun: number, count: number): Contender[] {
  const opensslNames: Readonly<Record<string, string>> = {
    "xts(aes)": "aes-256-xts",
    "essiv(cbc(aes),sha256)": "aes-128-cbc",
  };
  const opensslName = opensslNames[cipherName];
  if (opensslName === undefined) return [];
  const isEssiv = opensslName === "aes-128-cbc";
  const ivs = isEssiv ? essivIvs(key, firstDun, count) : littleEndianIvs(firstDun, count);
  return [
    {
      name: isEssiv ? "naive, IVs given" : "naive",
      encrypt: crypt(createCipheriv, opensslName, key, ivs),
      decrypt: crypt(createDecipheriv, opensslName, key, ivs),
    },
  ];
}

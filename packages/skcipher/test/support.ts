import type { ReferenceCipherName } from "@inlinecrypt/reference-crypto";
import { createJsAdiantumScratch } from "../src/adiantum-scratch.js";
import { DUN_LIMBS, type SkcipherEngine } from "../src/index.js";
import { createNodeEngine } from "../src/node/index.js";
import { createNodeEngineOver, type NodeEngineParts } from "../src/node/node-engine.js";
import { opensslLacks } from "../src/node/openssl-lacks.js";
import { createPortableEngine } from "../src/portable/index.js";
import { createJsXtsScratch } from "../src/xts-scratch.js";

/** Parts of a node engine without WebAssembly. */
export function jsParts(): NodeEngineParts {
  return {
    xtsScratch: createJsXtsScratch(),
    adiantumScratch: createJsAdiantumScratch(),
    lacks: opensslLacks,
  };
}

/** Every engine, and every way an engine computes: the shared suites run for each. */
export const engines: { readonly name: string; readonly create: () => SkcipherEngine }[] = [
  { name: "portable", create: createPortableEngine },
  { name: "node", create: createNodeEngine },
  { name: "node, without WebAssembly", create: () => createNodeEngineOver(jsParts()) },
  { name: "node, without OpenSSL", create: () => createNodeEngineOver({ ...jsParts(), lacks: () => "not wanted" }) },
];

/** A cipher that every engine has. */
export interface TestedCipher {
  readonly name: ReferenceCipherName;
  readonly keyBytes: number;
  readonly ivBytes: number;
  /** What the vectors of the kernel call it. */
  readonly mode: string;
}

/** All ciphers. */
export const ciphers: readonly TestedCipher[] = [
  { name: "xts(aes)", keyBytes: 64, ivBytes: 16, mode: "AES-256-XTS" },
  { name: "essiv(cbc(aes),sha256)", keyBytes: 16, ivBytes: 16, mode: "AES-128-CBC-ESSIV" },
  { name: "adiantum(xchacha12,aes)", keyBytes: 32, ivBytes: 32, mode: "Adiantum" },
  { name: "xts(sm4)", keyBytes: 32, ivBytes: 16, mode: "SM4-XTS" },
];

/** The seed of every random test; the environment replays or varies it. */
export const seed: number = Number(process.env.FC_SEED ?? 1619);

/** A DUN in limbs, modulo 2^256. */
export function limbs(dun: bigint): Uint32Array {
  return Uint32Array.from({ length: DUN_LIMBS }, (_, i) => Number((dun >> BigInt(32 * i)) & 0xffffffffn));
}

/** Bytes that look random and depend on `salt`. */
export function noise(bytes: number, salt = 1): Uint8Array {
  const result = new Uint8Array(bytes);
  let state = salt | 1;
  for (let i = 0; i < bytes; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    result[i] = state;
  }
  return result;
}

/** A key of `xts(aes)` whose halves differ. */
export const KEY: Uint8Array = noise(64, 64);

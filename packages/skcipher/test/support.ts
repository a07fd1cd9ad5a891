import { DUN_LIMBS, type SkcipherEngine } from "../src/index.js";
import { createNodeEngine } from "../src/node/index.js";
import { createNodeEngineOver } from "../src/node/node-engine.js";
import { createPortableEngine } from "../src/portable/index.js";
import { createJsXtsScratch } from "../src/xts-scratch.js";

/** Every engine, and every way an engine computes: the shared suites run for each. */
export const engines: { readonly name: string; readonly create: () => SkcipherEngine }[] = [
  { name: "portable", create: createPortableEngine },
  { name: "node, mask by WebAssembly", create: createNodeEngine },
  { name: "node, mask by JavaScript", create: () => createNodeEngineOver(createJsXtsScratch()) },
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

/** A key whose halves differ. */
export const KEY: Uint8Array = noise(64, 64);

/**
 * The engine that runs in any JavaScript runtime.
 *
 * @packageDocumentation
 */
import type { SkcipherEngine } from "../skcipher-engine.js";
import { TableEngine } from "../table-engine.js";
import { xtsAes } from "../xts-aes.js";
import { XtsCore } from "../xts-core.js";
import { createJsXtsScratch } from "../xts-scratch.js";
import { nobleAes256 } from "./noble-aes.js";

/**
 * Makes the engine `"portable"`: JavaScript only, the AES block from @noble/ciphers. It runs wherever JavaScript does, at some
 * 60 MB/s, and does not guard against an attacker who measures the cache of its machine.
 */
export function createPortableEngine(): SkcipherEngine {
  const scratch = createJsXtsScratch();
  return new TableEngine("portable", "JavaScript; AES block from @noble/ciphers", [
    xtsAes(() => new XtsCore(nobleAes256, scratch)),
  ]);
}

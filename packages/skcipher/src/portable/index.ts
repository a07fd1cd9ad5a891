/**
 * The engine that runs in any JavaScript runtime.
 *
 * @packageDocumentation
 */
import { adiantum } from "../adiantum.js";
import { AdiantumCore } from "../adiantum-core.js";
import { createJsAdiantumScratch } from "../adiantum-scratch.js";
import { CbcScratch } from "../cbc-scratch.js";
import { essivCbcAes } from "../essiv-cbc-aes.js";
import type { SkcipherEngine } from "../skcipher-engine.js";
import { TableEngine } from "../table-engine.js";
import { xtsAes, xtsSm4 } from "../xts.js";
import { XtsCore } from "../xts-core.js";
import { createJsXtsScratch } from "../xts-scratch.js";
import { nobleAes256 } from "./noble-aes.js";
import { portableEssivCbcCore } from "./portable-essiv-cbc.js";
import { sm4 } from "./sm4.js";

const NOBLE = "JavaScript, AES block from @noble/ciphers";

/**
 * Makes the engine `"portable"`: JavaScript only, the AES block from @noble/ciphers. It runs wherever JavaScript does, at some
 * 60 MB/s, and does not guard against an attacker who measures the cache of its machine.
 */
export function createPortableEngine(): SkcipherEngine {
  const xtsScratch = createJsXtsScratch();
  const cbcScratch = new CbcScratch();
  const adiantumScratch = createJsAdiantumScratch();
  return new TableEngine("portable", "JavaScript; AES block from @noble/ciphers", [
    xtsAes({ create: () => new XtsCore(nobleAes256, xtsScratch), computedBy: NOBLE }),
    essivCbcAes({ create: () => portableEssivCbcCore(cbcScratch), computedBy: NOBLE }),
    adiantum({ create: () => new AdiantumCore(nobleAes256, adiantumScratch), computedBy: NOBLE }),
    xtsSm4({ create: () => new XtsCore(sm4, xtsScratch), computedBy: "JavaScript" }),
  ]);
}

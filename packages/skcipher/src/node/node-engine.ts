import { adiantum } from "../adiantum.js";
import { AdiantumCore } from "../adiantum-core.js";
import type { AdiantumScratch } from "../adiantum-scratch.js";
import { CbcScratch } from "../cbc-scratch.js";
import { essivCbcAes } from "../essiv-cbc-aes.js";
import { EssivCbcCore } from "../essiv-cbc-core.js";
import { nobleAes256 } from "../portable/noble-aes.js";
import { portableEssivCbcCore } from "../portable/portable-essiv-cbc.js";
import { sm4 } from "../portable/sm4.js";
import type { AlgImplementation, CipherCore } from "../skcipher-alg.js";
import type { SkcipherEngine } from "../skcipher-engine.js";
import { TableEngine } from "../table-engine.js";
import { xtsAes, xtsSm4 } from "../xts.js";
import { XtsCore } from "../xts-core.js";
import type { XtsScratch } from "../xts-scratch.js";
import { NodeXtsCore } from "./node-xts-core.js";
import { opensslCbcAes128 } from "./openssl-cbc.js";
import { opensslAes256, opensslSm4 } from "./openssl-ecb.js";
import { type OpensslLacks, type OpensslName, opensslLacks } from "./openssl-lacks.js";
import { createFastestAdiantumScratch } from "./wasm-adiantum-scratch.js";
import { createFastestXtsScratch } from "./wasm-xts-scratch.js";

/** What the engine `"node"` computes with. */
export interface NodeEngineParts {
  readonly xtsScratch: XtsScratch;
  readonly adiantumScratch: AdiantumScratch;
  readonly lacks: OpensslLacks;
}

/** The fastest parts that work here. */
export function fastestNodeEngineParts(): NodeEngineParts {
  return {
    xtsScratch: createFastestXtsScratch(),
    adiantumScratch: createFastestAdiantumScratch(),
    lacks: opensslLacks,
  };
}

const OPENSSL = `OpenSSL ${process.versions.openssl}`;

/** How a cipher is computed with OpenSSL, and how without. */
interface TwoWays {
  /** What OpenSSL has to have. */
  readonly needs: readonly OpensslName[];
  readonly withOpenssl: () => CipherCore;
  readonly withoutOpenssl: () => CipherCore;
  /** What does the rest, either way. */
  readonly rest?: string;
}

/** With OpenSSL if it has all that is needed. */
function choose(lacks: OpensslLacks, { needs, withOpenssl, withoutOpenssl, rest }: TwoWays): AlgImplementation {
  const fallbackReason = needs.map(lacks).find((reason) => reason !== undefined);
  const blocks = fallbackReason === undefined ? OPENSSL : "JavaScript";
  const computedBy = rest === undefined ? blocks : `${blocks}; ${rest}`;
  return fallbackReason === undefined
    ? { create: withOpenssl, computedBy }
    : { create: withoutOpenssl, computedBy, fallbackReason };
}

/** Makes the engine `"node"` over the given parts. */
export function createNodeEngineOver({ xtsScratch, adiantumScratch, lacks }: NodeEngineParts): SkcipherEngine {
  const cbcScratch = new CbcScratch();
  const tweaks = `tweaks by ${xtsScratch.kind}`;
  const cbcParts = {
    scratch: cbcScratch,
    ivCipher: opensslAes256,
    encryptor: (key: Uint8Array) => opensslCbcAes128.encryptor(key, cbcScratch),
    decryptor: opensslCbcAes128.decryptor,
  };
  return new TableEngine("node", `node:crypto (${OPENSSL}); ${tweaks}; Adiantum by ${adiantumScratch.kind}`, [
    xtsAes(
      choose(lacks, {
        needs: ["aes-256-ecb", "aes-256-xts"],
        withOpenssl: () => new NodeXtsCore(xtsScratch),
        withoutOpenssl: () => new XtsCore(nobleAes256, xtsScratch),
        rest: tweaks,
      }),
    ),
    essivCbcAes(
      choose(lacks, {
        needs: ["aes-128-cbc", "aes-128-ecb", "aes-256-ecb"],
        withOpenssl: () => new EssivCbcCore(cbcParts),
        withoutOpenssl: () => portableEssivCbcCore(cbcScratch),
      }),
    ),
    adiantum(
      choose(lacks, {
        needs: ["aes-256-ecb"],
        withOpenssl: () => new AdiantumCore(opensslAes256, adiantumScratch),
        withoutOpenssl: () => new AdiantumCore(nobleAes256, adiantumScratch),
        rest: `NH, Poly1305 and XChaCha12 by ${adiantumScratch.kind}`,
      }),
    ),
    xtsSm4(
      choose(lacks, {
        needs: ["sm4-ecb"],
        withOpenssl: () => new XtsCore(opensslSm4, xtsScratch),
        withoutOpenssl: () => new XtsCore(sm4, xtsScratch),
        rest: tweaks,
      }),
    ),
  ]);
}

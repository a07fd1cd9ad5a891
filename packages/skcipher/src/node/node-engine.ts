import { adiantum } from "../adiantum.js";
import { AdiantumCore } from "../adiantum-core.js";
import { createJsAdiantumScratch } from "../adiantum-scratch.js";
import { LockstepCbcEncryptor } from "../cbc-encryptor.js";
import { createJsCbcScratch } from "../cbc-scratch.js";
import { essivCbcAes } from "../essiv-cbc-aes.js";
import { EssivCbcCore } from "../essiv-cbc-core.js";
import type { SkcipherEngine } from "../skcipher-engine.js";
import { TableEngine } from "../table-engine.js";
import { xtsAes, xtsSm4 } from "../xts.js";
import { XtsCore } from "../xts-core.js";
import type { XtsScratch } from "../xts-scratch.js";
import { NodeXtsCore } from "./node-xts-core.js";
import { opensslAes128, opensslAes256, opensslSm4 } from "./openssl-ecb.js";

/** Makes the engine `"node"` over the given scratch memory. */
export function createNodeEngineOver(scratch: XtsScratch): SkcipherEngine {
  const detail = `node:crypto (OpenSSL ${process.versions.openssl}); tweaks by ${scratch.kind}`;
  const cbcParts = {
    scratch: createJsCbcScratch(),
    dataCipher: opensslAes128,
    ivCipher: opensslAes256,
    encryptor: (key: Uint8Array) => new LockstepCbcEncryptor(opensslAes128.encryptor(key)),
  };
  const adiantumScratch = createJsAdiantumScratch();
  return new TableEngine("node", detail, [
    xtsAes({ create: () => new NodeXtsCore(scratch), computedBy: detail }),
    essivCbcAes({ create: () => new EssivCbcCore(cbcParts), computedBy: detail }),
    adiantum({ create: () => new AdiantumCore(opensslAes256, adiantumScratch), computedBy: detail }),
    xtsSm4({ create: () => new XtsCore(opensslSm4, scratch), computedBy: detail }),
  ]);
}

import type { SkcipherEngine } from "../skcipher-engine.js";
import { TableEngine } from "../table-engine.js";
import { xtsAes } from "../xts-aes.js";
import type { XtsScratch } from "../xts-scratch.js";
import { NodeXtsCore } from "./node-xts-core.js";

/** Makes the engine `"node"` over the given scratch memory. */
export function createNodeEngineOver(scratch: XtsScratch): SkcipherEngine {
  const detail = `node:crypto (OpenSSL ${process.versions.openssl}); tweaks by ${scratch.kind}`;
  return new TableEngine("node", detail, [xtsAes(() => new NodeXtsCore(scratch))]);
}

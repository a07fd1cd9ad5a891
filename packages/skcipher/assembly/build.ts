import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const SOURCE = "xts-mask.ts";
const TARGET = new URL("../src/node/xts-mask-wasm.ts", import.meta.url);

/** Two pages of 64 KiB: a chunk, and the tweaks behind it. */
const PAGES = "2";

/** Compiles the AssemblyScript source to a WebAssembly module. */
async function compile(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const options = ["--outFile", "xts-mask.wasm", "-O3", "--runtime", "stub", "--enable", "simd"];
  options.push("--initialMemory", PAGES, "--maximumMemory", PAGES);
  const { error, stderr } = await asc.main([SOURCE, ...options], {
    readFile: (name) => (name === SOURCE ? readFileSync(new URL(SOURCE, import.meta.url), "utf8") : null),
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new Error(`asc failed: ${stderr.toString()}`);
  return binary;
}

/** The text of src/node/xts-mask-wasm.ts. */
export async function generate(): Promise<string> {
  const base64 = Buffer.from(await compile()).toString("base64");
  const lines = base64.match(/.{1,100}/g)?.map((line) => `  "${line}"`) ?? [];
  return [
    "// Generated from assembly/xts-mask.ts by `npm run build:wasm`. Do not edit.",
    "",
    "/** The WebAssembly module, in base64. */",
    `export const XTS_MASK_WASM_BASE64: string =\n${lines.join(" +\n")};`,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, await generate());

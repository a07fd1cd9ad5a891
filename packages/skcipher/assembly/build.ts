import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

/** AssemblyScript sources beside this file; each is compiled, with what it imports, into a file of src/node. */
export const WASM_MODULES = ["adiantum", "xts-mask"] as const;

/** Name of a module. */
export type WasmModule = (typeof WASM_MODULES)[number];

/** Where the compiled module is checked in. */
export function targetOf(name: WasmModule): URL {
  return new URL(`../src/node/${name}-wasm.ts`, import.meta.url);
}

/** Two pages of 64 KiB: a chunk, and what belongs to it behind it. */
const PAGES = "2";

/** A source of this folder, or null: the compiler asks for files under several names. */
function readSource(name: string): string | null {
  const file = new URL(name, import.meta.url);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

/** Compiles the AssemblyScript source to a WebAssembly module. */
async function compile(name: WasmModule): Promise<Uint8Array> {
  const source = `${name}.ts`;
  let binary: Uint8Array | undefined;
  const options = ["--outFile", `${name}.wasm`, "-O3", "--runtime", "stub", "--enable", "simd"];
  options.push("--initialMemory", PAGES, "--maximumMemory", PAGES);
  const { error, stderr } = await asc.main([source, ...options], {
    readFile: readSource,
    writeFile: (_file, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new Error(`asc failed: ${stderr.toString()}`);
  return binary;
}

/** The text of the file that a module is checked in as. */
export async function generate(name: WasmModule): Promise<string> {
  const base64 = Buffer.from(await compile(name)).toString("base64");
  const lines = base64.match(/.{1,100}/g)?.map((line) => `  "${line}"`) ?? [];
  const constant = `${name.toUpperCase().replaceAll("-", "_")}_WASM_BASE64`;
  return [
    `// Generated from assembly/${name}.ts by \`npm run build:wasm\`. Do not edit.`,
    "",
    "/** The WebAssembly module, in base64. */",
    `export const ${constant}: string =\n${lines.join(" +\n")};`,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of WASM_MODULES) writeFileSync(targetOf(name), await generate(name));
}

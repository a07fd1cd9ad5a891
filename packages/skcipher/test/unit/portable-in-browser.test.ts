import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { build, type Rollup } from "vite";
import { expect, test } from "vitest";
import { ciphers, noise } from "../support.js";

/** Bundles the portable engine as for a browser; an import of a node module would make the bundle fail to run. */
async function bundle(): Promise<string> {
  const output = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL("../../src/portable/index.ts", import.meta.url)),
        formats: ["iife"],
        name: "portable",
      },
    },
  })) as Rollup.RollupOutput[];
  return output[0]!.output[0].code;
}

test("the portable engine runs in a realm that has JavaScript and nothing else", async () => {
  const plaintext = noise(4096);
  const realm = createContext({ plaintext: [...plaintext] });
  expect(runInContext("typeof process + typeof Buffer + typeof require", realm)).toBe("undefinedundefinedundefined");
  runInContext(await bundle(), realm);
  for (const { name, keyBytes } of ciphers) {
    const key = noise(keyBytes);
    Object.assign(realm, { name, key: [...key] });
    const ciphertext = runInContext(
      `{
        const cipher = portable.createPortableEngine().alloc(name);
        cipher.setKey(Uint8Array.from(key));
        const data = Uint8Array.from(plaintext);
        cipher.encrypt(data, data, 1024, Uint32Array.of(0xff, 0, 0, 0, 0, 0, 0, 0));
        Array.from(data);
      }`,
      realm,
    ) as number[];
    expect(Uint8Array.from(ciphertext)).toEqual(referenceEncrypt(name, key, 1024, 0xffn, plaintext));
  }
}, 60_000);

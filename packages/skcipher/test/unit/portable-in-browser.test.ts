import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { ieee1619Vectors } from "@inlinecrypt/reference-crypto";
import { build, type Rollup } from "vite";
import { expect, test } from "vitest";

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
  const vector = ieee1619Vectors().find(({ name }) => name === "XTS-AES-256 vector 10")!;
  const realm = createContext({ key: [...vector.key], plaintext: [...vector.plaintext] });
  expect(runInContext("typeof process + typeof Buffer + typeof require", realm)).toBe("undefinedundefinedundefined");
  runInContext(await bundle(), realm);
  const ciphertext = runInContext(
    `{
      const cipher = portable.createPortableEngine().alloc("xts(aes)");
      cipher.setKey(Uint8Array.from(key));
      const data = Uint8Array.from(plaintext);
      cipher.encrypt(data, data, 512, Uint32Array.of(0xff, 0, 0, 0, 0, 0, 0, 0));
      Array.from(data);
    }`,
    realm,
  ) as number[];
  expect(Uint8Array.from(ciphertext)).toEqual(vector.ciphertext);
}, 60_000);

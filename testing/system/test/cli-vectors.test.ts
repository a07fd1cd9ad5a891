import { EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { type CommandIo, main } from "inlinecrypt";
import { describe, expect, it } from "vitest";
import { Scratch } from "./support/serve.js";

/** Runs `inlinecrypt crypt` in this process: hundreds of runs, no processes. */
async function crypt(args: readonly string[], input: Uint8Array): Promise<Buffer> {
  const output: Buffer[] = [];
  let errors = "";
  const io: CommandIo = {
    stdin: Readable.from([input], { objectMode: false }),
    stdout: new Writable({
      write(chunk, _encoding, done) {
        output.push(Buffer.from(chunk));
        done();
      },
    }),
    stderr: new Writable({
      write(chunk, _encoding, done) {
        errors += chunk;
        done();
      },
    }),
    env: {},
    signals: new EventEmitter(),
    nowMs: () => 0,
    exitNow: () => {},
  };
  const exitCode = await main(["crypt", ...args], io);
  expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: "" });
  return Buffer.concat(output);
}

/** Crypts a record in one run, or in one a data unit where its data unit numbers do not rise by one. */
async function cryptVector(
  direction: string,
  vector: KernelVector,
  keyFile: string,
  input: Uint8Array,
): Promise<Buffer> {
  const { mode, dataUnitSize, firstDun, dunStep } = vector;
  const runBytes = dunStep === 1n ? input.length : dataUnitSize;
  const parts: Buffer[] = [];
  for (let at = 0; at < input.length; at += runBytes) {
    const dun = firstDun + BigInt(at / dataUnitSize) * dunStep;
    const options = [
      "--key-file",
      keyFile,
      "--mode",
      mode,
      "--data-unit-size",
      `${dataUnitSize}`,
      "--first-dun",
      `${dun}`,
    ];
    parts.push(await crypt([direction, ...options], input.subarray(at, at + runBytes)));
  }
  return Buffer.concat(parts);
}

describe("inlinecrypt crypt reproduces what the kernel wrote, both ways", () => {
  const vectors = kernelVectors();

  it("has all the records there are", () => expect(vectors).toHaveLength(176));

  it.each(vectors)("[INT-1] $id", async (vector) => {
    using scratch = new Scratch();
    const keyFile = scratch.path("record.key");
    writeFileSync(keyFile, vector.key, { mode: 0o600 });
    const plaintext = vector.plaintext();
    const ciphertext = await cryptVector("encrypt", vector, keyFile, plaintext);
    assertCiphertext(vector, ciphertext);
    expect((await cryptVector("decrypt", vector, keyFile, ciphertext)).equals(plaintext)).toBe(true);
  });
});

import { randomFillSync } from "node:crypto";
import { type ReferenceCipherName, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createJsAdiantumScratch } from "../src/adiantum-scratch.js";
import { createNodeEngine } from "../src/node/index.js";
import { createNodeEngineOver, fastestNodeEngineParts } from "../src/node/node-engine.js";
import { createPortableEngine } from "../src/portable/index.js";
import { createJsXtsScratch } from "../src/xts-scratch.js";
import { medianMegabytesPerSecond } from "./measure.js";
import { type Contender, naiveContender } from "./naive.js";

const CALL_BYTES = 65536;
const DATA_UNIT_BYTES = [512, 4096, 65536];
const OPS = ["encrypt", "decrypt"] as const;
const FIRST_DUN = 1000;

const dun = Uint32Array.of(FIRST_DUN, 0, 0, 0, 0, 0, 0, 0);
const withoutWebAssembly = createNodeEngineOver({
  ...fastestNodeEngineParts(),
  xtsScratch: createJsXtsScratch(),
  adiantumScratch: createJsAdiantumScratch(),
});
const engines = [
  { name: "node", engine: createNodeEngine() },
  { name: "node without WebAssembly", engine: withoutWebAssembly },
  { name: "portable", engine: createPortableEngine() },
];

function contendersFor(cipherName: string, key: Uint8Array): Contender[] {
  const naive = naiveContender(cipherName, key, FIRST_DUN, CALL_BYTES / DATA_UNIT_BYTES[0]!);
  const ours = engines.map(({ name, engine }) => {
    const cipher = engine.alloc(cipherName);
    cipher.setKey(key);
    return { name, encrypt: cipher.encrypt.bind(cipher), decrypt: cipher.decrypt.bind(cipher) };
  });
  return [...naive, ...ours];
}

/** @throws Error when one of them disagrees with the oracle */
function proveAgreement(cipherName: ReferenceCipherName, key: Uint8Array, contenders: readonly Contender[]): void {
  const plaintext = randomFillSync(new Uint8Array(CALL_BYTES));
  for (const dataUnitBytes of DATA_UNIT_BYTES) {
    const expected = referenceEncrypt(cipherName, key, dataUnitBytes, BigInt(FIRST_DUN), plaintext);
    for (const { name, encrypt, decrypt } of contenders) {
      const bytes = new Uint8Array(CALL_BYTES);
      encrypt(plaintext, bytes, dataUnitBytes, dun);
      const agree = Buffer.compare(bytes, expected) === 0;
      decrypt(bytes, bytes, dataUnitBytes, dun);
      if (!agree || Buffer.compare(bytes, plaintext) !== 0) {
        throw new Error(`${cipherName}: ${name} disagrees at ${dataUnitBytes} bytes`);
      }
    }
  }
}

function measureTable(cipherName: string, contenders: readonly Contender[]): void {
  const src = randomFillSync(new Uint8Array(CALL_BYTES));
  const dst = new Uint8Array(CALL_BYTES);
  const rows = DATA_UNIT_BYTES.flatMap((dataUnitBytes) =>
    OPS.map((op) => {
      const runs = contenders.map((contender) => () => contender[op](src, dst, dataUnitBytes, dun));
      const speeds = medianMegabytesPerSecond(runs, CALL_BYTES);
      return [String(dataUnitBytes), op, ...speeds.map((speed) => cell(speed, speeds[0]!))];
    }),
  );
  const head = ["data unit", "operation", ...contenders.map(({ name }) => name)];
  const baseline = contenders[0]!.name.startsWith("naive") ? "naive" : "node; node:crypto alone cannot compute it";
  console.log(`\n${cipherName}: MB/s, and the ratio to ${baseline}`);
  for (const row of [head, ...rows]) console.log(row.map((text, i) => text.padStart(i < 2 ? 10 : 26)).join(""));
}

function cell(speed: number, baseline: number): string {
  return `${speed.toFixed(0)} (${(speed / baseline).toFixed(2)})`;
}

console.log(`${CALL_BYTES / 1024} KiB a call; naive is a node:crypto cipher for each data unit`);
for (const name of ["xts(aes)", "essiv(cbc(aes),sha256)", "adiantum(xchacha12,aes)", "xts(sm4)"] as const) {
  const key = randomFillSync(new Uint8Array(engines[0]!.engine.alloc(name).keyBytes));
  const contenders = contendersFor(name, key);
  proveAgreement(name, key, contenders);
  measureTable(name, contenders);
}

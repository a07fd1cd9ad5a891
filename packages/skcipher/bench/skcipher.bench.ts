import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto";
import { createNodeEngine } from "../src/node/index.js";
import { createNodeEngineOver } from "../src/node/node-engine.js";
import { createPortableEngine } from "../src/portable/index.js";
import { createJsXtsScratch } from "../src/xts-scratch.js";
import { medianMegabytesPerSecond } from "./measure.js";

const CALL_BYTES = 65536;
const DATA_UNIT_BYTES = [512, 4096, 65536];
const OPS = ["encrypt", "decrypt"] as const;

type Crypt = (src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array) => void;

interface Contender {
  readonly name: string;
  readonly encrypt: Crypt;
  readonly decrypt: Crypt;
}

const key = randomFillSync(new Uint8Array(64));
const dun = Uint32Array.of(1000, 0, 0, 0, 0, 0, 0, 0);

/** What one writes first: a node:crypto cipher for each data unit. */
function naive(makeContext: typeof createCipheriv | typeof createDecipheriv): Crypt {
  return (src, dst, dataUnitBytes, firstDun) => {
    const iv = Buffer.alloc(16);
    for (let at = 0; at < src.length; at += dataUnitBytes) {
      iv.writeUInt32LE(firstDun[0]! + at / dataUnitBytes);
      const context = makeContext("aes-256-xts", key, iv);
      dst.set(context.update(src.subarray(at, at + dataUnitBytes)), at);
      context.final();
    }
  };
}

const contenders: Contender[] = [
  { name: "naive: a node:crypto cipher each", encrypt: naive(createCipheriv), decrypt: naive(createDecipheriv) },
];
for (const [name, engine] of [
  ["node", createNodeEngine()],
  ["node, without WebAssembly", createNodeEngineOver(createJsXtsScratch())],
  ["portable", createPortableEngine()],
] as const) {
  const cipher = engine.alloc("xts(aes)");
  cipher.setKey(key);
  contenders.push({ name, encrypt: cipher.encrypt.bind(cipher), decrypt: cipher.decrypt.bind(cipher) });
}

function proveAgreement(): void {
  const plaintext = randomFillSync(new Uint8Array(CALL_BYTES));
  for (const dataUnitBytes of DATA_UNIT_BYTES) {
    const expected = new Uint8Array(CALL_BYTES);
    contenders[0]!.encrypt(plaintext, expected, dataUnitBytes, dun);
    for (const { name, encrypt, decrypt } of contenders) {
      const bytes = new Uint8Array(CALL_BYTES);
      encrypt(plaintext, bytes, dataUnitBytes, dun);
      const agree = Buffer.compare(bytes, expected) === 0;
      decrypt(bytes, bytes, dataUnitBytes, dun);
      if (!agree || Buffer.compare(bytes, plaintext) !== 0)
        throw new Error(`${name} disagrees at ${dataUnitBytes} bytes`);
    }
  }
  console.log(
    `${contenders.length} contenders agree on every byte, data units of ${DATA_UNIT_BYTES.join(", ")} bytes\n`,
  );
}

function measureTable(): void {
  const src = randomFillSync(new Uint8Array(CALL_BYTES));
  const dst = new Uint8Array(CALL_BYTES);
  console.log(`MB/s, ${CALL_BYTES / 1024} KiB a call; in brackets the ratio to naive, same operation, same run`);
  console.log(
    ["data unit".padEnd(10), "operation".padEnd(10), ...contenders.map(({ name }) => name.padStart(34))].join(""),
  );
  for (const dataUnitBytes of DATA_UNIT_BYTES) {
    for (const op of OPS) {
      const runs = contenders.map((contender) => () => contender[op](src, dst, dataUnitBytes, dun));
      const speeds = medianMegabytesPerSecond(runs, CALL_BYTES);
      const cells = speeds.map((speed) => `${speed.toFixed(0)} (${(speed / speeds[0]!).toFixed(2)})`.padStart(34));
      console.log([String(dataUnitBytes).padEnd(10), op.padEnd(10), ...cells].join(""));
    }
  }
}

proveAgreement();
measureTable();

import { randomFillSync } from "node:crypto";
import { encryptDataUnits } from "@inlinecrypt/reference-crypto";
import { BIO_BYTES, blockPath, type Contender, cipherAlone, naiveLoop, TOTAL_BYTES } from "./contenders.js";

const DATA_UNIT_BYTES = [512, 4096];
const ROUNDS = 11;
const SAMPLE_BYTES = 8192;

const key = randomFillSync(new Uint8Array(64));
const data = randomFillSync(new Uint8Array(TOTAL_BYTES));
const back = new Uint8Array(TOTAL_BYTES);

/** All contenders leave the same bytes on their medium and read the data back; a sample is the oracle's. */
async function proveAgreement(contenders: readonly Contender[], dataUnitBytes: number): Promise<void> {
  const last = TOTAL_BYTES - SAMPLE_BYTES;
  const oracle = encryptDataUnits(key, BigInt(last / dataUnitBytes), dataUnitBytes, data.subarray(last));
  for (const contender of contenders) {
    await contender.write(data);
    const medium = contender.medium();
    if (Buffer.compare(medium.subarray(last), oracle) !== 0)
      throw new Error(`${contender.name}: not the oracle's bytes`);
    if (Buffer.compare(medium, contenders[0]!.medium()) !== 0) throw new Error(`${contender.name}: different bytes`);
    back.fill(0);
    await contender.read(back);
    if (Buffer.compare(back, data) !== 0) throw new Error(`${contender.name}: reads something else`);
  }
}

async function megabytesPerSecond(contender: Contender, op: "write" | "read"): Promise<number> {
  const start = performance.now();
  await contender[op](op === "write" ? data : back);
  return TOTAL_BYTES / (performance.now() - start) / 1000;
}

/** The median speed of each; they take turns, so that what else the machine does meets all of them alike. */
async function medians(contenders: readonly Contender[], op: "write" | "read"): Promise<number[]> {
  const speeds: number[][] = contenders.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, contender] of contenders.entries()) {
      speeds[index]!.push(await megabytesPerSecond(contender, op));
    }
  }
  return speeds.map((measured) => measured.sort((a, b) => a - b)[ROUNDS >> 1]!);
}

function printRow(cells: readonly string[]): void {
  console.log(cells.map((cell, index) => (index < 2 ? cell.padEnd(10) : cell.padStart(27))).join(""));
}

const tables = DATA_UNIT_BYTES.map((dataUnitBytes) => ({
  dataUnitBytes,
  encrypted: [naiveLoop(key, dataUnitBytes), blockPath(key, dataUnitBytes), cipherAlone(key, dataUnitBytes)],
  plain: blockPath(null, dataUnitBytes),
}));
for (const { dataUnitBytes, encrypted } of tables) await proveAgreement(encrypted, dataUnitBytes);
console.log(
  `${TOTAL_BYTES >> 20} MiB: the medium is node:crypto's and, in a sample, the oracle's; data units of 512 and 4096\n`,
);

console.log(`MB/s, bios of ${BIO_BYTES / 1024} KiB; in brackets the ratio to a node:crypto cipher each, same run`);
printRow(["data unit", "operation", ...tables[0]!.encrypted.map(({ name }) => name), tables[0]!.plain.name]);
for (const { dataUnitBytes, encrypted, plain } of tables) {
  for (const op of ["write", "read"] as const) {
    const speeds = await medians([...encrypted, plain], op);
    const cells = speeds.map((speed) => `${speed.toFixed(0)} (${(speed / speeds[0]!).toFixed(2)})`);
    printRow([String(dataUnitBytes), op, ...cells]);
  }
}

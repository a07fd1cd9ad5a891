import { randomFillSync } from "node:crypto";
import { cryptoModes } from "@inlinecrypt/blk-crypto-profile";
import { type ReferenceCipherName, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { BIO_BYTES, blockPath, type Contender, type Crypt, cipherAlone, naiveLoop, TOTAL_BYTES } from "./contenders.js";

const DATA_UNIT_BYTES = [512, 4096];
const ROUNDS = 11;
const SAMPLE_BYTES = 8192;

const data = randomFillSync(new Uint8Array(TOTAL_BYTES));
const back = new Uint8Array(TOTAL_BYTES);

/** All contenders leave the same bytes on their medium and read the data back; a sample is the oracle's. */
async function proveAgreement(contenders: readonly Contender[], crypt: Crypt): Promise<void> {
  const { mode, keyBytes, dataUnitBytes } = crypt;
  const last = TOTAL_BYTES - SAMPLE_BYTES;
  const cipher = mode.cipher as ReferenceCipherName;
  const oracle = referenceEncrypt(cipher, keyBytes, dataUnitBytes, BigInt(last / dataUnitBytes), data.subarray(last));
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
  console.log(cells.map((cell, index) => (index < 3 ? cell.padEnd([18, 10, 9][index]!) : cell.padStart(20))).join(""));
}

const tables = cryptoModes.flatMap((mode) =>
  DATA_UNIT_BYTES.map((dataUnitBytes) => {
    const crypt: Crypt = { mode, keyBytes: randomFillSync(new Uint8Array(mode.keyBytes)), dataUnitBytes };
    const encrypted = [blockPath("submitBio", crypt), cipherAlone(crypt)];
    // node:crypto has no other of the ciphers as a whole.
    if (mode.name === "AES-256-XTS") encrypted.push(naiveLoop(crypt));
    return { crypt, encrypted };
  }),
);
for (const { crypt, encrypted } of tables) await proveAgreement(encrypted, crypt);
console.log(`${TOTAL_BYTES >> 20} MiB: all media hold the same bytes and, in a sample, the oracle's\n`);

const plain = blockPath("submitBio, no key", null);
console.log(`MB/s, bios of ${BIO_BYTES / 1024} KiB; in brackets the ratio to submitBio, same run`);
printRow(["mode", "data unit", "", "submitBio", "submitBio, no key", "cipher alone", "node:crypto, naive"]);
for (const { crypt, encrypted } of tables) {
  for (const op of ["write", "read"] as const) {
    const [path, ...others] = encrypted;
    const speeds = await medians([path!, plain, ...others], op);
    const cells = speeds.map((speed) => `${speed.toFixed(0)} (${(speed / speeds[0]!).toFixed(2)})`);
    printRow([crypt.mode.name, String(crypt.dataUnitBytes), op, ...cells]);
  }
}

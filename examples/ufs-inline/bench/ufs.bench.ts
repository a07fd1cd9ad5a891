// Encrypted I/O through driver and controller against the same through the fallback on a RAM disk, in one run.
import { randomFillSync } from "node:crypto";
import { type Contender, ram, TOTAL_BYTES, ufs } from "./contenders.js";

const ROUNDS = 9;

const data = randomFillSync(new Uint8Array(TOTAL_BYTES));
const back = new Uint8Array(TOTAL_BYTES);

/** Encrypted contenders leave the same bytes on their medium, and all read the data back. */
async function proveAgreement(contenders: readonly Contender[], encrypted: readonly Contender[]): Promise<void> {
  for (const contender of contenders) {
    await contender.pass("write", data, 65536, 4);
    back.fill(0);
    await contender.pass("read", back, 65536, 4);
    if (Buffer.compare(back, data) !== 0) throw new Error(`${contender.name} reads something else`);
  }
  const media = encrypted.map((contender) => contender.medium());
  if (media.some((medium) => Buffer.compare(medium, media[0]!) !== 0)) throw new Error("the media differ");
  if (Buffer.compare(media[0]!, data) === 0) throw new Error("the media hold plaintext");
}

async function megabytesPerSecond(...pass: [Contender, "write" | "read", number, number]): Promise<number> {
  const [contender, op, bioBytes, inFlight] = pass;
  const start = performance.now();
  await contender.pass(op, op === "write" ? data : back, bioBytes, inFlight);
  return TOTAL_BYTES / (performance.now() - start) / 1000;
}

/** They take turns, so that what else the machine does meets all of them alike. */
async function medians(
  contenders: readonly Contender[],
  ...how: ["write" | "read", number, number]
): Promise<number[]> {
  const speeds: number[][] = contenders.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, contender] of contenders.entries()) {
      speeds[index]!.push(await megabytesPerSecond(contender, ...how));
    }
  }
  return speeds.map((measured) => measured.sort((a, b) => a - b)[ROUNDS >> 1]!);
}

const keyBytes = randomFillSync(new Uint8Array(64));
const contenders = [
  await ufs("ufs, native", keyBytes),
  ram("ram, fallback", keyBytes),
  await ufs("ufs, plain", null),
  ram("ram, plain", null),
];
await proveAgreement(contenders, contenders.slice(0, 2));
console.log(`${TOTAL_BYTES >> 20} MiB: the encrypted media hold the same bytes\n`);
console.log("MB/s; native / fallback of the same run at the end");
const columns = ["bio", "in flight", "", ...contenders.map(({ name }) => name), "ratio"];
console.log(columns.map((column) => column.padStart(15)).join(""));
for (const bioBytes of [4096, 131072]) {
  for (const inFlight of [1, 16]) {
    for (const op of ["write", "read"] as const) {
      const speeds = await medians(contenders, op, bioBytes, inFlight);
      const cells = [`${bioBytes >> 10} KiB`, String(inFlight), op, ...speeds.map((speed) => speed.toFixed(0))];
      cells.push((speeds[0]! / speeds[1]!).toFixed(2));
      console.log(cells.map((cell) => cell.padStart(15)).join(""));
    }
  }
}
process.exit(0);

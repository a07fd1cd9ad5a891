// A thousand keys on a crypto engine with four keyslots: whatever the order of the I/O, every page is right, at rest and
// read back; how often a slot has to be programmed depends on that order alone.
import { createCipheriv, createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { ReqOp } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { formatSlotTable } from "@inlinecrypt/blk-crypto-profile";
import { runUntilSettled, SeededRandom } from "@inlinecrypt/blk-sim";
import { KeyedDisk, PAGE_BYTES, type PageIo } from "./keyed-disk.js";
import { type Access, type Order, ordersOf, type Task } from "./orders.js";

const { values } = parseArgs({ options: { seed: { type: "string", default: "4" } } });
const [KEYS, SLOTS, PAGES_PER_KEY] = [1000, 4, 4];

const random = new SeededRandom(values.seed);
const executor = new SimExecutor();
const disk = new KeyedDisk(executor, random, SLOTS, KEYS, PAGES_PER_KEY);
/** What each page should hold, by key and page. */
const written = disk.parts.map(() => Array.from({ length: PAGES_PER_KEY }, () => new Uint8Array(PAGE_BYTES)));
const contents = random.fork("contents");
let wrongPages = 0;

/** Writes new contents in the given order, batch after batch, then reads them in the same order. */
async function runTask(task: Task): Promise<void> {
  for (const batch of task) {
    for (const { keyIndex, page } of batch) contents.fill(written[keyIndex]![page]!.subarray(0, 64));
    await disk.transfer(
      ReqOp.WRITE,
      batch.map((access) => pageIo(access, written[access.keyIndex]![access.page]!)),
    );
  }
  for (const batch of task) {
    const reads = batch.map((access) => pageIo(access, new Uint8Array(PAGE_BYTES)));
    await disk.transfer(ReqOp.READ, reads);
    reads.forEach(({ data }, at) => {
      const { keyIndex, page } = batch[at]!;
      if (!same(data, written[keyIndex]![page]!)) wrongPages++;
    });
  }
}

function pageIo({ keyIndex, page }: Access, data: Uint8Array): PageIo {
  return { part: disk.parts[keyIndex]!, page, data };
}

async function runOrder({ name, tasks }: Order): Promise<void> {
  const before = disk.counts;
  await Promise.all(tasks.map(runTask));
  const after = disk.counts;
  const ios = 2 * tasks.flat(2).length;
  const programmings = after.programmings - before.programmings;
  printRow(name, ios, after.requests - before.requests, programmings, (ios / programmings).toFixed(1));
}

function printRow(name: string, ...cells: (string | number)[]): void {
  console.log(name.padEnd(38), ...cells.map((cell) => String(cell).padStart(14)));
}

/** Pages whose ciphertext is not what OpenSSL makes of them. */
function wrongAtRest(): number {
  let wrong = 0;
  written.forEach((pages, keyIndex) => {
    const part = disk.parts[keyIndex]!;
    pages.forEach((plaintext, page) => {
      const iv = Buffer.alloc(16);
      iv.writeUInt32LE(page);
      const expected = createCipheriv("aes-256-xts", part.keyBytes, iv).update(plaintext);
      if (!same(disk.atRest(part, page), expected)) wrong++;
    });
  });
  return wrong;
}

/** Writes one page under every key, with the same DUN, and counts how many different ciphertexts that makes. */
async function ciphertextsOfOnePage(): Promise<number> {
  const page = new Uint8Array(PAGE_BYTES).fill(0x55);
  for (const part of disk.parts) await disk.transfer(ReqOp.WRITE, [{ part, page: 0, data: page }]);
  return new Set(disk.parts.map((part) => createHash("sha256").update(disk.atRest(part, 0)).digest("hex"))).size;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

async function main(): Promise<void> {
  console.log(`${KEYS} keys of ${PAGES_PER_KEY} pages on ${SLOTS} keyslots (seed ${values.seed})\n`);
  printRow("order of the I/O", "I/Os", "requests", "programmings", "I/Os for each");
  for (const order of ordersOf(random.fork("orders"), KEYS, PAGES_PER_KEY)) await runOrder(order);
  console.log(`\n${formatSlotTable(disk.profile.slotTable())}`);
  const wrongCiphertexts = wrongAtRest();
  const ciphertexts = await ciphertextsOfOnePage();
  console.log(`${wrongPages} pages were read back wrong; ${wrongCiphertexts} are wrong at rest, by OpenSSL's count`);
  console.log(`one page under ${KEYS} keys: ${ciphertexts} ciphertexts`);
  await disk.close();
  process.exitCode = wrongPages === 0 && wrongCiphertexts === 0 && ciphertexts === KEYS ? 0 : 1;
}

await runUntilSettled(executor, main());

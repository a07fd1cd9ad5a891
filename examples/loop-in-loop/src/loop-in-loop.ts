// A disk in a file, and a loop device on that, and one more on that one. None of them encrypts: a context given to the topmost is
// served by the software fallback there, and all below carry ciphertext, down to the file.
import { createCipheriv, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { LoopDevice } from "@inlinecrypt/blk-drivers";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

const DATA_UNIT_BYTES = 4096;
const FIRST_UNIT = 25;

/** AES-256-XTS of consecutive data units by OpenSSL, which knows nothing of block layers. */
function encryptUnits(keyBytes: Uint8Array, firstUnit: number, plaintext: Uint8Array): Buffer {
  const units: Buffer[] = [];
  for (let at = 0; at < plaintext.length; at += DATA_UNIT_BYTES) {
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64LE(BigInt(firstUnit + at / DATA_UNIT_BYTES));
    units.push(createCipheriv("aes-256-xts", keyBytes, iv).update(plaintext.subarray(at, at + DATA_UNIT_BYTES)));
  }
  return Buffer.concat(units);
}

const folder = await mkdtemp(join(tmpdir(), "loop-in-loop-"));
const file = join(folder, "disk.img");
const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
const loop0 = await LoopDevice.open(layer, { name: "loop0", file, sizeBytes: 1 << 20 });
const loop1 = await LoopDevice.open(layer, { name: "loop1", device: loop0.bdev });
const loop2 = await LoopDevice.open(layer, { name: "loop2", device: loop1.bdev });
const loops = [loop0, loop1, loop2];

const keyBytes = randomBytes(64);
using key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: keyBytes, dataUnitBytes: DATA_UNIT_BYTES, dunBytes: 8 });
const natively = loops.map(({ bdev }) => blkCryptoConfigSupportedNatively(bdev, key));
console.log(`encrypts by itself: loop0 ${natively[0]}, loop1 ${natively[1]}, loop2 ${natively[2]}`);

const data = new Uint8Array(8 * DATA_UNIT_BYTES).fill(0x20);
data.set(Buffer.from("The combination of the safe is 12-34-56."));
const offset = FIRST_UNIT * DATA_UNIT_BYTES;
blkCryptoStartUsingKey(loop2.bdev, key);
await new Volume(loop2.bdev, { key }).write(offset, data, { fua: true });
const slots = cryptoFallback.slotTable().filter((slot) => slot.key !== null).length;
console.log(`slots of the software fallback with a key: ${slots}`);

const readsBack: boolean[] = [];
for (const { bdev } of loops) {
  const back = new Uint8Array(data.length);
  await new Volume(bdev, { key }).read(offset, back);
  readsBack.push(Buffer.compare(back, data) === 0);
}
console.log(`read back: from loop2 ${readsBack[2]}, from loop1 ${readsBack[1]}, from loop0 ${readsBack[0]}`);

await blkCryptoEvictKey(loop2.bdev, key);
for (const loop of loops.reverse()) await loop.close();
const atRest = (await readFile(file)).subarray(offset, offset + data.length);
const same = Buffer.compare(atRest, encryptUnits(keyBytes, FIRST_UNIT, data)) === 0;
console.log(`the file holds what OpenSSL makes of it: ${same}`);
await rm(folder, { recursive: true });
process.exitCode = natively.includes(true) || slots !== 1 || readsBack.includes(false) || !same ? 1 : 0;

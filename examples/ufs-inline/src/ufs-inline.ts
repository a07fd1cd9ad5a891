// Inline encryption in "hardware": keys go into the keyslots of a UFS host controller, and the data is encrypted on its way to the
// medium. What lands there is what the software fallback would have written.
import { randomBytes } from "node:crypto";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { describeEvent } from "./describe-event.js";
import { keyslotRegisters } from "./keyslot-registers.js";

const DISK_BYTES = 1 << 20;
const DATA_UNIT_BYTES = 4096;
const KEYSLOTS = 2;

function newKey(bytes: Uint8Array): BlkCryptoKey {
  return new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: DATA_UNIT_BYTES, dunBytes: 8 });
}

/** What software makes of the same data, on a disk that cannot encrypt. */
async function encryptInSoftware(keyBytes: Uint8Array, offset: number, data: Uint8Array): Promise<Uint8Array> {
  const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
  await using ram = new RamDisk(layer, { bytes: DISK_BYTES });
  using key = newKey(keyBytes);
  blkCryptoStartUsingKey(ram.bdev, key);
  await new Volume(ram.bdev, { key }).write(offset, data);
  await blkCryptoEvictKey(ram.bdev, key);
  const medium = new Uint8Array(data.length);
  ram.readMedium(offset, medium);
  return medium;
}

const medium = new MemoryMedium(DISK_BYTES);
// No fallback here: what the controller cannot do fails.
const layer = new BlockLayer({ executor: new HostExecutor() });
const disk = await createUfsDisk({
  layer,
  engine: createNodeEngine(),
  backing: medium,
  keyslots: KEYSLOTS,
  dataUnitSizes: [DATA_UNIT_BYTES],
});
const stopObserving = disk.controller.events.observe((event) => {
  const text = describeEvent(event);
  if (text !== undefined) console.log(`  controller: ${text}`);
});

const secrets = ["The combination of the safe is 12-34-56.", "The key is under the mat.", "Nobody knows this."];
let asTold = true;
for (const [index, secret] of secrets.entries()) {
  const keyBytes = randomBytes(64);
  using key = newKey(keyBytes);
  blkCryptoStartUsingKey(disk.bdev, key);
  const volume = new Volume(disk.bdev, { key });
  const offset = index * 4 * DATA_UNIT_BYTES;
  const data = new Uint8Array(2 * DATA_UNIT_BYTES).fill(0x20);
  data.set(Buffer.from(secret));

  console.log(`key ${index + 1}: writing, and reading back`);
  await volume.write(offset, data);
  const back = new Uint8Array(data.length);
  await volume.read(offset, back);
  const atRest = medium.view(offset, data.length);
  const inSoftware = await encryptInSoftware(keyBytes, offset, data);
  const same = Buffer.compare(atRest, inSoftware) === 0;
  const readable = Buffer.compare(back, data) === 0;
  console.log(`  at rest ${Buffer.from(atRest.subarray(0, 16)).toString("hex")}, as software writes it: ${same}`);
  asTold &&= same && readable && Buffer.compare(atRest, data) !== 0;

  // The second key stays in its slot, where the third finds no place and takes the one that was emptied.
  if (index === 1) continue;
  await blkCryptoEvictKey(disk.bdev, key);
}

console.log("keyslots as the registers show them: keys can be written, not read");
for (const [slotIndex, { dataUnitBytes, isEnabled, keyWords }] of keyslotRegisters(
  disk.controller,
  KEYSLOTS,
).entries()) {
  const holds = isEnabled ? `data units of ${dataUnitBytes}` : "empty";
  console.log(
    `  slot ${slotIndex}: ${holds}, key reads as ${keyWords.every((word) => word === 0) ? "zeroes" : "a key"}`,
  );
  asTold &&= keyWords.every((word) => word === 0);
}
stopObserving();
await disk.close();
process.exitCode = asTold ? 0 : 1;

// Device-mapper passes inline encryption through: a mapped device over a UFS disk encrypts in the disk's keyslots, and has none itself.
import { randomBytes } from "node:crypto";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  formatSysfs,
  queueCryptoSysfs,
} from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";

const DISK_BYTES = 1 << 20;
const SECTORS = DISK_BYTES / 512;
const HALF = SECTORS / 2;
const DATA_UNIT_BYTES = 4096;

const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
const medium = new MemoryMedium(DISK_BYTES);
const flash = await createUfsDisk({
  layer,
  engine: createNodeEngine(),
  backing: medium,
  keyslots: 4,
  dataUnitSizes: [4096],
});

// The halves of the disk, swapped.
const mapper = new DeviceMapper({ layer, device: (name) => (name === "flash" ? flash.bdev : null) });
const table = `0 ${HALF} linear flash ${HALF}\n${HALF} ${HALF} linear flash 0`;
const swapped = await mapper.create({ name: "swapped", table });
for (const line of swapped.table()) console.log(`swapped: ${line}`);
for (const { name, disk } of [flash.bdev, swapped.bdev])
  process.stdout.write(formatSysfs(name, queueCryptoSysfs(disk)!));

const keyBytes = randomBytes(64);
using key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: keyBytes, dataUnitBytes: DATA_UNIT_BYTES, dunBytes: 8 });
blkCryptoStartUsingKey(swapped.bdev, key);
const volume = new Volume(swapped.bdev, { key });
const data = new Uint8Array(8 * DATA_UNIT_BYTES).fill(0x20);
data.set(Buffer.from("The combination of the safe is 12-34-56."));

// Across the border between the two targets: one bio, two clones, one run of data unit numbers.
const middle = DISK_BYTES / 2;
const offset = middle - data.length / 2;
await volume.write(offset, data);

/** What software writes to a disk without device-mapper below it. */
const ram = new RamDisk(layer, { bytes: DISK_BYTES });
const usedBefore = cryptoFallback.slotTable().filter((slot) => slot.key !== null).length;
blkCryptoStartUsingKey(ram.bdev, key);
await new Volume(ram.bdev, { key }).write(offset, data);
const expected = new Uint8Array(data.length);
ram.readMedium(offset, expected);
const halfBytes = data.length / 2;
const found = Buffer.concat([medium.view(DISK_BYTES - halfBytes, halfBytes), medium.view(0, halfBytes)]);

const programmed = flash.profile!.slotTable().filter((slot) => slot.key !== null).length;
const same = Buffer.compare(found, expected) === 0;
console.log(`keyslots of the UFS disk with a key: ${programmed}; of the software fallback: ${usedBefore}`);
console.log(`the medium holds what software would have written, half by half: ${same}`);

await blkCryptoEvictKey(swapped.bdev, key);
const left = flash.profile!.slotTable().filter((slot) => slot.key !== null).length;
console.log(`evicted from the mapped device; keyslots of the UFS disk with a key: ${left}`);
await blkCryptoEvictKey(ram.bdev, key);
await swapped.remove();
await flash.close();
await ram.close();
process.exitCode = same && programmed === 1 && usedBefore === 0 && left === 0 ? 0 : 1;

// One device below cannot encrypt, so the mapped device cannot either: the fallback encrypts above device-mapper, and all below it,
// the capable device too, sees plain I/O.
import { randomBytes } from "node:crypto";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";

const DISK_BYTES = 1 << 20;
const SECTORS = DISK_BYTES / 512;
const DATA_UNIT_BYTES = 4096;

const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
const medium = new MemoryMedium(DISK_BYTES);
const flash = await createUfsDisk({ layer, engine: createNodeEngine(), backing: medium, name: "flash" });
const ram = new RamDisk(layer, { name: "ram", bytes: DISK_BYTES });
const devices = new Map([flash.bdev, ram.bdev].map((bdev) => [bdev === ram.bdev ? "ram" : "flash", bdev]));

const mapper = new DeviceMapper({ layer, device: (name) => devices.get(name) ?? null });
const table = `0 ${SECTORS} linear flash 0\n${SECTORS} ${SECTORS} linear ram 0`;
const both = await mapper.create({ name: "both", table });

using key = new BlkCryptoKey({
  mode: "AES-256-XTS",
  bytes: randomBytes(64),
  dataUnitBytes: DATA_UNIT_BYTES,
  dunBytes: 8,
});
const natively = [flash.bdev, ram.bdev, both.bdev].map((bdev) => blkCryptoConfigSupportedNatively(bdev, key));
console.log(`encrypts by itself: flash ${natively[0]}, ram ${natively[1]}, both ${natively[2]}`);

let encryptedCommands = 0;
flash.controller.events.observe((event) => {
  if (event.type === "commandStarted" && event.slotIndex >= 0) encryptedCommands++;
});
blkCryptoStartUsingKey(both.bdev, key);
const volume = new Volume(both.bdev, { key });
const data = new Uint8Array(8 * DATA_UNIT_BYTES).fill(0x20);
data.set(Buffer.from("The combination of the safe is 12-34-56."));
const halfBytes = data.length / 2;
const offset = DISK_BYTES - halfBytes;
await volume.write(offset, data);
const back = new Uint8Array(data.length);
await volume.read(offset, back);

const onRam = new Uint8Array(halfBytes);
ram.readMedium(0, onRam);
const atRest = Buffer.concat([medium.view(offset, halfBytes), onRam]);

// What one capable disk of that size would have made of it, natively.
const reference = await createUfsDisk({ layer, engine: createNodeEngine(), bytes: 2 * DISK_BYTES, name: "reference" });
await new Volume(reference.bdev, { key }).write(offset, data);
const expected = new Uint8Array(data.length);
await reference.bdev.read(offset, expected);

const slots = cryptoFallback.slotTable().filter((slot) => slot.key !== null).length;
const same = Buffer.compare(atRest, expected) === 0;
const readBack = Buffer.compare(back, data) === 0;
console.log(
  `slots of the software fallback with a key: ${slots}; encrypted commands the UFS disk saw: ${encryptedCommands}`,
);
console.log(`read back: ${readBack}; both media hold what hardware would have written: ${same}`);

await blkCryptoEvictKey(both.bdev, key);
await blkCryptoEvictKey(reference.bdev, key);
await both.remove();
for (const disk of [flash, ram, reference]) await disk.close();
const asTold = natively[0] && !natively[1] && !natively[2] && slots === 1 && encryptedCommands === 0;
process.exitCode = asTold && same && readBack ? 0 : 1;

// Two ways to one disk: two UFS host controllers with one medium behind them, under a multipath device. One of them dies while data is
// written, comes back, and nobody above notices.
import { randomBytes } from "node:crypto";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk, type UfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";

const DISK_BYTES = 4 << 20;
const SECTORS = DISK_BYTES / 512;
const DATA_UNIT_BYTES = 4096;
const BLOCKS = DISK_BYTES / DATA_UNIT_BYTES;
const WRITERS = 8;
/** More than any retry. */
const FOR_GOOD = 1e9;

const layer = new BlockLayer({ executor: new HostExecutor() });
const medium = new MemoryMedium(DISK_BYTES);
const encryptedCommands = new Map<string, number>();

async function openPath(name: string): Promise<UfsDisk> {
  const path = await createUfsDisk({ layer, engine: createNodeEngine(), backing: medium, keyslots: 2, name });
  encryptedCommands.set(name, 0);
  path.controller.events.observe((event) => {
    if (event.type !== "commandStarted" || event.slotIndex < 0) return;
    encryptedCommands.set(name, encryptedCommands.get(name)! + 1);
  });
  return path;
}

const paths = new Map([
  ["one", await openPath("one")],
  ["two", await openPath("two")],
]);
const mapper = new DeviceMapper({ layer, device: (name) => paths.get(name)?.bdev ?? null });
const table = `0 ${SECTORS} multipath 0 0 1 1 round-robin 0 2 1 one 1 two 1`;
const both = await mapper.create({ name: "both", table });
const show = (when: string): void => console.log(`${when.padEnd(22)} ${both.status()[0]}`);

using key = new BlkCryptoKey({
  mode: "AES-256-XTS",
  bytes: randomBytes(64),
  dataUnitBytes: DATA_UNIT_BYTES,
  dunBytes: 8,
});
blkCryptoStartUsingKey(both.bdev, key);
const volume = new Volume(both.bdev, { key });
const contentOf = (block: number): Uint8Array => new Uint8Array(DATA_UNIT_BYTES).fill(block % 251);

async function writeBlocks(from: number, to: number): Promise<void> {
  let next = from;
  const writer = async (): Promise<void> => {
    for (let block = next++; block < to; block = next++) await volume.write(block * DATA_UNIT_BYTES, contentOf(block));
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

const third = Math.floor(BLOCKS / 3);
show("both paths work");
await writeBlocks(0, third);
paths.get("one")!.controller.faults.add({ kind: "engineFault", times: FOR_GOOD });
await writeBlocks(third, 2 * third);
show("path one has died");
paths.get("one")!.controller.faults.clear();
both.message(0, "reinstate_path one");
await writeBlocks(2 * third, BLOCKS);
show("path one is back");

let wrong = 0;
for (let block = 0; block < BLOCKS; block++) {
  const back = new Uint8Array(DATA_UNIT_BYTES);
  await volume.read(block * DATA_UNIT_BYTES, back);
  if (Buffer.compare(back, contentOf(block)) !== 0) wrong++;
}
console.log(`${BLOCKS} blocks written and read back, ${wrong} wrong, no I/O failed`);
for (const [name, count] of encryptedCommands)
  console.log(`path ${name} took ${count > 0 ? "encrypted commands" : "none"}`);
await blkCryptoEvictKey(both.bdev, key);
await both.remove();
const left = [...paths.values()]
  .flatMap(({ profile }) => profile!.slotTable())
  .filter((slot) => slot.key !== null).length;
console.log(`keyslots with a key after the eviction, on both paths: ${left}`);
for (const path of paths.values()) await path.close();
process.exitCode = wrong === 0 && left === 0 && [...encryptedCommands.values()].every((count) => count > 0) ? 0 : 1;

import { type BlockDevice, BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";

const UNIT = 4096;
const BYTES = 64 * UNIT;
const FILE_KEY = noise(64, 1);
const TABLE_KEY = noise(64, 2);
const FIRST_DUN = 1000n;

interface Disk {
  readonly bdev: BlockDevice;
  readonly medium: () => Uint8Array;
}

function ramDisk(layer: BlockLayer): Disk {
  const ram = new RamDisk(layer, { bytes: BYTES });
  const medium = new Uint8Array(BYTES);
  return {
    bdev: ram.bdev,
    medium() {
      ram.readMedium(0, medium);
      return medium;
    },
  };
}

function inlineDisk(layer: BlockLayer, dataUnits: number): Disk {
  const { disk, medium } = new InlineDisk(layer, { bytes: BYTES, dataUnits });
  return { bdev: disk.part0, medium: () => medium };
}

const disks: Readonly<Record<string, (layer: BlockLayer) => Disk>> = {
  "a disk that encrypts": (layer) => inlineDisk(layer, UNIT),
  "a disk that encrypts smaller data units only": (layer) => inlineDisk(layer, 512),
  "a disk that does not encrypt": ramDisk,
};

/** The first half encrypted above device-mapper, the second by it. */
function expectedMedium(content: Uint8Array): Uint8Array {
  const half = BYTES / 2;
  const medium = new Uint8Array(BYTES);
  medium.set(referenceEncrypt("xts(aes)", FILE_KEY, UNIT, FIRST_DUN, content.subarray(0, half)));
  medium.set(referenceEncrypt("xts(aes)", TABLE_KEY, UNIT, BigInt(half / UNIT), content.subarray(half)), half);
  return medium;
}

it.each(Object.entries(disks))("default-key encrypts each data unit once, over %s", async (_name, newDisk) => {
  const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
  const disk = newDisk(layer);
  const dm = new DeviceMapper({ layer, device: () => disk.bdev });
  const units = "2 sector_size:4096 iv_large_sectors";
  const tableKey = Buffer.from(TABLE_KEY).toString("hex");
  const table = `0 ${BYTES / 512} default-key aes-xts-plain64 ${tableKey} 0 disk 0 ${units}`;
  const { bdev } = await dm.create({ name: "userdata", table });
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: FILE_KEY, dataUnitBytes: UNIT, dunBytes: 8 });
  blkCryptoStartUsingKey(bdev, key);
  const file = new Volume(bdev, { key, firstDun: FIRST_DUN });
  const content = noise(BYTES, 3);
  const half = BYTES / 2;

  await Promise.all([file.write(0, content.subarray(0, half)), bdev.write(half, content.subarray(half))]);
  expect(firstDifference(disk.medium(), expectedMedium(content))).toBe(-1);

  const back = new Uint8Array(BYTES);
  await Promise.all([file.read(0, back.subarray(0, half)), bdev.read(half, back.subarray(half))]);
  expect(firstDifference(back, content)).toBe(-1);

  await blkCryptoEvictKey(bdev, key);
  await dm[Symbol.asyncDispose]();
  cryptoFallback[Symbol.dispose]();
});

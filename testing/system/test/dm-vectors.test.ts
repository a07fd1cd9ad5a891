import { BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { DeviceMapper, type MappedDevice } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, it } from "vitest";

const SECTOR_BYTES = 512;
/** More than the last sector that any table maps to. */
const DISK_BYTES = 64 << 20;

const vectors = kernelVectors().filter(({ record }) => record.dmTable !== undefined);

/** The table that the kernel had, with the key that was left out of the record. */
function tableOf({ record }: KernelVector): string {
  return record.dmTable!.replace("<keyHex>", record.keyHex);
}

/** First sector of the record's data on the disk. */
function startSector({ record }: KernelVector): number {
  return Number(record.dmTable!.split(" ")[7]);
}

/** Maps a table to a disk in memory, and runs `use` on what comes of it. */
async function withMapped(table: string, use: (device: MappedDevice, ram: RamDisk) => Promise<void>): Promise<void> {
  const engine = createNodeEngine();
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: new BlkCryptoFallback({ engine }) });
  const ram = new RamDisk(layer, { bytes: DISK_BYTES });
  const device = (name: string) => (name === "/dev/vda" ? ram.bdev : null);
  const mapper = new DeviceMapper({ layer, device, skcipherEngine: engine });
  const mapped = await mapper.create({ name: "secret", table });
  await use(mapped, ram);
  await mapped.remove();
  await ram.close();
  expect([layer.bioSet.inUse, layer.cryptCtxs.inUse]).toEqual([0, 0]);
}

/** Writes the plaintext, compares the disk with what the kernel wrote, and reads back. */
async function writeAndRead(vector: KernelVector, device: MappedDevice, ram: RamDisk): Promise<void> {
  const plaintext = vector.plaintext();
  await device.bdev.write(0, plaintext);
  const medium = new Uint8Array(plaintext.length);
  ram.readMedium(startSector(vector) * SECTOR_BYTES, medium);
  assertCiphertext(vector, medium);
  const back = new Uint8Array(plaintext.length);
  await device.bdev.read(0, back);
  expect(Buffer.compare(back, plaintext)).toBe(0);
}

describe("tables of dm-crypt", () => {
  it("there are 72", () => expect(vectors).toHaveLength(72));

  it.each(vectors)("write and read what the kernel wrote: $id", async (vector) => {
    await withMapped(tableOf(vector), (device, ram) => writeAndRead(vector, device, ram));
  });

  it.each(vectors.slice(0, 8))("read what the kernel left on the disk: $id", async (vector) => {
    const plaintext = vector.plaintext();
    const ciphertext = new Uint8Array(plaintext.length);
    await withMapped(tableOf(vector), async (device, ram) => {
      await device.bdev.write(0, plaintext);
      ram.readMedium(startSector(vector) * SECTOR_BYTES, ciphertext);
    });
    assertCiphertext(vector, ciphertext);
    await withMapped(tableOf(vector), async (device, ram) => {
      await ram.bdev.write(startSector(vector) * SECTOR_BYTES, ciphertext);
      const back = new Uint8Array(plaintext.length);
      await device.bdev.read(0, back);
      expect(Buffer.compare(back, plaintext)).toBe(0);
    });
  });
});

/** The same in a table of inlinecrypt: it has one cipher, and counts data units, not sectors. */
function inlinecryptTableOf(vector: KernelVector): string | null {
  const [start, sectors, , cipher, , ivOffset, device, first, count, ...options] = tableOf(vector).split(" ");
  if (cipher !== "aes-xts-plain64") return null;
  if (vector.dunStep !== 1n) return null;
  const rest = count === undefined ? "" : ` ${count} ${options.join(" ")}`;
  return `${start} ${sectors} inlinecrypt ${cipher} ${vector.record.keyHex} ${ivOffset} ${device} ${first}${rest}`;
}

describe("tables of inlinecrypt", () => {
  const covered = vectors.filter((vector) => inlinecryptTableOf(vector) !== null);

  it("cover AES-256-XTS in every sector size", () => {
    expect(new Set(covered.map(({ dataUnitSize }) => dataUnitSize))).toEqual(new Set([512, 1024, 2048, 4096]));
  });

  it.each(covered)("[DM-26] [DM-27] write and read what dm-crypt wrote: $id", async (vector) => {
    await withMapped(inlinecryptTableOf(vector)!, (device, ram) => writeAndRead(vector, device, ram));
  });
});

import { BlockLayer, SECTOR_BYTES, Volume } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { runUntilSettled, SeededRandom, SimDisk } from "@inlinecrypt/blk-sim";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { expect, it } from "vitest";

it("software encryption above software encryption never waits for itself, however little there is", async () => {
  const executor = new SimExecutor();
  const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine(), bounceCount: 1, readCount: 1 });
  const layer = new BlockLayer({ executor, cryptoFallback });
  const disk = new SimDisk(layer, { bytes: 64 * SECTOR_BYTES, random: new SeededRandom(1) });
  const dm = new DeviceMapper({ layer, device: () => disk.bdev });
  const table = `0 64 inlinecrypt aes-xts-plain64 ${"5a".repeat(32)}${"a5".repeat(32)} 0 sim0 0`;
  const { bdev } = await dm.create({ name: "dm", table });
  const key = new BlkCryptoKey({
    mode: "AES-256-XTS",
    bytes: new SeededRandom("key").fill(new Uint8Array(64)),
    dataUnitBytes: 512,
    dunBytes: 8,
  });
  blkCryptoStartUsingKey(bdev, key);
  const volume = new Volume(bdev, { key, firstDun: 0n });
  const data = new SeededRandom("data").fill(new Uint8Array(64 * SECTOR_BYTES));
  const back = new Uint8Array(data.length);

  await runUntilSettled(executor, volume.write(0, data));
  await runUntilSettled(executor, volume.read(0, back));

  expect(Buffer.compare(back, data)).toBe(0);
  await runUntilSettled(executor, blkCryptoEvictKey(bdev, key));
  await runUntilSettled(executor, dm[Symbol.asyncDispose]());
});

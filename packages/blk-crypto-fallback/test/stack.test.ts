import { setTimeout as sleep } from "node:timers/promises";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { createNodeWorkerEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { ciphertextOf, expectNoLeaks, MODES, makeKey, makeRig, pattern, WatchedEngine } from "./support.ts";

describe("any block device", () => {
  it.each([512, 4096])(
    "[FB-1] [INT-1] [INT-3] a RAM disk holds ciphertext, memory plaintext: %i",
    async (dataUnitBytes) => {
      const fallback = new BlkCryptoFallback({ engine: new WatchedEngine() });
      const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: fallback });
      await using disk = new RamDisk(layer, { bytes: 1 << 20 });
      using key = makeKey(1, { dataUnitBytes });
      blkCryptoStartUsingKey(disk.bdev, key);
      const volume = new Volume(disk.bdev, { key, firstDun: 100n });
      const data = pattern(65536);
      await volume.write(32768, data);
      const medium = new Uint8Array(65536);
      disk.readMedium(32768, medium);
      expect(medium).toEqual(ciphertextOf(data, key, 100n + BigInt(32768 / dataUnitBytes)));
      const back = new Uint8Array(65536);
      await volume.read(32768, back);
      expect(back).toEqual(data);
      await blkCryptoEvictKey(disk.bdev, key);
      fallback[Symbol.dispose]();
    },
  );

  it("[FB-20] [FB-22] worker threads compute large I/O, and the medium is the oracle's", async () => {
    await using engine = createNodeWorkerEngine({ workerCount: 2 });
    using fallback = new BlkCryptoFallback({ engine, slotCount: 2 });
    const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: fallback });
    await using disk = new RamDisk(layer, { bytes: 4 << 20 });
    const keys = MODES.map((mode, nth) => makeKey(nth, { mode, dataUnitBytes: 4096 }));
    const volumes = keys.map((key) => new Volume(disk.bdev, { key }));
    for (const key of keys) blkCryptoStartUsingKey(disk.bdev, key);
    // Until a thread has started, the event loop computes; nothing but the cipher tells.
    const cipher = engine.alloc("xts(aes)");
    while (!cipher.offloads(1 << 20)) await sleep(5);

    const data = pattern(1 << 20);
    const written = volumes.map((volume, nth) => volume.write(nth << 20, data));
    await Promise.resolve();
    expect(fallback.slotTable().map((slot) => slot.references)).toEqual([1, 1]);
    await Promise.all(written);
    const medium = new Uint8Array(8192);
    for (const [nth, key] of keys.entries()) {
      disk.readMedium((nth << 20) + 4096, medium);
      const dun = BigInt((nth << 20) / 4096 + 1);
      expect(medium).toEqual(ciphertextOf(data.subarray(4096, 12288), key, dun));
    }
    const back = volumes.map(() => new Uint8Array(data.length));
    await Promise.all(volumes.map((volume, nth) => volume.read(nth << 20, back[nth]!)));
    for (const each of back) expect(Buffer.compare(each, data)).toBe(0);
    for (const key of keys) await blkCryptoEvictKey(disk.bdev, key);
  });

  it("[FB-19] merges, splits and requests are those of plain I/O", () => {
    const logs = [makeKey(), null].map((key) => {
      const rig = makeRig({ mq: { limits: { maxSectors: 40, maxSegments: 8 } } }, key);
      rig.layer.startPlug();
      for (let nth = 0; nth < 8; nth++) rig.write(pattern(4096), { sector: nth * 8, dun: BigInt(nth * 8), key });
      rig.layer.finishPlug();
      const parts = Array.from({ length: 20 }, () => pattern(2048));
      rig.write(parts, { sector: 256, key });
      rig.read(parts, { sector: 256, key });
      rig.executor.runUntilIdle();
      expectNoLeaks(rig);
      return rig.disk.log;
    });
    expect(logs[0]).toEqual(logs[1]);
    expect(logs[0]).toContain("WRITE 0+40");
  });
});

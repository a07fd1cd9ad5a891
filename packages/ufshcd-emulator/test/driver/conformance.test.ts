import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { cryptDevice } from "./support/crypt-device.js";
import { makeKey } from "./support/keys.js";

for (const transferRequests of [32, 3]) {
  blockDeviceSuite(`a UFS disk with ${transferRequests} slots`, {
    discardZeroes: true,
    randomRuns: 60,
    async setup({ readOnly }) {
      const layer = new BlockLayer({ executor: new HostExecutor() });
      const medium = new MemoryMedium(MIN_DEVICE_BYTES);
      const disk = await createUfsDisk({ layer, backing: medium, readOnly, transferRequests });
      return {
        layer,
        bdev: disk.bdev,
        readMedium: (byteOffset, into) => into.set(medium.data.subarray(byteOffset, byteOffset + into.length)),
        teardown: () => disk.close(),
      };
    },
  });
}

blockDeviceSuite("an encrypted UFS disk", {
  discardZeroes: false,
  randomRuns: 60,
  async setup({ readOnly }) {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const disk = await createUfsDisk({
      layer,
      engine: createNodeEngine(),
      bytes: MIN_DEVICE_BYTES,
      readOnly,
      keyslots: 1,
    });
    const key = makeKey();
    blkCryptoStartUsingKey(disk.bdev, key);
    const bdev = cryptDevice(new Volume(disk.bdev, { key, firstDun: 2n ** 40n - 3n }));
    return {
      layer,
      bdev,
      async teardown() {
        await bdev.disk.close();
        await disk.bdev.disk.close();
        await blkCryptoEvictKey(disk.bdev, key);
        await disk.close();
      },
    };
  },
});

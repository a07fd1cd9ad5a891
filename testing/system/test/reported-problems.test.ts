import {
  BlkError,
  BlkStatus,
  type BlockDevice,
  BlockLayer,
  HostExecutor,
  newDun,
  ReqOp,
  statusToErrno,
  submitBioWait,
  Volume,
} from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";
import { ModelFileSystem } from "./support/model-file-system.js";

/** Problems that people reported against the kernel, on whole stacks; the checklist's section 11 says who, when and where. */

const newLayer = (): BlockLayer =>
  new BlockLayer({
    executor: new HostExecutor(),
    cryptoFallback: new BlkCryptoFallback({ engine: createNodeEngine() }),
  });

const newKey = (seed: number, dataUnitBytes = 4096): BlkCryptoKey =>
  new BlkCryptoKey({ mode: "AES-256-XTS", bytes: noise(64, seed), dataUnitBytes, dunBytes: 8 });

/** A write or read of some memory vectors with a context from DUN 0; resolves with its status. */
async function io(bdev: BlockDevice, op: number, key: BlkCryptoKey, vecs: readonly Uint8Array[]): Promise<BlkStatus> {
  const bio = bdev.queue.layer.bioSet.tryAlloc(bdev, op)!;
  for (const vec of vecs) bio.addBuffer(vec);
  bio.setCryptCtx(key, newDun(0n));
  const status = await submitBioWait(bio);
  bio.put();
  return status;
}

describe("a key that has gone is never looked at again", () => {
  it("[CORE-33] [PROF-24] [API-15] evicted and wiped in the callback of its last I/O, though the hardware is reset later", async () => {
    const disk = new InlineDisk(newLayer(), { bytes: 65536 });
    const device = disk.disk.part0;
    const [key, other] = [newKey(1), newKey(2)];
    blkCryptoStartUsingKey(device, key);
    const bio = device.queue.layer.bioSet.tryAlloc(device, ReqOp.WRITE)!;
    bio.addBuffer(noise(4096, 3));
    bio.setCryptCtx(key, newDun(0n));
    const evicted = new Promise<void>((resolve) => {
      bio.onEndIo = () => {
        void blkCryptoEvictKey(device, key).then(() => {
          key.wipe();
          resolve();
        });
        bio.put();
      };
    });
    device.queue.layer.submitBio(bio);
    await evicted;

    await io(device, ReqOp.WRITE, other, [noise(4096, 4)]);
    await disk.profile.reprogramAllKeys();
    expect(disk.calls.map(({ op, args }) => [op, args[0] === key])).toEqual([
      ["keyslotProgram", true],
      ["keyslotEvict", true],
      ["keyslotProgram", false],
      ["keyslotProgram", false],
    ]);
  });

  it("[PROF-22] [API-13] [API-15] evicted by hardware that failed, wiped, and the hardware reset", async () => {
    const disk = new InlineDisk(newLayer(), { bytes: 65536 });
    const device = disk.disk.part0;
    const key = newKey(1);
    blkCryptoStartUsingKey(device, key);
    await io(device, ReqOp.WRITE, key, [noise(4096, 3)]);
    disk.evictionError = new BlkError("EIO", "test", "the engine does not answer");
    await expect(blkCryptoEvictKey(device, key)).resolves.toBeUndefined();
    key.wipe();
    disk.calls.length = 0;
    await disk.profile.reprogramAllKeys();
    expect(disk.calls).toEqual([]);
  });
});

describe("hardware with one data unit size", () => {
  it.each([
    [512, 4096],
    [4096, 512],
  ])(
    "[API-8] [PROF-4] of %i serves file systems with larger blocks; the fallback serves units of %i",
    async (native, other) => {
      const disk = new InlineDisk(newLayer(), { bytes: 1 << 20, dataUnits: native });
      const device = disk.disk.part0;
      const fs = new ModelFileSystem([device], 4096);
      const content = noise(8192, 5);
      for (const [i, dataUnitBytes] of [native, other].entries()) {
        const nonce = noise(16, i);
        const file = { policy: "v2-per-file", masterKey: noise(64, 6), contentsMode: 1, uuid: "", nonce } as const;
        const inode = fs.open({ ...file, inodeNumber: 7 + i }, dataUnitBytes);
        expect(blkCryptoConfigSupportedNatively(device, inode.key)).toBe(dataUnitBytes === native);
        expect(await fs.submitRun(device, ReqOp.WRITE, inode, 3, 16 * i, content)).toBe(BlkStatus.OK);
        const expected = inode.key.withBytes((bytes) =>
          referenceEncrypt("xts(aes)", bytes, dataUnitBytes, BigInt((3 * 4096) / dataUnitBytes), content),
        );
        expect(firstDifference(disk.medium.subarray(65536 * i, 65536 * i + 8192), expected)).toBe(-1);
      }
      expect(disk.requests.map(({ crypt }) => crypt?.dataUnitBytes ?? null)).toEqual([native, null]);
      await fs.unmount();
    },
  );
});

describe("direct I/O that is not aligned to the data unit", () => {
  const devices: readonly [string, () => BlockDevice][] = [
    ["hardware", () => new InlineDisk(newLayer(), { bytes: 65536 }).disk.part0],
    ["the fallback", () => new RamDisk(newLayer(), { bytes: 65536 }).bdev],
  ];
  const memory: readonly [string, () => Uint8Array[]][] = [
    ["vectors shorter than a unit", () => [new Uint8Array(512), new Uint8Array(3584)]],
    ["one vector shorter than a unit", () => [new Uint8Array(512)]],
  ];
  const cases = devices.flatMap(([where, make]) =>
    memory.flatMap(([what, vecs]) => [ReqOp.READ, ReqOp.WRITE].map((op) => ({ where, make, what, vecs, op }))),
  );

  it.each(cases)("[INT-9] fails with EINVAL, not EIO: $what, operation $op, $where", async ({ make, vecs, op }) => {
    const device = make();
    const key = newKey(1);
    blkCryptoStartUsingKey(device, key);
    const status = await io(device, op, key, vecs());
    expect([status, statusToErrno(status)]).toEqual([BlkStatus.INVAL, "EINVAL"]);
  });

  it.each(devices)("[INT-9] fails with EINVAL on a volume, at odd offsets and lengths: %s", async (_where, make) => {
    const device = make();
    const key = newKey(1);
    blkCryptoStartUsingKey(device, key);
    const volume = new Volume(device, { key });
    const invalid = expect.objectContaining({ code: "EINVAL" });
    await expect(volume.read(512, new Uint8Array(4096))).rejects.toEqual(invalid);
    await expect(volume.write(4096, new Uint8Array(4096 + 512))).rejects.toEqual(invalid);
  });
});

it("[FB-11] tracepoints tell of every part of a write that the fallback cut", async () => {
  const layer = newLayer();
  await using ram = new RamDisk(layer, { bytes: 4 << 20 });
  const seen: string[] = [];
  layer.tracepoints.blockBioQueue.subscribe((bio) => seen.push(`queue ${bio.sector}+${bio.sectors}`));
  layer.tracepoints.blockBioComplete.subscribe(() => seen.push("complete"));
  const key = newKey(1);
  blkCryptoStartUsingKey(ram.bdev, key);
  expect(await io(ram.bdev, ReqOp.WRITE, key, [noise(3 << 20, 2)])).toBe(BlkStatus.OK);
  expect(seen).toEqual(["queue 0+2048", "complete", "queue 2048+2048", "complete", "queue 4096+2048", "complete"]);
});

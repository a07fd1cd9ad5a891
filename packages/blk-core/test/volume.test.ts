import {
  BIO_CHUNK_BYTES,
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  BlockLayer,
  dunToBigInt,
  GenDisk,
  opOf,
  type QueueLimits,
  ReqOp,
  submitBioWait,
  Volume,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { describe, expect, it } from "vitest";
import { FakeProfile, fakeKey } from "./support.js";

/** A request-based memory disk that notes the DUN of each request. */
function memoryDisk(limits: Partial<QueueLimits> = {}, readOnly = false) {
  const layer = new BlockLayer({ executor: new SimExecutor(), maxBios: 16 });
  const medium = new Uint8Array(4 * 1024 * 1024);
  const log: string[] = [];
  const segments = new BioSegments();
  let fail = (_rq: BlkRequest): BlkStatus => BlkStatus.OK;
  const queueRq = (rq: BlkRequest): BlkStatus => {
    const dun = rq.cryptCtx === null ? "" : ` dun ${dunToBigInt(rq.cryptCtx.dun)}`;
    log.push(`${opOf(rq.opf)}:${rq.sector}+${rq.sectors}${dun}`);
    const status = fail(rq);
    if (status !== BlkStatus.OK) return status;
    let at = rq.sector * 512;
    if (opOf(rq.opf) === ReqOp.WRITE_ZEROES) medium.fill(0, at, at + rq.bytes);
    segments.start(opOf(rq.opf) <= ReqOp.WRITE ? rq.bio : null);
    while (segments.next()) {
      const memory = segments.data.subarray(segments.offset, segments.offset + segments.bytes);
      if (opOf(rq.opf) === ReqOp.WRITE) medium.set(memory, at);
      else memory.set(medium.subarray(at, at + memory.length));
      at += memory.length;
    }
    rq.complete(BlkStatus.OK);
    return BlkStatus.OK;
  };
  const queue = new BlkMqQueue(layer, { ops: { queueRq }, limits });
  const disk = new GenDisk({ name: "mem0", queue, sectorCount: medium.length / 512, readOnly });
  /** Fails the requests that `fails` names, or all. */
  const failWith = (status: BlkStatus, fails: (rq: BlkRequest) => boolean = () => true): void => {
    fail = (rq) => (fails(rq) ? status : BlkStatus.OK);
  };
  return { layer, disk, queue, bdev: disk.part0, medium, log, failWith };
}

const pattern = (bytes: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed) & 255);

describe("BlockDevice promises", () => {
  it("write, read, zero, discard, flush", async () => {
    const rig = memoryDisk({ maxWriteZeroesSectors: 1 << 20, maxDiscardSectors: 64, writeCache: true });
    const data = pattern(3 * BIO_CHUNK_BYTES + 512);
    await rig.bdev.write(512, data, { fua: true });
    const back = new Uint8Array(data.length);
    await rig.bdev.read(512, back);
    expect(Buffer.compare(back, data)).toBe(0);
    await rig.bdev.writeZeroes(512, 1024);
    await rig.bdev.read(512, back.subarray(0, 1024));
    expect(back.subarray(0, 1024).every((byte) => byte === 0)).toBe(true);
    rig.log.length = 0;
    await rig.bdev.discard(0, 65536);
    await rig.bdev.flush();
    expect(rig.log).toEqual(["3:0+64", "3:64+64", "2:0+0"]);
    expect(rig.layer.bioSet.inUse).toBe(0);
  });

  it("writes zeroes as data when the device has no such command", async () => {
    const rig = memoryDisk();
    rig.medium.fill(7);
    await rig.bdev.writeZeroes(1024, BIO_CHUNK_BYTES + 1024);
    expect(rig.medium.subarray(1024, BIO_CHUNK_BYTES + 2048).every((byte) => byte === 0)).toBe(true);
    expect([rig.medium[1023], rig.medium[BIO_CHUNK_BYTES + 2048]]).toEqual([7, 7]);
    rig.medium.fill(7);
    await expect(rig.bdev.writeZeroes(0, rig.bdev.bytes + 512)).rejects.toMatchObject({ code: "EINVAL" });
    expect(rig.medium[0], "nothing is zeroed when the range is bad").toBe(7);
  });

  it("writes zeroes as data when the device takes no whole block of them, or refuses the command", async () => {
    const small = memoryDisk({ logicalBlockBytes: 4096, maxWriteZeroesSectors: 4 });
    const refusing = memoryDisk({ maxWriteZeroesSectors: 1 << 20 });
    const isCommand = (rq: BlkRequest): boolean => opOf(rq.opf) === ReqOp.WRITE_ZEROES;
    refusing.failWith(BlkStatus.NOTSUPP, isCommand);
    for (const rig of [small, refusing]) {
      rig.medium.fill(7);
      await rig.bdev.writeZeroes(4096, 8192);
      expect(rig.medium.subarray(4096, 12288).every((byte) => byte === 0)).toBe(true);
    }
    refusing.failWith(BlkStatus.MEDIUM, isCommand);
    await expect(refusing.bdev.writeZeroes(0, 4096)).rejects.toMatchObject({ code: "ENODATA" });
  });

  it("refuse bad ranges, read-only writes, and say what the device said", async () => {
    const rig = memoryDisk({ logicalBlockBytes: 4096 });
    const block = new Uint8Array(4096);
    await expect(rig.bdev.read(512, block)).rejects.toMatchObject({ code: "EINVAL", message: /multiples of 4096/ });
    await expect(rig.bdev.read(0, block.subarray(1))).rejects.toMatchObject({ code: "EINVAL" });
    await expect(rig.bdev.read(rig.bdev.bytes, block)).rejects.toMatchObject({ code: "EINVAL", message: /outside/ });
    await expect(rig.bdev.write(-4096, block)).rejects.toMatchObject({ code: "EINVAL" });
    await expect(rig.bdev.read(Number.NaN, block)).rejects.toMatchObject({ code: "EINVAL" });
    await expect(rig.bdev.discard(0, 4096)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    rig.failWith(BlkStatus.MEDIUM);
    await expect(rig.bdev.read(0, block)).rejects.toMatchObject({ code: "ENODATA", message: /read at byte 0/ });
    const readOnly = memoryDisk({}, true);
    await expect(readOnly.bdev.write(0, block)).rejects.toMatchObject({ code: "EPERM", message: /read-only/ });
    await expect(readOnly.bdev.writeZeroes(0, 512)).rejects.toMatchObject({ code: "EPERM" });
    await readOnly.bdev.flush();
  });

  it("name what failed, and where", async () => {
    const rig = memoryDisk({ maxDiscardSectors: 2 ** 22, maxWriteZeroesSectors: 2 ** 22, writeCache: true });
    rig.failWith(BlkStatus.MEDIUM, (rq) => opOf(rq.opf) === ReqOp.FLUSH || rq.sector >= BIO_CHUNK_BYTES / 512);
    const data = new Uint8Array(2 * BIO_CHUNK_BYTES);
    const { bdev } = rig;
    for (const [operation, what] of [
      [() => bdev.write(512, data), `write at byte ${512 + BIO_CHUNK_BYTES}`],
      [() => bdev.read(512, data), `read at byte ${512 + BIO_CHUNK_BYTES}`],
      [() => bdev.writeZeroes(BIO_CHUNK_BYTES, 512), `write zeroes at byte ${BIO_CHUNK_BYTES}`],
      [() => bdev.discard(BIO_CHUNK_BYTES, 512), `discard at byte ${BIO_CHUNK_BYTES}`],
      [() => bdev.flush(), "flush"],
    ] as const) {
      await expect(operation()).rejects.toThrow(`mem0: ${what} ended with MEDIUM (ENODATA)`);
    }
  });

  it("have a size in whole logical blocks", () => {
    const rig = memoryDisk({ logicalBlockBytes: 4096 });
    expect(() => new GenDisk({ name: "odd", queue: rig.queue, sectorCount: 9 })).toThrow(
      /odd: sector count 9.*multiple of 8/,
    );
  });

  it("submitBioWait leaves the bio to the caller", async () => {
    const rig = memoryDisk();
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.READ)!;
    bio.addBuffer(new Uint8Array(512));
    expect(await submitBioWait(bio)).toBe(BlkStatus.OK);
    expect(rig.layer.bioSet.inUse).toBe(1);
    bio.put();
  });
});

describe("Volume", () => {
  it("gives every bio the DUN of its place", async () => {
    const rig = memoryDisk({ maxSectors: 64 });
    rig.queue.registerCryptoProfile(new FakeProfile());
    const volume = new Volume(rig.bdev, { key: fakeKey(4096), firstDun: 1000n });
    await volume.write(8192, pattern(40960));
    expect(rig.log).toEqual(["1:16+64 dun 1002", "1:80+16 dun 1010"]);
    rig.log.length = 0;
    await volume.read(4096, new Uint8Array(4096));
    expect(rig.log).toEqual(["0:8+8 dun 1001"]);
    expect(volume.blockBytes).toBe(4096);
    await expect(volume.read(512, new Uint8Array(512))).rejects.toMatchObject({ code: "EINVAL" });
    expect(rig.layer.cryptCtxs.inUse).toBe(0);
  });

  it("waits for a context when other bios of the layer hold all", async () => {
    const rig = memoryDisk();
    rig.queue.registerCryptoProfile(new FakeProfile());
    const { bioSet, cryptCtxs } = rig.layer;
    const volume = new Volume(rig.bdev, { key: fakeKey(4096) });
    let taken = 0;
    while (cryptCtxs.tryTake()) taken++;
    const written = volume.write(0, pattern(4096));
    await new Promise((resolve) => setImmediate(resolve));
    expect([rig.log, bioSet.inUse]).toEqual([[], 1]);
    for (; taken > 0; taken--) cryptCtxs.giveBack();
    await written;
    expect([rig.log, bioSet.inUse, cryptCtxs.inUse]).toEqual([["1:0+8 dun 0"], 0, 0]);
  });

  it("[INT-8] zeroes an encrypted range with data, a plain one with the device's command", async () => {
    const rig = memoryDisk({ maxWriteZeroesSectors: 1 << 20 });
    rig.queue.registerCryptoProfile(new FakeProfile());
    await new Volume(rig.bdev, { key: fakeKey(4096) }).writeZeroes(0, 8192);
    await new Volume(rig.bdev).writeZeroes(0, 8192);
    expect(rig.log).toEqual(["1:0+16 dun 0", "9:0+16"]);
  });

  it("discards and flushes without context", async () => {
    const rig = memoryDisk({ maxDiscardSectors: 1 << 20, writeCache: true });
    rig.queue.registerCryptoProfile(new FakeProfile());
    const volume = new Volume(rig.bdev, { key: fakeKey(4096) });
    await volume.discard(4096, 4096);
    await volume.flush();
    expect(rig.log).toEqual(["3:8+8", "2:0+0"]);
    expect(volume.bytes).toBe(rig.bdev.bytes);
  });

  it("refuses a device of broken data units and DUNs the key cannot hold", () => {
    const rig = memoryDisk();
    const odd = rig.disk.partition("odd", 0, 12);
    expect(() => new Volume(odd, { key: fakeKey(4096) })).toThrow(
      /odd: 6144 bytes are not a multiple of the data unit of 4096/,
    );
    const units = BigInt(rig.bdev.bytes / 4096);
    const key = fakeKey(4096, 4);
    expect(new Volume(rig.bdev, { key, firstDun: 2n ** 32n - units }).key).toBe(key);
    expect(() => new Volume(rig.bdev, { key, firstDun: 2n ** 32n - units + 1n })).toThrow(
      /DUN 4294967296 does not fit/,
    );
    const empty = rig.disk.partition("empty", 0, 0);
    for (const [bdev, firstDun, message] of [
      [rig.bdev, -1n, "mem0: firstDun is -1, expected 0 or more (EINVAL)"],
      [rig.bdev, 2n ** 256n, "does not fit the key's 32 DUN bytes (EINVAL)"],
      [empty, 2n ** 256n, "does not fit the key's 32 DUN bytes (EINVAL)"],
    ] as const) {
      expect(() => new Volume(bdev, { key: fakeKey(4096, 32), firstDun })).toThrow(message);
    }
  });
});

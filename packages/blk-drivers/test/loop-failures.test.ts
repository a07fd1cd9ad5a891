import { BlkStatus, ReqFlag, ReqOp, submitBioWait } from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { openRefusal } from "../src/loop-file.js";
import { type LoopIo, nodeLoopIo, type OperationDone, type TransferDone } from "../src/loop-io.js";
import { type FailingLoop, newFailingLoop, systemError } from "./failing-loop.js";

const MIB = 2 ** 20;
let loop: FailingLoop | null = null;

async function start(replaced: Partial<LoopIo>, punches = true): Promise<FailingLoop> {
  loop = await newFailingLoop(replaced, punches);
  return loop;
}

afterEach(async () => {
  expect(loop?.bdev.queue.inFlight).toBe(0);
  expect(loop?.layer.bioSet.inUse).toBe(0);
  await loop?.cleanUp();
});

function bytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}

/** One bio over several vectors, so that the vectored calls are used. */
async function transfer(device: FailingLoop, op: number, data: Uint8Array, vecBytes: number): Promise<BlkStatus> {
  const bio = await device.layer.bioSet.alloc(device.bdev, op);
  for (let done = 0; done < data.length; done += vecBytes)
    bio.addBuffer(data, done, Math.min(vecBytes, data.length - done));
  const status = await submitBioWait(bio);
  bio.put();
  return status;
}

async function flush(device: FailingLoop, flags: number = ReqFlag.PREFLUSH): Promise<BlkStatus> {
  const bio = await device.layer.bioSet.alloc(device.bdev, ReqOp.WRITE | flags);
  const status = await submitBioWait(bio);
  bio.put();
  return status;
}

describe("short transfers", () => {
  // Every call does at most this much: below, at and across vector boundaries.
  it.each([37, 511, 1000, 4096, 5000])("of at most %i bytes go on where they stopped", async (most) => {
    const device = await start({
      read: (fd, into, offset, count, position, done) =>
        nodeLoopIo.read(fd, into, offset, Math.min(count, most), position, done),
      write: (fd, from, offset, count, position, done) =>
        nodeLoopIo.write(fd, from, offset, Math.min(count, most), position, done),
      readv: (fd, into, position, done) =>
        nodeLoopIo.read(fd, into[0]!, 0, Math.min(into[0]!.length, most), position, done),
      writev: (fd, from, position, done) =>
        nodeLoopIo.write(fd, from[0]!, 0, Math.min(from[0]!.length, most), position, done),
    });
    const data = bytes(3 * 4096);
    for (const vecBytes of [data.length, 4096, 1024]) {
      expect(await transfer(device, ReqOp.WRITE, data, vecBytes)).toBe(BlkStatus.OK);
      const back = new Uint8Array(data.length);
      expect(await transfer(device, ReqOp.READ, back, vecBytes)).toBe(BlkStatus.OK);
      sameBytes(back, data);
    }
  });

  it("a write that gets nowhere ends with IOERR instead of turning for ever", async () => {
    let calls = 0;
    const device = await start({
      write: (_fd, _from, _offset, count, _position, done) => {
        calls++;
        done(null, calls === 1 ? count / 2 : 0);
      },
    });
    expect(await transfer(device, ReqOp.WRITE, bytes(1024), 1024)).toBe(BlkStatus.IOERR);
    expect(calls).toBe(2);
  });

  it("a read behind the end of a file that was cut ends with IOERR, and no old memory passes for data", async () => {
    const device = await start({});
    await device.bdev.write(0, bytes(8192));
    await device.file.handle.truncate(5000);
    const back = bytes(8192).fill(0xee);
    expect(await transfer(device, ReqOp.READ, back, 2048)).toBe(BlkStatus.IOERR);
    const expected = bytes(8192).fill(0, 5000);
    sameBytes(back, expected);
  });
});

describe("errors of the operating system", () => {
  it.each<[string, BlkStatus]>([
    ["ENOSPC", BlkStatus.NOSPC],
    ["EIO", BlkStatus.IOERR],
    ["ENODEV", BlkStatus.OFFLINE],
    ["EDQUOT", BlkStatus.IOERR],
  ])("%s ends the request with its status, and the next one works", async (code, status) => {
    let failures = 4;
    const failing =
      <Call extends (...args: never[]) => void>(call: Call) =>
      (...args: Parameters<Call>): void => {
        if (failures === 0) return call(...args);
        failures--;
        const done = args.at(-1) as unknown as TransferDone;
        setImmediate(done, systemError(code), 0);
      };
    const device = await start({
      read: failing(nodeLoopIo.read),
      readv: failing(nodeLoopIo.readv),
      write: failing(nodeLoopIo.write),
      writev: failing(nodeLoopIo.writev),
    });
    const data = bytes(4096);
    expect(await transfer(device, ReqOp.WRITE, data, 4096)).toBe(status);
    expect(await transfer(device, ReqOp.WRITE, data, 1024)).toBe(status);
    expect(await transfer(device, ReqOp.READ, data, 4096)).toBe(status);
    expect(await transfer(device, ReqOp.READ, data, 1024)).toBe(status);
    const back = new Uint8Array(4096);
    expect(await transfer(device, ReqOp.WRITE, data, 4096)).toBe(BlkStatus.OK);
    expect(await transfer(device, ReqOp.READ, back, 1024)).toBe(BlkStatus.OK);
    sameBytes(back, data);
  });

  it("a full disk in the middle of a write ends all of it with NOSPC", async () => {
    const device = await start({
      write: (fd, from, offset, count, position, done) => {
        if (position > 0) return done(systemError("ENOSPC"), 0);
        nodeLoopIo.write(fd, from, offset, count / 2, position, done);
      },
    });
    await expect(device.bdev.write(0, bytes(8192))).rejects.toMatchObject({ code: "ENOSPC" });
  });

  it.each(["EINTR", "EAGAIN"])("%s is tried again, and again after progress, but not for ever", async (code) => {
    let calls = 0;
    let good = 17;
    const device = await start({
      write: (fd, from, offset, count, position, done) => {
        calls++;
        if (calls % good !== 0) setImmediate(done, systemError(code), 0);
        else nodeLoopIo.write(fd, from, offset, Math.min(count, 1024), position, done);
      },
    });
    expect(await transfer(device, ReqOp.WRITE, bytes(4096), 4096)).toBe(BlkStatus.OK);
    expect(calls).toBe(4 * 17);
    good = Number.POSITIVE_INFINITY;
    calls = 0;
    expect(await transfer(device, ReqOp.WRITE, bytes(4096), 4096)).not.toBe(BlkStatus.OK);
    expect(calls).toBe(17);
  });
});

describe("flushing", () => {
  it("is acknowledged only after fdatasync, which starts only after the writes before it have ended", async () => {
    const log: string[] = [];
    const device = await start({
      write: (fd, from, offset, count, position, done) =>
        nodeLoopIo.write(fd, from, offset, count, position, (error, written) => {
          log.push("written");
          done(error, written);
        }),
      fdatasync: (fd, done) => {
        log.push("sync starts");
        nodeLoopIo.fdatasync(fd, (error) => {
          log.push("synced");
          done(error);
        });
      },
    });
    await device.bdev.write(0, bytes(512));
    await device.bdev.flush();
    log.push("flushed");
    await device.bdev.write(0, bytes(512), { fua: true });
    log.push("FUA written");
    expect(log).toEqual([
      ...["written", "sync starts", "synced", "flushed"],
      ...["written", "sync starts", "synced", "FUA written"],
    ]);
  });

  it("runs one fdatasync at a time, and those who wait share the next", async () => {
    const syncs: OperationDone[] = [];
    const device = await start({ fdatasync: (_fd, done) => void syncs.push(done) });
    const first = flush(device);
    const others = Array.from({ length: 20 }, () => flush(device));
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toHaveLength(1);
    syncs.shift()!(null);
    expect(await first).toBe(BlkStatus.OK);
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toHaveLength(1);
    syncs.shift()!(null);
    expect(new Set(await Promise.all(others))).toEqual(new Set([BlkStatus.OK]));
    expect(syncs).toHaveLength(0);
  });

  it("that failed fails for everyone who waits, for everyone after, and is never tried again", async () => {
    let syncs = 0;
    const device = await start({
      fdatasync: (fd, done) => {
        syncs++;
        if (syncs === 1) setImmediate(done, systemError("EIO"));
        else nodeLoopIo.fdatasync(fd, done);
      },
    });
    const fuaWrite = device.bdev.write(0, bytes(512), { fua: true });
    const waiters = Array.from({ length: 5 }, () => flush(device));
    await expect(fuaWrite).rejects.toMatchObject({ code: "EIO" });
    expect(new Set(await Promise.all(waiters))).toEqual(new Set([BlkStatus.IOERR]));
    expect(await flush(device)).toBe(BlkStatus.IOERR);
    await expect(device.bdev.write(512, bytes(512), { fua: true })).rejects.toMatchObject({ code: "EIO" });
    expect(syncs).toBe(1);
    await device.bdev.write(0, bytes(512));
    await device.disk.close();
    await expect(device.backing.close()).rejects.toMatchObject({
      code: "EIO",
      message: expect.stringMatching(/disk\.img: fdatasync failed: writes since .* may be lost/),
    });
    expect(syncs).toBe(1);
    expect(device.file.handle.fd).toBe(-1);
  });

  it("happens on close when something was written since the last one, and only then", async () => {
    let syncs = 0;
    const counting: Partial<LoopIo> = {
      fdatasync: (fd, done) => {
        syncs++;
        nodeLoopIo.fdatasync(fd, done);
      },
    };
    const dirty = await start(counting);
    await dirty.bdev.write(0, bytes(512));
    await dirty.disk.close();
    await dirty.backing.close();
    expect(syncs).toBe(1);
    await dirty.cleanUp();
    const clean = await start(counting);
    await clean.bdev.write(0, bytes(512));
    await clean.bdev.flush();
    await clean.bdev.read(0, bytes(512));
    await clean.disk.close();
    await clean.backing.close();
    expect(syncs).toBe(2);
  });

  it("on close reports that it failed, and closes the file", async () => {
    const device = await start({ fdatasync: (_fd, done) => done(systemError("ENOSPC")) });
    await device.bdev.write(0, bytes(512));
    await device.disk.close();
    await expect(device.backing.close()).rejects.toMatchObject({ code: "EIO" });
    expect(device.file.handle.fd).toBe(-1);
  });
});

describe("holes", () => {
  it("that cannot be punched fail a discard, and are written as zeroes for write zeroes", async () => {
    const device = await start({ punchHole: (_fd, _offset, _count, done) => done(new Error("injected")) });
    await device.bdev.write(0, bytes(3 * MIB));
    await expect(device.bdev.discard(0, 4096)).rejects.toMatchObject({ code: "EIO" });
    await device.bdev.writeZeroes(512, 2 * MIB);
    const back = new Uint8Array(3 * MIB);
    await device.bdev.read(0, back);
    sameBytes(back, bytes(3 * MIB).fill(0, 512, 512 + 2 * MIB));
  });

  it("are punched for large ranges that may be unmapped, and for nothing else", async () => {
    const holes: [number, number][] = [];
    const device = await start({
      punchHole: (_fd, byteOffset, count, done) => {
        holes.push([byteOffset, count]);
        done(null);
      },
    });
    await device.bdev.writeZeroes(4096, 2 * MIB);
    await device.bdev.writeZeroes(4096, MIB);
    const bio = await device.layer.bioSet.alloc(device.bdev, ReqOp.WRITE_ZEROES | ReqFlag.NOUNMAP);
    bio.bytes = 2 * MIB;
    expect(await submitBioWait(bio)).toBe(BlkStatus.OK);
    bio.put();
    await device.bdev.discard(0, 512);
    expect(holes).toEqual([
      [4096, 2 * MIB],
      [0, 512],
    ]);
  });

  it("are punched four at a time, first come first served", async () => {
    const started: number[] = [];
    const ends: OperationDone[] = [];
    const device = await start({
      punchHole: (_fd, byteOffset, _count, done) => {
        started.push(byteOffset / 4096);
        ends.push(done);
      },
    });
    const discards = Promise.all(Array.from({ length: 11 }, (_, index) => device.bdev.discard(index * 4096, 4096)));
    for (let ended = 0; ended < 11; ended++) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(started).toEqual(Array.from({ length: Math.min(11, 4 + ended) }, (_, index) => index));
      ends[ended]!(null);
    }
    await discards;
  });

  it("are not offered where they cannot be punched", async () => {
    const device = await start({}, false);
    expect(device.bdev.queue.limits.maxDiscardSectors).toBe(0);
    await expect(device.bdev.discard(0, 4096)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await device.bdev.write(0, bytes(2 * MIB));
    await device.bdev.writeZeroes(0, 2 * MIB);
    const back = bytes(2 * MIB);
    await device.bdev.read(0, back);
    sameBytes(back, new Uint8Array(2 * MIB));
  });

  it("make the device dirty: close puts them on the medium", async () => {
    let syncs = 0;
    const device = await start({
      fdatasync: (fd, done) => {
        syncs++;
        nodeLoopIo.fdatasync(fd, done);
      },
    });
    await device.bdev.discard(0, 4096);
    await device.disk.close();
    await device.backing.close();
    expect(syncs).toBe(1);
  });
});

describe("refusals to open", () => {
  it.each([
    ["EACCES", /disk\.img cannot be read and written: no permission; .*read-only \(EACCES\)/],
    ["EROFS", /its file system is read-only; open it read-only \(EROFS\)/],
    ["ENOSPC", /its file system is full \(ENOSPC\)/],
    ["EFBIG", /does not take files of this size \(EFBIG\)/],
    ["EMFILE", /EMFILE: injected \(EIO\)/],
  ])("%s says what to do", async (code, message) => {
    await start({});
    const cause = systemError(code);
    const error = openRefusal("disk.img", "read and written", cause);
    expect(error.message).toMatch(message);
    expect(error.cause).toBe(cause);
  });

  it.each(["read", "opened", "created"])("a file that cannot be %s is not to be opened read-only", async (what) => {
    await start({});
    for (const code of ["EACCES", "EROFS"]) {
      expect(openRefusal("disk.img", what, systemError(code)).message).not.toContain("open it read-only");
    }
  });
});

import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fixture, pattern, settle, stopFixturesAfterEach } from "../support/fixture.js";
import { hex, RawClient, replyHex, requestHex, toHex } from "../support/raw-client.js";

stopFixturesAfterEach();

const MIB = 1 << 20;
const [READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES] = [0, 1, 3, 4, 5, 6] as const;
const [FUA, NO_HOLE, DF, FAST_ZERO] = [1, 2, 4, 16] as const;
const [EPERM, EIO, EINVAL, ENOSPC] = [1, 5, 22, 28] as const;

describe("requests", () => {
  it("reads and writes, byte for byte as the protocol says", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    client.send(`25609513 0000 0001 0102030405060708 0000000000000200 00000200 ${toHex(pattern(512))}`);
    expect(await client.readHex(16)).toBe("67446698000000000102030405060708");
    expect(fixture.disk.medium.subarray(512, 1024)).toEqual(pattern(512));
    client.send("25609513 0000 0000 1112131415161718 00000000000001ff 00000003");
    expect(await client.readHex(19)).toBe(`67446698000000001112131415161718 00${toHex(pattern(2))}`.replace(" ", ""));
  });

  it.each([
    ["4 KiB", 4096],
    ["a little more than is copied into a reply", 20_000],
    ["1 MiB", MIB],
    ["more than one bio", 3 * MIB + 512],
    ["as much as is allowed", 32 * MIB],
  ])("moves %s", async (_what, bytes) => {
    const fixture = await Fixture.start({ disk: { bytes: 33 * MIB } });
    const client = await fixture.raw();
    const data = pattern(bytes, 3);
    expect((await client.request({ type: WRITE, offset: 4096, bytes }, data)).error).toBe(0);
    expect(Buffer.compare(fixture.disk.medium.subarray(4096, 4096 + bytes), data)).toBe(0);
    const read = await client.request({ type: READ, offset: 4096, bytes }, undefined, bytes);
    expect(Buffer.compare(read.data, data)).toBe(0);
  });

  it("does nothing, successfully, for length 0", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    for (const type of [READ, WRITE, TRIM, WRITE_ZEROES]) {
      expect(await client.request({ type, offset: 77, bytes: 0 })).toMatchObject({ error: 0 });
      expect(await client.request({ type, offset: MIB, bytes: 0 })).toMatchObject({ error: 0 });
    }
    expect(fixture.disk.seen).toEqual([]);
  });

  it("flushes, and passes FUA on", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    await client.request({ type: FLUSH });
    expect(fixture.disk.seen).toEqual([expect.objectContaining({ op: ReqOp.FLUSH })]);
    await client.request({ type: WRITE, flags: FUA, offset: 512, bytes: 512 }, pattern(512));
    expect(fixture.disk.seen[1]).toMatchObject({ op: ReqOp.WRITE, fua: true, offset: 512 });
    await client.request({ type: WRITE, offset: 512, bytes: 512 }, pattern(512));
    expect(fixture.disk.seen[2]).toMatchObject({ op: ReqOp.WRITE, fua: false });
    await client.request({ type: WRITE_ZEROES, flags: FUA, offset: 0, bytes: 512 });
    expect(fixture.disk.seen.slice(3).map(({ op }) => op)).toEqual([ReqOp.WRITE_ZEROES, ReqOp.FLUSH]);
    await client.request({ type: TRIM, flags: FUA, offset: 0, bytes: 512 });
    expect(fixture.disk.seen.slice(5).map(({ op }) => op)).toEqual([ReqOp.DISCARD, ReqOp.FLUSH]);
    expect((await client.request({ type: READ, flags: FUA, bytes: 1 }, undefined, 1)).error).toBe(0);
  });

  it("trims whole blocks and leaves the edges alone", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    await client.request({ type: TRIM, offset: 100, bytes: 2000 });
    await client.request({ type: TRIM, offset: 4097, bytes: 510 });
    expect(fixture.disk.seen).toEqual([expect.objectContaining({ op: ReqOp.DISCARD, offset: 512, bytes: 1536 })]);
  });

  it("zeroes with the device's own command, whole blocks only, keeping holes out when told to", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    fixture.disk.medium.fill(0xaa);
    await client.request({ type: WRITE_ZEROES, flags: NO_HOLE, offset: 100, bytes: 2000 });
    expect(fixture.disk.seen).toContainEqual(
      expect.objectContaining({ op: ReqOp.WRITE_ZEROES, offset: 512, bytes: 1536, noUnmap: true }),
    );
    const expected = new Uint8Array(4096).fill(0xaa).fill(0, 100, 2100);
    expect(fixture.disk.medium.subarray(0, 4096)).toEqual(expected);
    fixture.disk.seen.length = 0;
    await client.request({ type: WRITE_ZEROES, offset: 4096, bytes: 4096 });
    expect(fixture.disk.seen).toEqual([expect.objectContaining({ op: ReqOp.WRITE_ZEROES, noUnmap: false })]);
  });

  it("zeroes with data when the device cannot, or finds out late that it cannot", async () => {
    const cannot = await Fixture.start({ disk: { limits: { maxWriteZeroesSectors: 0 } } });
    cannot.disk.medium.fill(0xaa);
    await (await cannot.raw()).request({ type: WRITE_ZEROES, offset: 512, bytes: 1024 });
    expect(cannot.disk.seen).toEqual([expect.objectContaining({ op: ReqOp.WRITE, offset: 512, bytes: 1024 })]);
    const late = await Fixture.start();
    late.disk.medium.fill(0xaa);
    late.disk.statusOf = ({ op }) => (op === ReqOp.WRITE_ZEROES ? BlkStatus.NOTSUPP : BlkStatus.OK);
    expect((await (await late.raw()).request({ type: WRITE_ZEROES, offset: 512, bytes: 1024 })).error).toBe(0);
    expect(late.disk.medium.subarray(512, 1536)).toEqual(new Uint8Array(1024));
  });

  it("zeroes more than fits one turn", async () => {
    const fixture = await Fixture.start({ disk: { bytes: 40 * MIB, limits: { maxWriteZeroesSectors: 0 } } });
    const client = await fixture.raw();
    fixture.disk.medium.fill(0xaa);
    expect((await client.request({ type: WRITE_ZEROES, offset: 1, bytes: 40 * MIB - 2 })).error).toBe(0);
    expect(fixture.disk.medium.reduce((sum, byte) => sum + byte, 0)).toBe(2 * 0xaa);
  });

  it("merges neighbours that arrive together", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    const writes = [0, 1, 2, 3].map((index) =>
      Buffer.concat([hex(requestHex({ type: WRITE, offset: index * 512, bytes: 512 })), pattern(512, index)]),
    );
    client.send(Buffer.concat(writes));
    await client.read(4 * 16);
    expect(fixture.disk.seen).toEqual([expect.objectContaining({ op: ReqOp.WRITE, offset: 0, bytes: 2048 })]);
  });
});

describe("refused requests", () => {
  it.each([
    ["a read beyond the end", { type: READ, offset: MIB - 1, bytes: 2 }, EINVAL],
    ["a read far beyond the end", { type: READ, offset: 0xffff_ffff_ffff_ffffn, bytes: 2 }, EINVAL],
    ["a write beyond the end", { type: WRITE, offset: MIB - 1, bytes: 2 }, ENOSPC],
    ["zeroes beyond the end", { type: WRITE_ZEROES, offset: MIB, bytes: 1 }, ENOSPC],
    ["a trim beyond the end", { type: TRIM, offset: MIB, bytes: 1 }, EINVAL],
    ["a read that is too large", { type: READ, bytes: 32 * MIB + 1 }, EINVAL],
    ["a write that is too large", { type: WRITE, bytes: 32 * MIB + 1 }, EINVAL],
    ["CACHE", { type: CACHE, bytes: 512 }, EINVAL],
    ["BLOCK_STATUS", { type: 7, bytes: 512 }, EINVAL],
    ["a command nobody knows", { type: 0x7777, bytes: 512 }, EINVAL],
    ["a read with DF", { type: READ, flags: DF, bytes: 512 }, EINVAL],
    ["a write with NO_HOLE", { type: WRITE, flags: NO_HOLE, bytes: 512 }, EINVAL],
    ["fast zeroes", { type: WRITE_ZEROES, flags: FAST_ZERO, bytes: 512 }, EINVAL],
    ["a flush of a range", { type: FLUSH, bytes: 512 }, EINVAL],
  ])("%s", async (_what, request, error) => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    const payload = new Uint8Array(request.type === WRITE ? request.bytes : 0).fill(0xee);
    expect((await client.request(request, payload)).error).toBe(error);
    expect(fixture.disk.seen).toEqual([]);
    expect((await client.request({ type: WRITE, bytes: 512 }, pattern(512))).error).toBe(0);
    expect((await client.request({ type: READ, bytes: 512 }, undefined, 512)).data).toEqual(Buffer.from(pattern(512)));
  });

  it.each([
    ["write", { type: WRITE, bytes: 512 }],
    ["zeroes", { type: WRITE_ZEROES, bytes: 512 }],
    ["trim", { type: TRIM, bytes: 512 }],
  ])("%s to a read-only export", async (_what, request) => {
    const fixture = await Fixture.start({ readOnly: true });
    const client = await fixture.raw();
    const payload = new Uint8Array(request.type === WRITE ? 512 : 0).fill(0xee);
    expect((await client.request(request, payload)).error).toBe(EPERM);
    expect(fixture.disk.seen).toEqual([]);
    expect((await client.request({ type: READ, bytes: 4 }, undefined, 4)).data).toEqual(Buffer.alloc(4));
  });

  it("write to an export of a read-only device", async () => {
    const fixture = await Fixture.start({ disk: { readOnly: true } });
    expect((await (await fixture.raw()).request({ type: WRITE, bytes: 512 }, pattern(512))).error).toBe(EPERM);
  });

  it("trim of a device that cannot", async () => {
    const fixture = await Fixture.start({ disk: { limits: { maxDiscardSectors: 0 } } });
    expect((await (await fixture.raw()).request({ type: TRIM, bytes: 512 })).error).toBe(EINVAL);
  });

  it("reports the device's errors, without data, and goes on", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    for (const [status, error] of [
      [BlkStatus.IOERR, EIO],
      [BlkStatus.MEDIUM, EIO],
      [BlkStatus.NOSPC, ENOSPC],
    ] as const) {
      fixture.disk.statusOf = () => status;
      expect((await client.request({ type: READ, bytes: 512 })).error).toBe(error);
      expect((await client.request({ type: READ, offset: 3, bytes: 5 })).error).toBe(error);
      expect((await client.request({ type: WRITE, bytes: 512 }, pattern(512))).error).toBe(error);
      expect((await client.request({ type: WRITE, offset: 3, bytes: 5 }, pattern(5))).error).toBe(error);
      expect((await client.request({ type: WRITE_ZEROES, offset: 3, bytes: 2000 })).error).toBe(error);
      expect((await client.request({ type: TRIM, bytes: 512 })).error).toBe(error);
      expect((await client.request({ type: FLUSH })).error).toBe(error);
    }
    fixture.disk.statusOf = () => BlkStatus.OK;
    expect((await client.request({ type: READ, bytes: 512 }, undefined, 512)).error).toBe(0);
  });
});

describe("a request of several bios", () => {
  it.each([
    ["read", "first", READ, 0],
    ["read", "last", READ, 1],
    ["write", "first", WRITE, 0],
    ["write", "last", WRITE, 1],
  ] as const)("a %s fails when the %s to end does", async (_what, _which, type, failing) => {
    const fixture = await Fixture.start({ disk: { bytes: 4 * MIB, manual: true } });
    const client = await fixture.raw();
    const payload = pattern(type === WRITE ? 2 * MIB : 0);
    const dataBytes = type === READ ? 2 * MIB : 0;
    const answer = client.request({ type, bytes: 2 * MIB }, payload, dataBytes);
    await fixture.until(() => fixture.disk.held.length === 2);
    for (const index of [0, 1]) {
      fixture.disk.statusOf = () => (index === failing ? BlkStatus.MEDIUM : BlkStatus.OK);
      fixture.disk.release();
    }
    expect((await answer).error).toBe(EIO);
    fixture.disk.manual = false;
    fixture.disk.statusOf = () => BlkStatus.OK;
    expect((await client.request({ type, bytes: 2 * MIB }, payload, dataBytes)).error).toBe(0);
  });
});

describe("streams", () => {
  it("closes on a bad request magic, after the replies that are due", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    client.send(`${requestHex({ type: FLUSH })}deadbeef${"00".repeat(24)}`);
    expect(toHex(await client.readToEnd())).toBe(replyHex(0));
    expect(await fixture.event("violation")).toMatchObject({ detail: "bad request magic" });
  });

  it("finishes what is in flight on DISC, and closes", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const client = await fixture.raw();
    client.send(`${requestHex({ type: READ, bytes: 512 })}${requestHex({ type: 2 })}${requestHex({ type: FLUSH })}`);
    await fixture.until(() => fixture.disk.held.length === 1);
    await settle();
    expect(fixture.server.connectionCount).toBe(1);
    fixture.disk.releaseAll();
    expect(toHex(await client.readToEnd())).toBe(replyHex(0) + "00".repeat(512));
    expect(await fixture.event("disconnect")).toMatchObject({ reason: "the client disconnected" });
  });

  it("answers a client that closes its half after asking", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const client = await fixture.raw();
    client.socket.end(hex(requestHex({ type: READ, bytes: 512 })));
    await fixture.until(() => fixture.disk.held.length === 1);
    await settle();
    fixture.disk.releaseAll();
    expect(toHex(await client.readToEnd())).toBe(replyHex(0) + "00".repeat(512));
  });

  it("survives arbitrary bytes in arbitrary pieces", async () => {
    const fixture = await Fixture.start();
    const request = fc
      .record({
        type: fc.integer({ min: 0, max: 8 }),
        flags: fc.constantFrom(0, 0, 0, 1, 2, 3, 31),
        offset: fc.integer({ min: 0, max: MIB + 100 }),
        bytes: fc.integer({ min: 0, max: 2000 }),
      })
      .map((fields) => Buffer.concat([hex(requestHex(fields)), pattern(fields.type === WRITE ? fields.bytes : 0)]));
    const piece = fc.oneof({ weight: 5, arbitrary: request }, { weight: 1, arbitrary: fc.uint8Array() });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 10 }), fc.integer({ min: 1, max: 500 }), async (pieces, step) => {
        const client = await RawClient.transmission(fixture.address);
        const bytes = Buffer.concat(pieces);
        for (let at = 0; at < bytes.length; at += step) client.socket.write(bytes.subarray(at, at + step));
        client.socket.end();
        await client.readToEnd();
      }),
      { seed: 11, numRuns: 60 },
    );
    await fixture.until(() => fixture.server.connectionCount === 0);
    expect(fixture.server.inFlightBytes).toBe(0);
  });
});

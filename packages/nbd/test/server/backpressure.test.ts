import { ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { Fixture, pattern, settle, stopFixturesAfterEach, turnLoop } from "../support/fixture.js";
import { hex, replyHex, requestHex } from "../support/raw-client.js";

stopFixturesAfterEach();

const MIB = 1 << 20;
const [READ, WRITE, FLUSH, WRITE_ZEROES] = [0, 1, 3, 6] as const;

function cookie(index: number): string {
  return index.toString(16).padStart(16, "0");
}

function reads(count: number, bytes: number): Buffer {
  const requests: string[] = [];
  for (let index = 0; index < count; index++) {
    // Every second block, so that nothing merges and each request is one of the device's.
    requests.push(requestHex({ type: READ, offset: index * 1024, bytes, cookie: cookie(index) }));
  }
  return hex(requests.join(""));
}

describe("backpressure", () => {
  it("takes no more requests of a connection than its bound, however slow the device", async () => {
    const fixture = await Fixture.start({ disk: { manual: true }, maxInFlight: 8 });
    const client = await fixture.raw();
    client.send(reads(500, 512));
    await fixture.until(() => fixture.disk.held.length === 8);
    await settle();
    expect(fixture.disk.held.length).toBe(8);
    expect(fixture.server.inFlightBytes).toBe(8 * 4096);
    fixture.disk.release();
    await fixture.until(() => fixture.disk.held.length === 8);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    const replies = await client.read(500 * (16 + 512));
    const cookies = new Set<string>();
    for (let at = 0; at < replies.length; at += 528) {
      expect(replies.readUInt32BE(at + 4)).toBe(0);
      cookies.add(replies.subarray(at + 8, at + 16).toString("hex"));
    }
    expect(cookies.size).toBe(500);
  });

  it("bounds the memory of writes, and lets one larger than the bound in alone", async () => {
    const fixture = await Fixture.start({
      disk: { bytes: 8 * MIB, manual: true },
      maxInFlightBytes: 2 * MIB,
    });
    const client = await fixture.raw();
    const data = pattern(3 * MIB);
    for (const [index, bytes] of [MIB, MIB, MIB, 3 * MIB, 512].entries()) {
      const header = requestHex({ type: WRITE, offset: index * MIB, bytes, cookie: cookie(index) });
      client.send(Buffer.concat([hex(header), data.subarray(0, bytes)]));
    }
    const peaks: number[] = [];
    for (let replies = 0; replies < 5; ) {
      await settle(20);
      peaks.push(fixture.server.inFlightBytes);
      fixture.disk.release();
      replies = Math.floor(client.receivedBytes / 16);
    }
    expect(Math.max(...peaks)).toBe(3 * MIB);
    expect(Buffer.compare(fixture.disk.medium.subarray(3 * MIB, 4 * MIB), data.subarray(0, MIB))).toBe(0);
  });

  it("zeroes a few buffers a turn, though the device is done at once: other clients have theirs", async () => {
    const fixture = await Fixture.start({ disk: { bytes: 64 * MIB, limits: { maxWriteZeroesSectors: 0 } } });
    const client = await fixture.raw();
    const turns: number[] = [];
    client.send(hex(requestHex({ type: WRITE_ZEROES, offset: 0, bytes: 64 * MIB, cookie: cookie(1) })));
    for (let zeroed = 0; zeroed < 64 * MIB; ) {
      await turnLoop();
      const now = fixture.disk.seen.reduce((sum, { bytes }) => sum + bytes, 0);
      turns.push(now - zeroed);
      zeroed = now;
    }
    expect(Math.max(...turns)).toBe(8 * MIB);
    expect((await client.read(16)).toString("hex")).toBe(replyHex(0, cookie(1)));
  });

  it("waits for encryption contexts that other bios of the layer hold", async () => {
    const fixture = await Fixture.start({ dataUnitBytes: 512 });
    const client = await fixture.raw();
    const { cryptCtxs } = fixture.layer;
    let taken = 0;
    while (cryptCtxs.tryTake()) taken++;
    client.send(hex(requestHex({ type: READ, offset: 0, bytes: 4096, cookie: cookie(1) })));
    await fixture.until(() => fixture.server.inFlightBytes > 0);
    await settle();
    expect([fixture.disk.seen, fixture.layer.bioSet.inUse]).toEqual([[], 0]);
    for (; taken > 0; taken--) cryptCtxs.giveBack();
    expect((await client.read(16 + 4096)).subarray(0, 16).toString("hex")).toBe(replyHex(0, cookie(1)));
    expect(fixture.disk.seen).toHaveLength(1);
  });

  it("bounds the memory of a burst after requests without data, which reuse those of large ones", async () => {
    const fixture = await Fixture.start({ disk: { bytes: 8 * MIB }, maxInFlight: 16, maxInFlightBytes: 2 * MIB });
    const client = await fixture.raw();
    expect((await client.request({ type: READ, bytes: MIB }, undefined, MIB)).error).toBe(0);
    for (let flush = 0; flush < 32; flush++) expect((await client.request({ type: FLUSH })).error).toBe(0);
    fixture.disk.manual = true;
    const data = pattern(MIB);
    for (let index = 0; index < 8; index++) {
      const header = requestHex({ type: WRITE, offset: index * MIB, bytes: MIB, cookie: cookie(index) });
      client.send(Buffer.concat([hex(header), data]));
    }
    await fixture.until(() => fixture.disk.held.length === 2);
    await settle(200);
    expect(fixture.server.inFlightBytes).toBe(2 * MIB);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await client.read(8 * 16);
  });

  it.each([
    ["small", 200 * 64, MIB / 64],
    ["large", 200, MIB],
  ])("stops taking %s requests of a client that does not read, and serves the others", async (_what, count, bytes) => {
    const fixture = await Fixture.start({ disk: { bytes: 4 * MIB } });
    const [lazy, busy] = [await fixture.raw(), await fixture.raw()];
    lazy.socket.pause();
    lazy.send(Buffer.concat(Array.from({ length: count }, () => reads(1, bytes))));
    await settle(200);
    const served = fixture.disk.seen.reduce((sum, request) => sum + request.bytes, 0);
    await settle(200);
    expect(fixture.disk.seen.reduce((sum, request) => sum + request.bytes, 0)).toBe(served);
    expect(served).toBeLessThan(40 * MIB);
    expect(fixture.server.inFlightBytes).toBeLessThanOrEqual(33 * MIB);
    expect((await busy.request({ type: WRITE, bytes: 512 }, pattern(512))).error).toBe(0);
    lazy.socket.resume();
    await lazy.read(count * (16 + bytes));
  });

  it("lets go of everything when a client that does not read vanishes", async () => {
    const fixture = await Fixture.start({ disk: { bytes: 4 * MIB } });
    const lazy = await fixture.raw();
    lazy.socket.pause();
    lazy.send(Buffer.concat(Array.from({ length: 50 }, () => reads(1, MIB))));
    await fixture.until(() => fixture.server.inFlightBytes > 0);
    await settle(100);
    await lazy.destroy();
    await fixture.until(() => fixture.server.connectionCount === 0 && fixture.server.inFlightBytes === 0);
  });

  it("waits when the block layer has no bio free", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const bios = fixture.layer.bioSet;
    const taken = Array.from({ length: bios.capacity }, () => bios.tryAlloc(null, ReqOp.READ)!);
    const client = await fixture.raw();
    client.send(reads(3, 512));
    await settle();
    expect(fixture.disk.seen).toEqual([]);
    const { workCount } = fixture.executor;
    await settle();
    expect(fixture.executor.workCount).toBe(workCount);
    for (const bio of taken) bio.put();
    await fixture.until(() => fixture.disk.held.length === 3);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await client.read(3 * 528);
  });
});

describe("a client that vanishes", () => {
  it("in the middle of a write: nothing of it is applied, others go on", async () => {
    const fixture = await Fixture.start();
    const [one, two] = [await fixture.raw(), await fixture.raw()];
    const data = pattern(64 * 1024);
    one.send(Buffer.concat([hex(requestHex({ type: WRITE, bytes: data.length })), data.subarray(0, 40_000)]));
    await fixture.until(() => fixture.server.inFlightBytes > 0);
    await settle();
    await one.destroy();
    await fixture.until(() => fixture.server.connectionCount === 1);
    expect(fixture.disk.seen).toEqual([]);
    expect(fixture.server.inFlightBytes).toBe(0);
    expect((await two.request({ type: READ, bytes: 512 }, undefined, 512)).data).toEqual(Buffer.alloc(512));
  });

  it("in the middle of a header", async () => {
    const fixture = await Fixture.start();
    const one = await fixture.raw();
    one.send("25609513 0000 0001");
    await settle();
    await one.destroy();
    expect(await fixture.event("disconnect")).toMatchObject({ reason: "the client closed the connection" });
  });

  it("with requests in flight: they end quietly, their locks are released", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const [one, two] = [await fixture.raw(), await fixture.raw()];
    one.send(Buffer.concat([hex(requestHex({ type: WRITE, offset: 100, bytes: 10 })), pattern(10)]));
    one.send(reads(4, 512).subarray(28));
    await fixture.until(() => fixture.disk.held.length === 4);
    await one.destroy();
    two.send(Buffer.concat([hex(requestHex({ type: WRITE, offset: 200, bytes: 10 })), pattern(10)]));
    await settle();
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    expect(await two.readHex(16)).toBe(replyHex(0));
    expect(fixture.disk.medium.subarray(200, 210)).toEqual(pattern(10));
  });
});

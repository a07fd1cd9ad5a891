import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { NbdClient, NbdFlag } from "../../src/index.js";
import { Fixture, pattern, settle, stopFixturesAfterEach } from "../support/fixture.js";
import { GREETING, hex } from "../support/raw-client.js";
import { SmallServer } from "../support/small-server.js";

stopFixturesAfterEach();

const MIB = 1 << 20;

describe("NbdClient with our server", () => {
  it("learns what the export is", async () => {
    const fixture = await Fixture.start({ dataUnitBytes: 4096 });
    const client = await fixture.client();
    expect(client.exportBytes).toBe(MIB);
    expect(client.flags & NbdFlag.CAN_MULTI_CONN).not.toBe(0);
    expect(client.blockSizes).toEqual({ minimum: 1, preferred: 4096, maximum: 32 * MIB });
    expect(await NbdClient.list(fixture.address)).toEqual([
      { name: "disk", description: "a test disk" },
      { name: "other", description: "" },
    ]);
  });

  it("reads and writes, flushes, trims and zeroes", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.client();
    await client.write(1000, pattern(5000));
    expect(await client.read(1000, 5000)).toEqual(pattern(5000));
    const into = new Uint8Array(100);
    expect(await client.read(1000, into)).toBe(into);
    expect(into).toEqual(pattern(5000).subarray(0, 100));
    await client.write(0, pattern(512), { fua: true });
    expect(fixture.disk.seen.at(-1)).toMatchObject({ op: ReqOp.WRITE, fua: true });
    await client.flush();
    expect(fixture.disk.seen.at(-1)).toMatchObject({ op: ReqOp.FLUSH });
    await client.trim(0, 512);
    expect(fixture.disk.seen.at(-1)).toMatchObject({ op: ReqOp.DISCARD });
    await client.writeZeroes(0, 512, { noHole: true });
    expect(fixture.disk.seen.at(-1)).toMatchObject({ op: ReqOp.WRITE_ZEROES, noUnmap: true });
    expect(await client.read(0, 0)).toEqual(new Uint8Array(0));
  });

  it("cuts what is larger than the server takes", async () => {
    const fixture = await Fixture.start({ disk: { bytes: 40 * MIB } });
    const client = await fixture.client();
    const data = pattern(34 * MIB);
    await client.write(512, data);
    expect(Buffer.compare(await client.read(512, data.length), data)).toBe(0);
    await client.writeZeroes(0, 40 * MIB);
    expect(fixture.disk.medium.every((byte) => byte === 0)).toBe(true);
  }, 20_000);

  it("has no more in flight than its bound, and matches replies that come in another order", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    fixture.disk.medium.set(pattern(65536));
    const client = await fixture.client("disk", 4);
    const reads = Array.from({ length: 12 }, (_, index) => client.read(index * 1024, 512));
    await fixture.until(() => fixture.disk.held.length === 4);
    await settle();
    expect(client.inFlight).toBe(4);
    expect(fixture.disk.held.length).toBe(4);
    for (let ended = 0; ended < 12; ended++) {
      await fixture.until(() => fixture.disk.held.length > 0);
      fixture.disk.release(fixture.disk.held.length - 1);
      await settle(5);
    }
    (await Promise.all(reads)).forEach((data, index) => {
      expect(data).toEqual(pattern(65536).subarray(index * 1024, index * 1024 + 512));
    });
  });

  it("rejects with the server's error and goes on", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.client();
    await expect(client.read(MIB, 1)).rejects.toMatchObject({ name: "BlkError", code: "EINVAL" });
    await expect(client.write(MIB, pattern(1))).rejects.toMatchObject({ code: "ENOSPC" });
    fixture.disk.statusOf = () => BlkStatus.MEDIUM;
    await expect(client.read(0, 1)).rejects.toMatchObject({ code: "EIO" });
    fixture.disk.statusOf = () => BlkStatus.OK;
    await expect(client.read(-1, 1)).rejects.toMatchObject({ code: "EINVAL" });
    await expect(client.read(0, -1)).rejects.toMatchObject({ name: "BlkError", code: "EINVAL" });
    await expect(client.read(0, 1.5)).rejects.toMatchObject({ name: "BlkError", code: "EINVAL" });
    await client.write(0, pattern(512));
    expect(await client.read(0, 512)).toEqual(pattern(512));
  });

  it("does not ask for what the export does not offer", async () => {
    const fixture = await Fixture.start({ readOnly: true });
    const client = await fixture.client();
    await expect(client.trim(0, 512)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await expect(client.writeZeroes(0, 512)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await expect(client.write(0, pattern(512))).rejects.toMatchObject({ code: "EPERM" });
  });

  it("rejects an unknown export, with the server's words", async () => {
    const fixture = await Fixture.start();
    await expect(fixture.client("nope")).rejects.toMatchObject({
      code: "ENOENT",
      message: expect.stringContaining("there is no export of this name"),
    });
    await expect(fixture.client("a".repeat(5000))).rejects.toMatchObject({ code: "EINVAL" });
    await fixture.until(() => fixture.server.connectionCount === 0);
  });

  it("finishes what is in flight when it closes, and says goodbye", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const client = await fixture.client("disk", 1);
    const reads = [client.read(0, 512), client.read(1024, 512)];
    await fixture.until(() => fixture.disk.held.length === 1);
    const closed = client.close();
    await expect(client.read(0, 1)).rejects.toMatchObject({ code: "ENOLINK" });
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await Promise.all(reads);
    await closed;
    expect(await fixture.event("disconnect")).toMatchObject({ reason: "the client disconnected" });
    expect(client.close()).toBe(client.close());
  });

  it("rejects everything outstanding when the connection is lost", async () => {
    const fixture = await Fixture.start({ disk: { manual: true }, closeGraceMs: 1 });
    const client = await fixture.client("disk", 2);
    const reads = Array.from({ length: 6 }, (_, index) => client.read(index * 1024, 512));
    const outcomes = Promise.allSettled(reads);
    await fixture.until(() => fixture.disk.held.length === 2);
    const closed = fixture.server.close();
    fixture.executor.advance(1);
    await closed;
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ENOLINK" } });
    }
    expect(client.inFlight).toBe(0);
    await client.close();
  });

  it("rejects everything outstanding when it is destroyed", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const client = await fixture.client();
    const read = client.read(0, 512);
    await fixture.until(() => fixture.disk.held.length === 1);
    client.destroy();
    await expect(read).rejects.toMatchObject({ code: "ENOLINK" });
  });
});

describe("NbdClient with another server", () => {
  const GO_REPLY = "0003e889045565a9 00000007";
  const EXPORT_INFO = `${GO_REPLY} 00000003 0000000c 0000 0000000000001000 000f`;
  const READY = `${EXPORT_INFO}${GO_REPLY} 00000001 00000000`;
  const cleanups: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  /** A server that says `script` piece by piece, one for each time the client has spoken. */
  async function scripted(...script: string[]): Promise<{ unix: string }> {
    const folder = await mkdtemp(join(tmpdir(), "nbd-client-"));
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => {
      sockets.push(socket);
      const rest = [...script];
      socket.on("error", () => {});
      socket.on("data", () => {
        const next = rest.shift();
        if (next === "end") socket.end();
        else if (next !== undefined) socket.write(hex(next));
      });
      socket.write(hex(rest.shift() ?? ""));
    });
    server.listen(join(folder, "s"));
    await once(server, "listening");
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    });
    return { unix: join(folder, "s") };
  }

  it("speaks the bytes the protocol asks for", async () => {
    const address = await scripted(GREETING, READY, "67446698 00000000 0000000100000000 aabb");
    const client = await NbdClient.connect(address, { exportName: "" });
    expect(client.exportBytes).toBe(4096);
    expect(client.blockSizes).toEqual({ minimum: 1, preferred: 4096, maximum: 32 * MIB });
    expect(await client.read(0, 2)).toEqual(new Uint8Array([0xaa, 0xbb]));
    client.destroy();
  });

  it("cuts reads and writes to the maximum the server announces", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nbd-client-"));
    const [maximumBytes, medium] = [64 * 1024, pattern(2 * MIB, 9)];
    const server = await SmallServer.start(join(folder, "s"), medium, maximumBytes);
    cleanups.push(async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    });
    const client = await NbdClient.connect({ unix: join(folder, "s") }, { exportName: "" });
    expect(client.blockSizes).toEqual({ minimum: 1, preferred: 4096, maximum: maximumBytes });
    const data = pattern(MIB, 4);
    await client.write(1000, data);
    expect(Buffer.compare(medium.subarray(1000, 1000 + MIB), data)).toBe(0);
    expect(Buffer.compare(await client.read(1000, MIB), data)).toBe(0);
    await client.close();
    const offsets = Array.from({ length: 16 }, (_, index) => 1000 + index * maximumBytes);
    expect(server.seen).toEqual([
      ...offsets.map((offset) => ({ type: 1, offset, bytes: maximumBytes })),
      ...offsets.map((offset) => ({ type: 0, offset, bytes: maximumBytes })),
    ]);
  });

  it.each([
    ["an oldstyle greeting", ["4e42444d41474943 0000420281861253 0000"], "EBADMSG"],
    ["newstyle that is not fixed", ["4e42444d41474943 49484156454f5054 0000"], "EBADMSG"],
    ["a bad reply magic", [GREETING, "0003e889045565aa 00000007 00000001 00000000"], "EBADMSG"],
    ["a reply to another option", [GREETING, "0003e889045565a9 00000003 00000001 00000000"], "EBADMSG"],
    ["an ACK without the export's size", [GREETING, `${GO_REPLY} 00000001 00000000`], "EBADMSG"],
    ["a malformed INFO", [GREETING, `${GO_REPLY} 00000003 00000003 000000`], "EBADMSG"],
    ["an enormous reply", [GREETING, `${GO_REPLY} 00000003 7fffffff`], "EBADMSG"],
    ["a refusal", [GREETING, `${GO_REPLY} 80000002 00000000`], "EPERM"],
    ["silence", ["end"], "ENOLINK"],
    ["an end in the middle", [GREETING, "end"], "ENOLINK"],
  ])("rejects %s", async (_what, script, code) => {
    const address = await scripted(...(script[0] === "end" ? ["4e42", "end"] : script));
    const connecting = NbdClient.connect(address, { exportName: "", ...(script[0] === "end" && timeout()) });
    await expect(connecting).rejects.toMatchObject({ name: "BlkError", code });
  });

  it.each([
    ["a maximum of one byte: each would be a request", [1, 4096, 1]],
    ["a minimum that is no power of two", [3, 4096, 4098]],
    ["a minimum above 64 KiB", [131072, 131072, 131072]],
    ["a preferred size below the minimum", [4096, 512, 65536]],
    ["a preferred size that is no power of two", [1, 5000, 65536]],
    ["a maximum that is no multiple of the minimum", [512, 512, 65537]],
  ])("rejects %s", async (_what, sizes) => {
    const sizesHex = sizes.map((size) => size.toString(16).padStart(8, "0")).join("");
    const reply = `${EXPORT_INFO}${GO_REPLY} 00000003 0000000e 0003 ${sizesHex}${GO_REPLY} 00000001 00000000`;
    const connecting = NbdClient.connect(await scripted(GREETING, reply), { exportName: "" });
    await expect(connecting).rejects.toMatchObject({
      code: "EBADMSG",
      message: expect.stringContaining(`block sizes ${sizes.join(", ")}`),
    });
  });

  it("takes a maximum without a bound, and that of a small export", async () => {
    for (const maximum of ["ffffffff", "00001000"]) {
      const sizes = `${GO_REPLY} 00000003 0000000e 0003 00000200 00010000 ${maximum}`;
      const address = await scripted(GREETING, `${EXPORT_INFO}${sizes}${GO_REPLY} 00000001 00000000`);
      const client = await NbdClient.connect(address, { exportName: "" });
      expect(client.blockSizes.preferred).toBe(65536);
      client.destroy();
    }
  });

  function timeout(): { signal: AbortSignal } {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    return { signal: controller.signal };
  }

  it.each([
    ["no NBD at all", "00112233445566778899aabbccddeeff"],
    ["an unknown cookie", "67446698 00000000 00000001ffffffff"],
    ["the cookie of an earlier request", "67446698 00000000 0000000000000000"],
  ])("gives up when a reply is %s", async (_what, reply) => {
    const client = await NbdClient.connect(await scripted(GREETING, READY, reply), { exportName: "" });
    await expect(client.read(0, 2)).rejects.toMatchObject({ code: "EBADMSG" });
    await expect(client.read(0, 2)).rejects.toMatchObject({ code: "EBADMSG" });
    await client.close();
  });

  it.each([0, 1.5, Number.NaN])("refuses to have %d requests in flight, before it connects", async (maxInFlight) => {
    const connecting = NbdClient.connect({ unix: "/nowhere/nbd.sock" }, { exportName: "", maxInFlight });
    await expect(connecting).rejects.toMatchObject({
      name: "BlkError",
      code: "EINVAL",
      message: expect.stringContaining(`maxInFlight is ${maxInFlight}`),
    });
  });

  it("says who is not there", async () => {
    await expect(NbdClient.connect({ unix: "/nowhere/nbd.sock" }, { exportName: "" })).rejects.toMatchObject({
      code: "ENOLINK",
      message: expect.stringContaining("/nowhere/nbd.sock"),
    });
    const tired = NbdClient.connect(await scripted(""), { exportName: "", signal: AbortSignal.abort("tired of it") });
    await expect(tired).rejects.toMatchObject({ code: "ENOLINK", message: expect.stringContaining("tired of it") });
    const aborted = AbortSignal.abort();
    await expect(NbdClient.list({ unix: "/nowhere/nbd.sock" }, { signal: aborted })).rejects.toMatchObject({
      code: "ENOLINK",
    });
  });
});

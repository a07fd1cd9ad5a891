import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NbdClient, type NbdExport, NbdServer } from "../../src/index.js";
import { ArrayDisk } from "../support/array-disk.js";
import { Fixture, type FixtureOptions, pattern, settle, stopFixturesAfterEach } from "../support/fixture.js";
import { hex, RawClient, replyHex, requestHex, toHex } from "../support/raw-client.js";

stopFixturesAfterEach();

const [READ, WRITE, FLUSH] = [0, 1, 3] as const;
const ESHUTDOWN = 108;

describe("close", () => {
  it("finishes what is in flight, refuses what is new, and removes the socket", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const [busy, idle, haggling] = [await fixture.raw(), await fixture.raw(), await fixture.greeted()];
    busy.send(requestHex({ type: READ, bytes: 512 }));
    await fixture.until(() => fixture.disk.held.length === 1);
    const closed = fixture.server.close();
    expect((await idle.readToEnd()).length).toBe(0);
    expect((await haggling.readToEnd()).length).toBe(0);
    busy.send(Buffer.concat([hex(requestHex({ type: WRITE, bytes: 512, cookie: "00000000000000aa" })), pattern(512)]));
    expect(await busy.readHex(16)).toBe(replyHex(ESHUTDOWN, "00000000000000aa"));
    fixture.disk.releaseAll();
    expect(toHex(await busy.readToEnd())).toBe(replyHex(0) + "00".repeat(512));
    await closed;
    await expect(stat(fixture.address.unix)).rejects.toThrow("ENOENT");
    expect(fixture.disk.seen).toHaveLength(1);
    expect(fixture.server.close()).toBe(fixture.server.close());
    await expect(fixture.server.listen(fixture.address)).rejects.toMatchObject({ code: "ESHUTDOWN" });
  });

  it("drops a write of which half is missing", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw();
    client.send(Buffer.concat([hex(requestHex({ type: WRITE, bytes: 8192 })), pattern(4000)]));
    await fixture.until(() => fixture.server.inFlightBytes > 0);
    await fixture.server.close();
    expect(fixture.disk.seen).toEqual([]);
  });

  it("cuts off what takes longer than the grace time", async () => {
    const fixture = await Fixture.start({ disk: { manual: true }, closeGraceMs: 100 });
    const client = await fixture.raw();
    client.send(requestHex({ type: READ, bytes: 512 }));
    await fixture.until(() => fixture.disk.held.length === 1);
    const closed = fixture.server.close();
    fixture.executor.advance(99);
    await settle();
    expect(fixture.server.connectionCount).toBe(1);
    fixture.executor.advance(1);
    await closed;
    expect((await client.readToEnd()).length).toBe(0);
  });
});

describe("requests of a client that has gone", () => {
  /** A server with one request with the device, whose client was cut off and will read no reply. */
  async function abandoned(options: FixtureOptions = {}): Promise<Fixture> {
    const fixture = await Fixture.start({ disk: { manual: true }, ...options });
    const client = await RawClient.transmission(await fixture.server.listen({ host: "127.0.0.1", port: 0 }));
    client.send(requestHex({ type: READ, bytes: 512 }));
    await fixture.until(() => fixture.disk.held.length === 1);
    client.socket.resetAndDestroy();
    await fixture.event("disconnect");
    return fixture;
  }

  it("are finished before the server is closed: keys and devices go next", async () => {
    const fixture = await abandoned();
    let closed = false;
    const closing = fixture.server.close().then(() => {
      closed = true;
    });
    await settle();
    expect(closed).toBe(false);
    fixture.disk.releaseAll();
    await closing;
    expect(fixture.server.inFlightBytes).toBe(0);
  });

  it("keep a closing server no longer than its grace time", async () => {
    const fixture = await abandoned({ closeGraceMs: 100 });
    const closing = fixture.server.close();
    await settle();
    fixture.executor.advance(100);
    await closing;
    expect(fixture.server.connectionCount).toBe(0);
  });

  it("count as their connection until they end, so that coming and going takes no more memory", async () => {
    const fixture = await abandoned({ maxConnections: 1 });
    expect(fixture.server.connectionCount).toBe(1);
    expect((await new RawClient(fixture.address).readToEnd()).length).toBe(0);
    await fixture.event("refused");
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await fixture.until(() => fixture.server.connectionCount === 0);
    expect((await (await fixture.raw()).request({ type: FLUSH })).error).toBe(0);
  });
});

describe("connections", () => {
  it("are limited in number", async () => {
    const fixture = await Fixture.start({ maxConnections: 2 });
    const [one] = [await fixture.raw(), await fixture.raw()];
    const third = new RawClient(fixture.address);
    expect((await third.readToEnd()).length).toBe(0);
    expect(await fixture.event("refused")).toMatchObject({ maxConnections: 2, peer: "unix" });
    expect((await one.request({ type: FLUSH })).error).toBe(0);
    await one.destroy();
    await fixture.until(() => fixture.server.connectionCount === 1);
    expect((await (await fixture.raw()).request({ type: FLUSH })).error).toBe(0);
  });

  it("tell their life in events", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.raw("other");
    client.send(requestHex({ type: 2 }));
    await client.readToEnd();
    await fixture.event("disconnect");
    expect(fixture.events).toEqual([
      { type: "connect", connection: 1, peer: "unix" },
      { type: "negotiated", connection: 1, exportName: "other" },
      { type: "disconnect", connection: 1, reason: "the client disconnected" },
    ]);
  });

  it("come over TCP too, several addresses at a time", async () => {
    const fixture = await Fixture.start();
    const bound = await fixture.server.listen({ host: "127.0.0.1", port: 0 });
    expect(bound).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    expect("port" in bound && bound.port).toBeGreaterThan(0);
    const tcp = await RawClient.transmission(bound);
    const unix = await fixture.raw();
    await unix.request({ type: WRITE, bytes: 512 }, pattern(512));
    expect((await tcp.request({ type: READ, bytes: 512 }, undefined, 512)).data).toEqual(Buffer.from(pattern(512)));
    expect(fixture.events[0]).toMatchObject({ peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    await tcp.destroy();
  });
});

it.skipIf(process.platform !== "linux")("finds out about a TCP peer that lost its power, on both sides", async () => {
  const fixture = await Fixture.start();
  const bound = await fixture.server.listen({ host: "127.0.0.1", port: 0 });
  const client = await NbdClient.connect(bound, { exportName: "disk" });
  // 02 is keepalive's; until all is acknowledged, the timer of retransmission hides it.
  let timers: string[] = [];
  for (let turn = 0; turn < 20_000 && timers.join() !== "02,02"; turn++) {
    await settle(1);
    timers = await tcpTimers("port" in bound ? bound.port : 0);
  }
  expect(timers).toEqual(["02", "02"]);
  await client.close();
});

/** The timer that is armed for each end of the connections to a port, as the kernel numbers them. */
async function tcpTimers(port: number): Promise<string[]> {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const sockets = (await readFile("/proc/net/tcp", "ascii")).split("\n").map((line) => line.trim().split(/\s+/));
  const isEstablished = ([, local, remote, state]: string[]) =>
    state === "01" && (local!.endsWith(end) || remote!.endsWith(end));
  return sockets.filter(isEstablished).map((fields) => fields[5]!.split(":")[0]!);
}

describe("listen", () => {
  let folder = "";
  const servers: NbdServer[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "nbd-listen-"));
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  function newServer(): NbdServer {
    const server = new NbdServer({ exports: [someExport("ram")] });
    servers.push(server);
    return server;
  }

  it("never takes a socket on which somebody listens", async () => {
    const path = join(folder, "busy.sock");
    const other = createServer().listen(path);
    await once(other, "listening");
    await expect(newServer().listen({ unix: path })).rejects.toMatchObject({
      name: "BlkError",
      code: "EBUSY",
      message: expect.stringContaining(path),
    });
    expect((await stat(path)).isSocket()).toBe(true);
    const client = new RawClient({ unix: path });
    await once(client.socket, "connect");
    await client.destroy();
    other.close();
  });

  it("never takes a path that is no socket", async () => {
    const path = join(folder, "precious.txt");
    await writeFile(path, "data");
    await expect(newServer().listen({ unix: path })).rejects.toMatchObject({
      code: "EBUSY",
      message: expect.stringContaining("is not a socket"),
    });
    expect(await readFile(path, "utf8")).toBe("data");
    await mkdir(join(folder, "dir"));
    await expect(newServer().listen({ unix: join(folder, "dir") })).rejects.toMatchObject({ code: "EBUSY" });
  });

  it("replaces a socket that its server left behind", async () => {
    const path = join(folder, "stale.sock");
    await leaveStaleSocket(path);
    expect((await stat(path)).isSocket()).toBe(true);
    await newServer().listen({ unix: path });
    const client = await RawClient.transmission({ unix: path });
    expect((await client.request({ type: FLUSH })).error).toBe(0);
    await client.destroy();
  });

  it("comes to nothing when the server closes meanwhile", async () => {
    const path = join(folder, "stale.sock");
    await leaveStaleSocket(path);
    const server = newServer();
    const listening = [server.listen({ host: "127.0.0.1", port: 0 }), server.listen({ unix: path })];
    const outcomes = Promise.allSettled(listening);
    await server.close();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ESHUTDOWN" } });
    }
    await expect(stat(path)).rejects.toThrow("ENOENT");
  });

  it("says what is wrong with an address", async () => {
    const taken = await newServer().listen({ host: "127.0.0.1", port: 0 });
    await expect(newServer().listen(taken)).rejects.toMatchObject({
      code: "EBUSY",
      message: expect.stringContaining("port" in taken ? `127.0.0.1:${taken.port}` : ""),
    });
    await expect(newServer().listen({ unix: join(folder, "no", "where") })).rejects.toMatchObject({
      name: "BlkError",
      code: "ENOENT",
      message: expect.stringContaining(`${join(folder, "no", "where")}: its folder does not exist`),
    });
    await writeFile(join(folder, "file"), "");
    await expect(newServer().listen({ unix: join(folder, "file", "s") })).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("a part of the path is not a folder"),
    });
    // 192.0.2.0/24 is for documentation, and nobody's.
    await expect(newServer().listen({ host: "192.0.2.1", port: 0 })).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("192.0.2.1:0: this machine does not have the address"),
    });
    await expect(newServer().listen({ unix: join(folder, "a".repeat(200)) })).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("too long"),
    });
    await expect(newServer().listen({ unix: join(folder, "a\0b") })).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("without NUL"),
    });
    await expect(stat(join(folder, "a"))).rejects.toThrow("ENOENT");
    if (process.getuid?.() === 0) return;
    await chmod(folder, 0o500);
    await expect(newServer().listen({ unix: join(folder, "s") })).rejects.toMatchObject({
      code: "EPERM",
      message: expect.stringContaining("permission denied"),
    });
    await chmod(folder, 0o700);
  });

  it("refuses exports that make no sense", () => {
    expect(() => new NbdServer({ exports: [] })).toThrow("nothing to export");
    expect(() => new NbdServer({ exports: [someExport("a"), someExport("a")] })).toThrow('two exports are named "a"');
    expect(() => new NbdServer({ exports: [someExport("a\0b")] })).toThrow("without NUL");
    expect(() => new NbdServer({ exports: [someExport("\ud800")] })).toThrow("of UTF-8");
    expect(() => new NbdServer({ exports: [someExport("a")], maxInFlight: 0 })).toThrow("maxInFlight is 0");
    expect(() => new NbdServer({ exports: [someExport("a")], closeGraceMs: -1 })).toThrow("closeGraceMs is -1");
    const notANumber = { handshakeTimeoutMs: Number.NaN };
    expect(() => new NbdServer({ exports: [someExport("a")], ...notANumber })).toThrow("handshakeTimeoutMs is NaN");
    expect(() => new NbdServer({ exports: [someExport("ä".repeat(2049))] })).toThrow("4096 bytes");
  });
});

function someExport(name: string): NbdExport {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  return { name, volume: new Volume(new ArrayDisk(layer, { bytes: 1 << 20 }).bdev) };
}

/** A process that is killed while it listens leaves its socket file: nothing unlinks it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const source = `
    const { createServer } = require("node:net");
    createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"));`;
  const child = spawn(process.execPath, ["-e", source]);
  await once(child, "exit");
}

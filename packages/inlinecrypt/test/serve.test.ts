import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { NbdClient } from "@inlinecrypt/nbd";
import { describe, expect, it } from "vitest";
import { main } from "../src/main.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

/** Flags for a disk of 64 KiB in a scratch folder. */
function flagsIn(scratch: Scratch, ...more: string[]): string[] {
  const key = existsSync(scratch.path("disk.key")) ? scratch.path("disk.key") : scratch.keyFile().path;
  const listen = `unix:${scratch.path("s.sock")}`;
  return ["serve", "--file", scratch.path("disk.img"), "--size", "64K", "--key-file", key, "--listen", listen, ...more];
}

describe("serve", () => {
  it("prints one line when clients can connect, and ends with 0 on SIGTERM", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const running = main(flagsIn(scratch), io);
    await io.stdout.waitFor(/\n/);
    expect(io.stdout.text).toBe(`listening nbd+unix:///?socket=${scratch.path("s.sock")}\n`);
    const client = await NbdClient.connect({ unix: scratch.path("s.sock") }, { exportName: "" });
    expect(client.exportBytes).toBe(65536);
    await client.write(4096, new Uint8Array(4096).fill(1));
    io.signals.emit("SIGTERM");
    expect(await running).toBe(0);
    await client.close();
    expect(existsSync(scratch.path("s.sock"))).toBe(false);
    expect(readFileSync(scratch.path("disk.img")).subarray(0, 4096).equals(Buffer.alloc(4096))).toBe(true);
    expect(readFileSync(scratch.path("disk.img")).subarray(4096, 8192).includes(Buffer.alloc(16, 1))).toBe(false);
    expect(io.stderr.text).toContain("64.0 KiB, AES-256-XTS, data units of 4096 bytes numbered from 0");
    expect(io.stderr.text).toContain("SIGTERM: finishing what clients have sent");
    expect(io.signals.eventNames()).toEqual([]);
  });

  it("gives the same disk again after a restart, under another name, read-only", async () => {
    using scratch = new Scratch();
    const content = Uint8Array.from({ length: 8192 }, (_, at) => at % 251);
    const options = flagsIn(scratch, "--first-dun", "0x100000000", "--data-unit-size", "512");
    const first = new FakeIo();
    const firstRun = main(options, first);
    await first.stdout.waitFor(/listening/);
    const writer = await NbdClient.connect({ unix: scratch.path("s.sock") }, { exportName: "" });
    await writer.write(1000, content);
    await writer.close();
    first.signals.emit("SIGINT");
    expect(await firstRun).toBe(0);

    const second = new FakeIo();
    const secondRun = main([...options, "--export", "my disk", "--read-only"], second);
    const [, uri] = await second.stdout.waitFor(/listening (\S+)\n/);
    expect(uri).toBe(`nbd+unix:///my%20disk?socket=${scratch.path("s.sock")}`);
    const reader = await NbdClient.connect({ unix: scratch.path("s.sock") }, { exportName: "my disk" });
    expect(await reader.read(1000, content.length)).toEqual(content);
    await expect(reader.write(0, content)).rejects.toMatchObject({ code: "EPERM" });
    await reader.close();
    second.signals.emit("SIGTERM");
    expect(await secondRun).toBe(0);
  });

  it("ends the process at once on a signal that comes a second or more after the first", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const running = main(flagsIn(scratch), io);
    await io.stdout.waitFor(/listening/);
    io.timeMs = 5000;
    io.signals.emit("SIGTERM");
    io.timeMs = 6000;
    io.signals.emit("SIGINT");
    io.signals.emit("SIGTERM");
    expect(io.exits).toEqual([130, 143]);
    expect(await running).toBe(0);
  });

  it("takes signals within a second of the first for the same one: timeout sends its signal twice", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const running = main(flagsIn(scratch), io);
    await io.stdout.waitFor(/listening/);
    io.timeMs = 5000;
    io.signals.emit("SIGTERM");
    io.signals.emit("SIGTERM");
    io.timeMs = 5999;
    io.signals.emit("SIGINT");
    expect(io.exits).toEqual([]);
    expect(await running).toBe(0);
  });

  it("stops in good order on a signal that comes before it is ready", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const running = main(flagsIn(scratch), io);
    while (io.signals.listenerCount("SIGINT") === 0) await Promise.resolve();
    io.signals.emit("SIGINT");
    expect(await running).toBe(0);
    expect(existsSync(scratch.path("s.sock"))).toBe(false);
  });

  it("speaks JSON with --json, one object a line", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const running = main(flagsIn(scratch, "--json", "--export", "x"), io);
    await io.stdout.waitFor(/\n/);
    io.signals.emit("SIGTERM");
    expect(await running).toBe(0);
    expect(
      io.stdout.text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: "listening", uri: `nbd+unix:///x?socket=${scratch.path("s.sock")}`, export: "x", bytes: 65536 },
    ]);
    const logged = io.stderr.text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    expect(logged.map(({ level }) => level)).toEqual(["info", "info", "info"]);
  });

  it("serves every export of a stack file", async () => {
    using scratch = new Scratch();
    scratch.keyFile("k.key");
    const path = scratch.write(
      "stack.yaml",
      `version: 1
devices: { a: { driver: loop, file: a.img, size: 64K }, b: { driver: ram, size: 1M } }
keys: { k: { file: k.key } }
volumes: { secret: { device: a, key: k }, plain: { device: b } }
exports: [{ volume: secret, nbd: "unix:a.sock" }, { volume: plain, nbd: "tcp:127.0.0.1:0" }]
`,
    );
    const io = new FakeIo();
    const running = main(["serve", path], io);
    const [, port] = await io.stdout.waitFor(/^listening \S+\nlistening nbd:\/\/127\.0\.0\.1:(\d+)\/plain\n$/);
    expect(io.stdout.text).toContain(`listening nbd+unix:///secret?socket=${scratch.path("a.sock")}\n`);
    await using client = await NbdClient.connect({ host: "127.0.0.1", port: Number(port) }, { exportName: "plain" });
    expect(client.exportBytes).toBe(2 ** 20);
    io.signals.emit("SIGTERM");
    expect(await running).toBe(0);
    expect(existsSync(scratch.path("a.img"))).toBe(true);
    expect(io.stderr.text).toContain("b: 1.0 MiB, plain");
  });

  it("fails with the socket's path when another server has it", async () => {
    using scratch = new Scratch();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(scratch.path("s.sock"), resolve));
    const io = new FakeIo();
    expect(await main(flagsIn(scratch), io)).toBe(1);
    expect(io.stderr.text).toBe(
      `inlinecrypt: nbd_listen: another server listens on ${scratch.path("s.sock")} (EBUSY)\n`,
    );
    expect(io.stdout.text).toBe("");
    await new Promise((resolve) => other.close(resolve));
  });

  it("fails when it may encrypt in hardware only, and there is none", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    expect(await main(flagsIn(scratch, "--no-fallback"), io)).toBe(1);
    expect(io.stderr.text).toContain("does not encrypt AES-256-XTS in hardware, and the software fallback is off");
  });

  it("tells a failure as JSON with --json", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const path = scratch.write("bad.yaml", "version: 1\ndevices: {}\nfoo: 1");
    expect(await main(["serve", path, "--json"], io)).toBe(2);
    expect(JSON.parse(io.stderr.text)).toMatchObject({
      level: "error",
      exitCode: 2,
      file: path,
      problems: [{ line: 3, column: 1, message: expect.stringContaining("unknown key") }],
    });
    const usage = new FakeIo();
    expect(await main(["serve", "--json", "--size", "x"], usage)).toBe(2);
    expect(JSON.parse(usage.stderr.text)).toMatchObject({
      level: "error",
      exitCode: 2,
      msg: expect.stringMatching(/^option '--size <bytes>' argument 'x' is invalid/),
    });
  });

  it.each([
    [[], "serve needs a stack file, or --file and --key-file; --file is missing"],
    [["--file", "x"], "serve needs a stack file, or --file and --key-file; --key-file is missing"],
    [
      ["s.yaml", "--file", "x", "--no-fallback"],
      "--file, --no-fallback cannot be combined with a stack file; s.yaml says it all",
    ],
    [["s.yaml", "--mode", "AES-256-XTS"], "--mode cannot be combined"],
    [["a.yaml", "b.yaml"], "too many arguments"],
    [["--file", "x", "--key-file", "k", "--size", "1MB"], "512, 256MiB, 1GiB"],
    [["--file", "x", "--key-file", "k", "--mode", "x"], "AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS"],
    [["--file", "x", "--key-file", "k", "--data-unit-size", "1000"], "expected a power of two from 512 to 65536"],
    [["--file", "x", "--key-file", "k", "--listen", "/s"], "expected unix:PATH or tcp:HOST:PORT"],
  ])("refuses %j as wrong usage", async (options, message) => {
    const io = new FakeIo();
    expect(await main(["serve", ...options], io)).toBe(2);
    expect(io.stderr.text).toContain(message);
    expect(io.stdout.text).toBe("");
  });

  it("refuses a stack file without exports", async () => {
    using scratch = new Scratch();
    const io = new FakeIo();
    const path = scratch.write("s.yaml", "version: 1\ndevices: {}");
    expect(await main(["serve", path], io)).toBe(2);
    expect(io.stderr.text).toBe(`inlinecrypt: ${path}: "exports" is empty, nothing to serve\n`);
  });
});

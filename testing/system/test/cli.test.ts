import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NbdClient } from "@inlinecrypt/nbd";
import { assertCiphertext, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, it } from "vitest";
import { Scratch, Serve } from "./support/serve.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const bin = `${root}packages/inlinecrypt/bin/inlinecrypt.js`;

interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs the command to its end, as a user would. */
function inlinecrypt(args: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], { timeout: 60_000, killSignal: "SIGKILL" });
    const stdout: Buffer[] = [];
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
    // A command that refuses its arguments does not wait for its input.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

describe("inlinecrypt, the program", () => {
  it("says what it is", async () => {
    const [help, version, nothing] = await Promise.all([
      inlinecrypt(["--help"]),
      inlinecrypt(["--version"]),
      inlinecrypt([]),
    ]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout.toString()).toContain("Usage: inlinecrypt");
    expect(version.stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining("Usage: inlinecrypt") });
  });

  it("runs the demo without a terminal, colours or leftovers", async () => {
    const image = `${root}testing/vectors/data/fscrypt-ext4.img.gz`;
    const { code, stdout, stderr } = await inlinecrypt(["demo", "--image", image]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const screen = stdout.toString();
    // The magic number of ext4, 0xEF53, at byte 56 of the superblock at 1024.
    expect(screen).toMatch(/^00000438 {2}53 ef /m);
    expect(screen).not.toContain("\u001b");
    expect(screen.trimEnd().split("\n").length).toBeLessThan(24);
  });

  it("shows the engines", async () => {
    const { code, stdout } = await inlinecrypt(["engines", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString()).engines).toContainEqual(
      expect.objectContaining({ name: "node", chosen: true }),
    );
  });
});

describe("inlinecrypt crypt, the program", () => {
  const vectors = kernelVectors({ mode: "AES-256-XTS" }).filter(({ dunStep }) => dunStep === 1n);
  const largest = vectors.reduce((a, b) => (b.dataUnitSize * b.dataUnits > a.dataUnitSize * a.dataUnits ? b : a));
  const smallest = vectors.reduce((a, b) => (b.dataUnitSize * b.dataUnits < a.dataUnitSize * a.dataUnits ? b : a));

  it.each([largest, smallest])("reproduces what the kernel wrote, through pipes: $id", async (vector) => {
    using scratch = new Scratch();
    writeFileSync(scratch.path("hex.key"), `${Buffer.from(vector.key).toString("hex")}\n`, { mode: 0o600 });
    const options = [
      ...["--key-file", scratch.path("hex.key"), "--mode", vector.mode],
      ...["--data-unit-size", `${vector.dataUnitSize}`, "--first-dun", `${vector.firstDun}`],
    ];
    const plaintext = vector.plaintext();
    const encrypted = await inlinecrypt(["crypt", "encrypt", ...options], plaintext);
    expect(encrypted).toMatchObject({ code: 0, stderr: "" });
    assertCiphertext(vector, encrypted.stdout);
    const decrypted = await inlinecrypt(["crypt", "decrypt", ...options], encrypted.stdout);
    expect(decrypted.stdout.equals(plaintext)).toBe(true);
  });

  it("ends quietly when its reader leaves", async () => {
    using scratch = new Scratch();
    const { path } = scratch.keyFile();
    const child = spawn(process.execPath, [bin, "crypt", "encrypt", "--key-file", path]);
    const ended = new Promise((resolve) => child.on("close", resolve));
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {});
    child.stdout.once("data", () => child.stdout.destroy());
    const block = new Uint8Array(65536);
    const feed = (): void => {
      while (child.stdin.writable && child.stdin.write(block));
    };
    child.stdin.on("drain", feed);
    feed();
    expect(await ended).toBe(0);
    expect(stderr).toBe("");
  });
});

describe("inlinecrypt serve, the program", () => {
  it("serves what crypt decrypts, and ends with 0 and without its socket on SIGINT and SIGTERM", async () => {
    using scratch = new Scratch();
    const { path: keyFile } = scratch.keyFile();
    const socket = scratch.path("s.sock");
    const args = [
      "--file",
      scratch.path("disk.img"),
      "--size",
      "1MiB",
      "--key-file",
      keyFile,
      "--listen",
      `unix:${socket}`,
    ];
    const content = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 13) & 255);
    await using first = await Serve.start(...args);
    expect(first.uri).toBe(`nbd+unix:///?socket=${socket}`);
    const client = await NbdClient.connect({ unix: socket }, { exportName: "" });
    await client.write(0, content);
    expect(await first.stop("SIGTERM")).toBe(0);
    await client.close();
    expect(existsSync(socket)).toBe(false);

    const decrypted = await inlinecrypt(
      ["crypt", "decrypt", "--key-file", keyFile],
      readFileSync(scratch.path("disk.img")),
    );
    expect(decrypted.stdout.equals(content)).toBe(true);

    await using second = await Serve.start(...args);
    expect(await second.stop("SIGINT")).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it("listens on TCP, and on a socket that a killed server left", async () => {
    using scratch = new Scratch();
    const { path: keyFile } = scratch.keyFile();
    const disk = ["--file", scratch.path("disk.img"), "--size", "64KiB", "--key-file", keyFile];
    await using tcp = await Serve.start(...disk, "--listen", "tcp:127.0.0.1:0", "--export", "disk");
    const { port, pathname } = new URL(tcp.uri);
    expect(pathname).toBe("/disk");
    const client = await NbdClient.connect({ host: "127.0.0.1", port: Number(port) }, { exportName: "disk" });
    expect(client.exportBytes).toBe(65536);
    await client.close();
    await tcp.stop("SIGKILL");

    const socket = scratch.path("s.sock");
    await using killed = await Serve.start(...disk, "--listen", `unix:${socket}`);
    expect(await killed.stop("SIGKILL")).toBe("SIGKILL");
    expect(existsSync(socket)).toBe(true);
    await using again = await Serve.start(...disk, "--listen", `unix:${socket}`);
    expect(await again.stop("SIGTERM")).toBe(0);
  });

  it("leaves a busy socket to its owner", async () => {
    using scratch = new Scratch();
    const { path: keyFile } = scratch.keyFile();
    const socket = scratch.path("s.sock");
    const args = [
      "--file",
      scratch.path("disk.img"),
      "--size",
      "64KiB",
      "--key-file",
      keyFile,
      "--listen",
      `unix:${socket}`,
    ];
    await using owner = await Serve.start(...args);
    const second = await inlinecrypt(["serve", ...args]);
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`another server listens on ${socket} (EBUSY)`),
    });
    const client = await NbdClient.connect({ unix: socket }, { exportName: "" });
    expect(await client.read(0, 16)).toHaveLength(16);
    await client.close();
    expect(await owner.stop("SIGTERM")).toBe(0);
  });

  it("serves a stack file from another folder, its paths being relative to it", async () => {
    using scratch = new Scratch();
    scratch.keyFile("k.key");
    writeFileSync(
      scratch.path("stack.yaml"),
      `version: 1
devices:
  disk: { driver: loop, file: ./disk.img, size: 64KiB }
keys:
  k: { mode: AES-256-XTS, dataUnitSize: 512, dunBytes: 8, file: ./k.key }
volumes:
  secret: { device: disk, key: k, firstDun: 0 }
exports:
  - { volume: secret, nbd: "unix:./secret.sock" }
`,
    );
    await using serve = await Serve.start(scratch.path("stack.yaml"));
    expect(serve.uri).toBe(`nbd+unix:///secret?socket=${scratch.path("secret.sock")}`);
    expect(await serve.stop("SIGTERM")).toBe(0);
  });
});

describe("bad input", () => {
  /** A stack of good parts in which a test spoils one. */
  function prepare(scratch: Scratch): void {
    const { key } = scratch.keyFile();
    writeFileSync(scratch.path("short.key"), key.subarray(0, 32), { mode: 0o600 });
    writeFileSync(scratch.path("equal.key"), Buffer.concat([key.subarray(0, 32), key.subarray(0, 32)]), {
      mode: 0o600,
    });
    writeFileSync(scratch.path("disk.img"), new Uint8Array(8192));
    writeFileSync(scratch.path("uneven.img"), new Uint8Array(4608));
    writeFileSync(
      scratch.path("unknown-key.yaml"),
      "version: 1\ndevices:\n  d: { driver: ram, size: 1M, colour: red }\n",
    );
  }

  it.each<[string, Record<string, string>, number, string]>([
    [
      "a key of the wrong length",
      { "key-file": "short.key" },
      1,
      "short.key holds 32 bytes; a key for AES-256-XTS is 64 bytes",
    ],
    ["equal key halves", { "key-file": "equal.key" }, 1, "equal.key: the two halves of the AES-256-XTS key are equal"],
    ["a missing key file", { "key-file": "none.key" }, 1, "none.key: no such file or folder (ENOENT)"],
    ["a folder as a key file", { "key-file": "." }, 1, "it is a folder (EISDIR)"],
    [
      "a data unit that is no power of two",
      { "data-unit-size": "1000" },
      2,
      "expected a power of two from 512 to 65536",
    ],
    ["a data unit that is too large", { "data-unit-size": "131072" }, 2, "expected a power of two from 512 to 65536"],
    [
      "a data unit larger than the file",
      { "data-unit-size": "16384" },
      1,
      "8192 bytes are not a multiple of the data unit of 16384",
    ],
    [
      "a file that is no multiple of the data unit",
      { file: "uneven.img" },
      1,
      "4608 bytes are not a multiple of the data unit of 4096",
    ],
    ["a missing file", { file: "none.img" }, 1, "none.img cannot be opened: it does not exist"],
    ["a folder as a file", { file: "." }, 1, "is a folder, expected a file"],
    ["a size the file does not have", { size: "1MiB" }, 1, "exists with 8192 bytes, expected 1048576"],
    [
      "an unknown mode",
      { mode: "AES-256-GCM" },
      2,
      "expected a mode: AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS",
    ],
    ["an address that is none", { listen: "here" }, 2, "expected unix:PATH or tcp:HOST:PORT"],
    ["a socket in a folder that is not there", { listen: "unix:none/s.sock" }, 1, "cannot listen on"],
  ])("%s", async (_, change, exitCode, message) => {
    using scratch = new Scratch();
    prepare(scratch);
    const inScratch = (name: string): string => (name === "." ? scratch.folder : scratch.path(name));
    const options = Object.entries({ file: "disk.img", "key-file": "disk.key", listen: "unix:s.sock", ...change });
    const args = options.flatMap(([name, value]) => [
      `--${name}`,
      name.endsWith("file") ? inScratch(value) : value.replace(/^unix:/, `unix:${scratch.folder}/`),
    ]);
    const ended = await inlinecrypt(["serve", ...args]);
    expect(ended.stderr).toContain(message);
    expect(ended).toMatchObject({ code: exitCode, stdout: Buffer.alloc(0) });
    expect(ended.stderr).not.toContain("    at ");
    expect(existsSync(scratch.path("s.sock"))).toBe(false);
  });

  it("an unknown stack key is told with its line and the keys there are", async () => {
    using scratch = new Scratch();
    prepare(scratch);
    const path = scratch.path("unknown-key.yaml");
    expect(await inlinecrypt(["serve", path])).toMatchObject({
      code: 2,
      stderr: `inlinecrypt: ${path}:3:31: devices.d.colour: unknown key; a device has driver, size\n`,
    });
  });
});

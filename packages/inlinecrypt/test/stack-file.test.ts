import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { RequestError, UsageError } from "../src/failure.js";
import { loadStackFile } from "../src/stack/stack-file.js";
import { StackFileError } from "../src/stack/stack-file-error.js";
import { parseStackText } from "../src/stack/stack-text.js";
import { Scratch } from "./support/scratch.js";

/** Every problem of a stack file, as `line:column message`. */
function problemsOf(text: string): string[] {
  try {
    parseStackText(text, "stack.yaml");
  } catch (error) {
    if (error instanceof StackFileError) return error.problems.map((p) => `${p.line}:${p.column} ${p.message}`);
    throw error;
  }
  return [];
}

describe("a good stack file", () => {
  it("is read with sizes in bytes and paths from its folder", async () => {
    using scratch = new Scratch();
    const path = scratch.write(
      "stack.yaml",
      `version: 1
devices:
  disk: { driver: loop, file: ./disk.img, size: 1GiB }
  scratch: { driver: ram, size: 512 }
keys:
  k: { mode: AES-256-XTS, dataUnitSize: 4KiB, dunBytes: 8, file: keys/k.key }
volumes:
  secret: { device: disk, key: k, firstDun: 0xffffffffffffffffffff }
  plain: { device: scratch }
exports:
  - { volume: secret, nbd: "unix:./secret.sock" }
  - { volume: plain, nbd: "tcp:127.0.0.1:0", name: other, readOnly: true }
`,
    );
    expect(await loadStackFile(path)).toEqual({
      version: 1,
      devices: {
        disk: { driver: "loop", file: scratch.path("disk.img"), size: 2 ** 30 },
        scratch: { driver: "ram", size: 512 },
      },
      keys: { k: { mode: "AES-256-XTS", dataUnitSize: 4096, dunBytes: 8, file: scratch.path("keys/k.key") } },
      volumes: { secret: { device: "disk", key: "k", firstDun: 2n ** 80n - 1n }, plain: { device: "scratch" } },
      exports: [
        { volume: "secret", nbd: { unix: scratch.path("secret.sock") } },
        { volume: "plain", nbd: { host: "127.0.0.1", port: 0 }, name: "other", readOnly: true },
      ],
    });
  });

  it("may hold devices only, and two names on one socket", () => {
    expect(problemsOf("version: 1\ndevices: { d: { driver: ram, size: 1M } }")).toEqual([]);
    expect(
      problemsOf(`version: 1
devices: { d: { driver: ram, size: 1M } }
volumes: { v: { device: d } }
exports: [{ volume: v, nbd: unix:a }, { volume: v, nbd: unix:a, name: w }]`),
    ).toEqual([]);
  });
});

const NAME_RULE =
  "a name is up to 64 letters, digits, dots, dashes and underscores, starts with a letter or digit, and is no whole number";

describe("what is wrong in a stack file is told with line, column and what was expected", () => {
  const top = "version: 1\ndevices:\n";

  it.each<[string, string, string[]]>([
    [
      "nothing",
      "",
      ["1:1 expected a stack with the keys version, cryptoFallback, devices, keys, volumes, exports, found nothing"],
    ],
    [
      "a list",
      "- 1",
      ["1:1 expected a stack with the keys version, cryptoFallback, devices, keys, volumes, exports, found a list"],
    ],
    ["another version", "version: 2\ndevices: {}", ["1:10 version: expected 1, the only version there is, found 2"]],
    ["no version", "devices: {}", ["1:1 version: expected 1; it is missing"]],
    [
      "an unknown key",
      "version: 1\ndevices: {}\nvolume: {}",
      ["3:1 volume: unknown key; a stack has version, cryptoFallback, devices, keys, volumes, exports"],
    ],
    [
      "an unknown device key",
      `${top}  d: { driver: ram, size: 1M, sise: 2 }`,
      ["3:31 devices.d.sise: unknown key; a device has driver, size"],
    ],
    [
      "an unknown driver",
      `${top}  d:\n    driver: zfs`,
      ['4:13 devices.d.driver: unknown driver "zfs", expected loop, ram, ufs or dm'],
    ],
    [
      "no driver",
      `${top}  d: { size: 1M }`,
      ["3:6 devices.d.driver: expected a device with a driver: loop, ram, ufs or dm"],
    ],
    [
      "a UFS disk of no size",
      `${top}  d: { driver: ufs }`,
      ["3:6 devices.d: expected a size (in memory), a backing (a file), or both"],
    ],
    [
      "too many keyslots",
      `${top}  d: { driver: ufs, size: 1M, keyslots: 33 }`,
      ["3:41 devices.d.keyslots: expected a number of keyslots from 1 to 32, found 33"],
    ],
    [
      "a data unit size that is none",
      `${top}  d: { driver: ufs, size: 1M, dataUnitSizes: [4096, 5000] }`,
      ["3:53 devices.d.dataUnitSizes[1]: expected a power of two from 512 to 65536, found 5000"],
    ],
    ["an empty table", `${top}  d: { driver: dm, table: [] }`, ["3:27 devices.d.table: expected at least one line"]],
    [
      "a table that is no list",
      `${top}  d: { driver: dm, table: "0 8 zero" }`,
      ["3:27 devices.d.table: expected a list of table lines, found text"],
    ],
    [
      "neither file nor device",
      `${top}  d: { driver: loop }`,
      ["3:6 devices.d: expected a file (of the host) or a device (of this stack), one of them"],
    ],
    [
      "both file and device",
      `${top}  r: { driver: ram, size: 1M }\n  d: { driver: loop, file: f, device: r }`,
      ["4:6 devices.d: expected a file (of the host) or a device (of this stack), one of them"],
    ],
    [
      "the size of a device",
      `${top}  r: { driver: ram, size: 1M }\n  d: { driver: loop, device: r, size: 1M }`,
      ["4:39 devices.d.size: a loop device on another device is as large as that; size is for files"],
    ],
    [
      "a loop device on one that comes later",
      `${top}  d: { driver: loop, device: r }\n  r: { driver: ram, size: 1M }`,
      ['3:30 devices.d.device: no device "r" before it; there is none'],
    ],
    [
      "a loop device on itself",
      `${top}  r: { driver: ram, size: 1M }\n  d: { driver: loop, device: d }`,
      ['4:30 devices.d.device: no device "d" before it; there is r'],
    ],
    [
      "an empty file name",
      `${top}  d: { driver: loop, file: "" }`,
      ["3:28 devices.d.file: expected the path of a file"],
    ],
    [
      "a path that no system takes",
      `${top}  d: { driver: loop, file: "a\\0b" }`,
      ["3:28 devices.d.file: expected the path of a file, without NUL"],
    ],
    [
      "a bad size",
      `${top}  d: { driver: ram, size: 1MB }`,
      [
        '3:27 devices.d.size: expected a number of bytes, alone or with KiB, MiB, GiB or TiB: 512, 256MiB, 1GiB, found "1MB"',
      ],
    ],
    [
      "half a sector",
      `${top}  d: { driver: ram, size: 256 }`,
      ["3:27 devices.d.size: expected a multiple of 512 bytes, at least one, found 256"],
    ],
    [
      "a bad name",
      `${top}  a b: { driver: ram, size: 1M }`,
      [
        "3:3 devices.a b: a name is up to 64 letters, digits, dots, dashes and underscores, starts with a letter or digit, and is no whole number",
      ],
    ],
    [
      "a number for a name, which would come before the devices above it",
      `${top}  disk: { driver: ram, size: 1M }\n  "1": { driver: loop, device: disk }`,
      [
        "4:3 devices.1: a name is up to 64 letters, digits, dots, dashes and underscores, starts with a letter or digit, and is no whole number",
      ],
    ],
    [
      "a word for a flag",
      `${top}  d: { driver: loop, file: f, readOnly: 1 }`,
      ["3:41 devices.d.readOnly: expected true or false, found 1"],
    ],
  ])("%s", (_, text, problems) => expect(problemsOf(text)).toEqual(problems));

  const stack = (rest: string) => `version: 1\ndevices: { d: { driver: ram, size: 1M } }\n${rest}`;

  it.each<[string, string, string[]]>([
    [
      "an unknown mode",
      "keys: { k: { file: f, mode: AES-XTS } }",
      ['3:29 keys.k.mode: expected a mode: AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS, found "AES-XTS"'],
    ],
    [
      "a data unit that is no power of two",
      "keys: { k: { file: f, dataUnitSize: 1000 } }",
      ["3:37 keys.k.dataUnitSize: expected a power of two from 512 to 65536, found 1000"],
    ],
    [
      "a data unit out of range",
      "keys: { k: { file: f, dataUnitSize: 128KiB } }",
      ['3:37 keys.k.dataUnitSize: expected a power of two from 512 to 65536, found "128KiB"'],
    ],
    [
      "too many DUN bytes",
      "keys: { k: { file: f, dunBytes: 33 } }",
      ["3:33 keys.k.dunBytes: expected a number of bytes from 1 to 32, found 33"],
    ],
    [
      "a negative DUN",
      "keys: { k: { file: f } }\nvolumes: { v: { device: d, key: k, firstDun: -1 } }",
      ["4:46 volumes.v.firstDun: expected a number from 0, decimal or with 0x, found -1"],
    ],
    [
      "a DUN without a key",
      "volumes: { v: { device: d, firstDun: 1 } }",
      ["3:38 volumes.v.firstDun: a volume without a key has no DUNs"],
    ],
    [
      "a device that is not there",
      "volumes: { v: { device: e } }",
      ['3:25 volumes.v.device: no device "e"; there is d'],
    ],
    [
      "a device by the name of a method",
      "volumes: { v: { device: constructor } }",
      ['3:25 volumes.v.device: no device "constructor"; there is d'],
    ],
    [
      "a key that is not there",
      "volumes: { v: { device: d, key: k } }",
      ["3:33 volumes.v.key: no key of this name; there is none"],
    ],
    ["a number in the place of a list", "keys: 5", ["3:7 keys: expected keys by name, found a number"]],
    [
      "a volume that is not there",
      "exports: [{ volume: v, nbd: unix:s }]",
      ['3:21 exports[0].volume: no volume "v"; there is none'],
    ],
    [
      "a bad address",
      "exports: [{ volume: v, nbd: s.sock }]",
      [
        '3:29 exports[0].nbd: expected unix:PATH or tcp:HOST:PORT: unix:./disk.sock, tcp:127.0.0.1:10809, found "s.sock"',
      ],
    ],
    [
      "one name twice on a socket",
      "volumes: { v: { device: d } }\nexports:\n  - { volume: v, nbd: unix:s }\n  - { volume: v, nbd: unix:s }",
      ['6:5 exports[1]: unix:s has an export named "v" already, exports[0]; give this one another name'],
    ],
    [
      "one device on two sockets",
      "volumes: { v: { device: d } }\nexports:\n  - { volume: v, nbd: unix:s }\n  - { volume: v, nbd: unix:t }",
      ['6:23 exports[1].nbd: device "d" is exported on unix:s already; all exports of a device share an address'],
    ],
    ["one name for two devices", "devices: {}", ["3:1 Map keys must be unique"]],
    ["a volume named __proto__", "volumes: { __proto__: { device: d } }", [`3:12 volumes.__proto__: ${NAME_RULE}`]],
    ["a second document", "---\nversion: 1", ["3:1 a second document starts here; a stack file is one"]],
    ["an alias of nothing", "keys: *k", ["3:7 Unresolved alias (the anchor must be set before the alias): k"]],
    [
      "aliases that multiply",
      `a: &a [1, 1]\nb: &b [${"*a, ".repeat(20)}]\nc: [${"*b, ".repeat(20)}]`,
      ["1:1 Excessive alias count indicates a resource exhaustion attack"],
    ],
    ["no YAML", "keys: [", ["3:8 Flow sequence in block collection must be sufficiently indented and end with a ]"]],
  ])("%s", (_, rest, problems) => expect(problemsOf(stack(rest))).toEqual(problems));

  it("one name twice on a socket that is spelled in two ways", () => {
    const two = (second: string) =>
      stack(`volumes: { v: { device: d } }\nexports:\n  - { volume: v, nbd: unix:s }\n  - ${second}`);
    const taken = 'has an export named "v" already, exports[0]; give this one another name';
    expect(problemsOf(two("{ volume: v, nbd: unix:./s }"))).toEqual([`6:5 exports[1]: unix:./s ${taken}`]);
    expect(problemsOf(two(`{ volume: v, nbd: "unix:${resolve("s")}" }`))).toHaveLength(1);
    expect(problemsOf(two("{ volume: v, nbd: unix:./s, name: w }"))).toEqual([]);
  });

  it("all at once, in order of lines", () => {
    const problems = problemsOf("foo: 1\nversion: 3\ndevices: 4");
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual(["1:1", "2:10", "3:10"]);
  });

  it("also behind an alias", () => {
    const text = "version: 1\ndevices:\n  a: &x { driver: ram, size: 5 }\n  b: *x";
    expect(problemsOf(text).map((problem) => problem.split(" ")[0])).toEqual(["3:30", "3:30"]);
  });

  it("and with the file's name, as a usage error", () => {
    const error = new StackFileError("my.yaml", [{ line: 3, column: 4, message: "expected this" }]);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe("my.yaml:3:4: expected this");
  });
});

it("tells of the first ten problems of a file that is none, and how many more there are", () => {
  const problems = Array.from({ length: 12 }, (_, line) => ({ line: line + 1, column: 1, message: "expected a key" }));
  const lines = new StackFileError("README.md", problems).message.split("\n");
  expect([lines.length, lines[9], lines[10]]).toEqual([
    11,
    "README.md:10:1: expected a key",
    "README.md: and 2 more problems",
  ]);
});

describe("a stack file with a key in the wrong place is refused without the key", () => {
  const hex = "00112233445566778899aabbccddeeff".repeat(4);
  const top = "version: 1\ndevices: { d: { driver: ram, size: 1M } }\n";

  it.each([
    ["instead of the file", hex],
    ["that YAML takes for a number", "1234567890".repeat(12)],
    ["instead of its file's name", `${top}keys: { k: ${hex} }`],
    ["instead of keys", `${top}keys: ${hex}`],
    ["in a table that is no list", `version: 1\ndevices: { d: { driver: dm, table: "0 8 crypt aes ${hex} 0 e 0" } }`],
    ["instead of its name", `${top}keys: { k: { file: f } }\nvolumes: { v: { device: d, key: ${hex} } }`],
    ["instead of its name, a short one", `${top}volumes: { v: { device: d, key: ${hex.slice(0, 32)} } }`],
  ])("%s", (_, text) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toMatch(/00112233|12345678/);
  });

  it("in raw bytes", async () => {
    using scratch = new Scratch();
    const path = scratch.write(
      "k.key",
      Uint8Array.from({ length: 64 }, (_, at) => at * 3),
    );
    await expect(loadStackFile(path)).rejects.toThrow(
      new UsageError(`${path}: expected a stack file, which is text in UTF-8; this is not`),
    );
  });
});

describe("a stack file that cannot be read", () => {
  it("is a failed request that names it", async () => {
    using scratch = new Scratch();
    const path = scratch.path("none.yaml");
    await expect(loadStackFile(path)).rejects.toThrow(
      new RequestError(`cannot read stack file ${path}: no such file or folder (ENOENT)`),
    );
    await expect(loadStackFile(scratch.folder)).rejects.toThrow("it is a folder (EISDIR)");
  });

  it("is refused when it is a disk image", async () => {
    using scratch = new Scratch();
    const path = scratch.write("disk.img", new Uint8Array(2 ** 20 + 1));
    await expect(loadStackFile(path)).rejects.toThrow(`${path} has over 1048576 bytes, too many for a stack file`);
  });

  it.skipIf(process.platform === "win32")("is refused when it has no end", async () => {
    await expect(loadStackFile("/dev/zero")).rejects.toThrow("/dev/zero has over 1048576 bytes");
  });
});

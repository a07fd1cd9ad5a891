import { readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { BlkBug } from "@inlinecrypt/blk-core";
import { cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { expect, it } from "vitest";
import { reportFailure } from "../src/command/report-failure.js";
import { allocCipher, chooseEngine, createEngines } from "../src/engines.js";
import { InterruptedError, RequestError } from "../src/failure.js";
import { main } from "../src/main.js";
import { FakeIo } from "./support/fake-io.js";
import { Scratch } from "./support/scratch.js";

it("shows its help and its version, and ends with 0", async () => {
  const help = new FakeIo();
  expect(await main(["--help"], help)).toBe(0);
  for (const command of ["serve", "crypt", "engines", "sysfs", "dm", "demo"])
    expect(help.stdout.text).toContain(`  ${command} `);
  expect(help.stdout.text).toContain("130 or 143 ended by a signal");
  const version = new FakeIo();
  expect(await main(["--version"], version)).toBe(0);
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(version.stdout.text).toBe(`${manifest.version}\n`);
});

it.each(["serve", "crypt", "engines", "sysfs", "dm", "demo"])("explains %s", async (command) => {
  const io = new FakeIo();
  expect(await main([command, "--help"], io)).toBe(0);
  expect(io.stdout.text).toContain(`Usage: inlinecrypt ${command}`);
});

it.each(["serve", "crypt", "engines", "sysfs", "dm", "demo"])(
  "fills the lines of what it says of %s",
  async (command) => {
    const io = new FakeIo();
    await main([command, "--help"], io);
    const lines = io.stdout.text.split("\n\n")[1]!.split("\n");
    const width = process.stdout.columns ?? 80;
    lines.slice(0, -1).forEach((line, index) => {
      const nextWord = lines[index + 1]!.split(" ")[0]!;
      if (!line.endsWith(".")) expect(`${line} ${nextWord}`.length).toBeGreaterThanOrEqual(width);
    });
  },
);

it("explains how serve ends", async () => {
  const io = new FakeIo();
  expect(await main(["serve", "--help"], io)).toBe(0);
  expect(io.stdout.text.replace(/\s+/g, " ")).toContain(
    "another one, a second or more later, ends the process at once",
  );
});

it.each([
  [[], "Usage: inlinecrypt"],
  [["serv"], "unknown command 'serv'\n(Did you mean serve?)"],
  [["serve", "--fil", "x"], "unknown option '--fil'\n(Did you mean --file?)"],
  [["crypt", "sideways", "--key-file", "k"], "Allowed choices are encrypt, decrypt"],
])("ends %j with 2 and a hint", async (argv, message) => {
  const io = new FakeIo();
  expect(await main(argv, io)).toBe(2);
  expect(io.stderr.text).toContain(message);
  expect(io.stdout.text).toBe("");
});

it("shows the engines as a table and as JSON", async () => {
  const table = new FakeIo();
  expect(await main(["engines"], table)).toBe(0);
  expect(table.stdout.text).toMatch(/node +│ yes, serves by default/);
  expect(table.stdout.text).toMatch(/portable +│ yes +│ xts\(aes\) +│ JavaScript, AES block/);
  expect(table.stdout.text).toMatch(/│ xts\(sm4\) +│ OpenSSL \d/);
  const json = new FakeIo();
  expect(await main(["engines", "--json"], json)).toBe(0);
  expect(JSON.parse(json.stdout.text).engines).toEqual([
    expect.objectContaining({
      name: "node",
      available: true,
      chosen: true,
      algorithms: expect.arrayContaining([
        { cipher: "xts(sm4)", available: true, computedBy: expect.stringContaining("OpenSSL") },
      ]),
    }),
    expect.objectContaining({ name: "portable", available: true, chosen: false }),
  ]);
});

it.each([["engines"], ["engines", "--json"], ["sysfs", "STACK"], ["dm", "table", "STACK"], ["demo", "STACK"]])(
  "%s %s %s ends with 1 when its result cannot be written, and with 0 when nobody reads it",
  async (...argv) => {
    using scratch = new Scratch();
    const stack = scratch.write("stack.yaml", "version: 1\ndevices: { d: { driver: ram, size: 1M } }\n");
    const failing = async (code: string) => {
      const io = new FakeIo();
      const error = Object.assign(new Error("write failed"), { code, syscall: "write" });
      const stdout = new Writable({ write: (_chunk, _encoding, done) => done(error) });
      stdout.on("error", () => {});
      const given = argv.map((each) => (each === "STACK" ? stack : each));
      return [await main(given, { ...io, stdout }), io.stderr.text];
    };
    expect(await failing("EPIPE")).toEqual([0, ""]);
    const [exitCode, said] = await failing("ENOSPC");
    expect([exitCode, said]).toEqual([1, expect.stringContaining("cannot write standard output: no space left")]);
  },
);

it("passes over engines that do not run, and says why when none does", () => {
  const [node, portable] = createEngines();
  const broken = (name: string) => ({
    ...{ name, ciphers: [], supports: () => false, alloc: () => expect.fail("a broken engine is used") },
    describe: () => ({ name, available: false, reason: "wrong answer", ciphers: [], algorithms: [], detail: "" }),
  });
  expect(chooseEngine([broken("a"), portable!, node!])).toBe(portable);
  expect(() => chooseEngine([broken("a"), broken("b")])).toThrow("(a: wrong answer; b: wrong answer)");
});

it("a cipher comes from the first engine that computes it right, and no other is tested", () => {
  const mode = cryptoModeByName("Adiantum");
  const failing: SkcipherEngine = {
    ...{ name: "failing", ciphers: [mode.cipher], supports: () => true, describe: () => expect.fail("all are tested") },
    alloc: () => {
      throw new Error("wrong answer");
    },
  };
  const portable = createEngines()[1]!;
  expect(allocCipher(mode, [failing, portable]).name).toBe(mode.cipher);
  expect(() => allocCipher(mode, [failing])).toThrow("wrong answer");
  expect(() => allocCipher(mode, [])).toThrow(/no cipher engine here computes adiantum/);
});

it("calls what nobody expected a bug, and shows where it is", () => {
  const io = new FakeIo();
  expect(reportFailure(io, new BlkBug("a slot is put twice"), false)).toBe(1);
  expect(io.stderr.text).toContain("this is a bug in inlinecrypt, please report it: BlkBug: a slot is put twice");
  expect(io.stderr.text).toContain("main.test.ts");
});

it("tells what failed first when closing up failed too, and every part of a failed closing", () => {
  const io = new FakeIo();
  const suppressing = Object.assign(new Error("suppressed"), {
    error: new RequestError("closing failed"),
    suppressed: new InterruptedError("SIGTERM"),
  });
  expect(reportFailure(io, suppressing, false)).toBe(143);
  expect(reportFailure(io, new AggregateError([new RequestError("one"), new RequestError("two")]), false)).toBe(1);
  expect(io.stderr.text).toBe("inlinecrypt: interrupted by SIGTERM\ninlinecrypt: one\ninlinecrypt: two\n");
});

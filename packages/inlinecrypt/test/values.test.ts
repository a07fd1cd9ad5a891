import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatListenAddress,
  parseByteSize,
  parseDataUnitBytes,
  parseDiskBytes,
  parseDun,
  parseDunBytes,
  parseListenAddress,
  parseModeName,
  ValueError,
} from "../src/values.js";

describe("sizes", () => {
  it.each([
    ["0", 0],
    ["512", 512],
    ["512b", 512],
    ["4k", 4096],
    ["4KiB", 4096],
    ["256 MiB", 2 ** 28],
    ["1G", 2 ** 30],
    ["1gib", 2 ** 30],
    ["8TiB", 2 ** 43],
  ])("%s is %i bytes", (text, bytes) => expect(parseByteSize(text)).toBe(bytes));

  it.each(["", "MiB", "1.5GiB", "-1", "1MB", "1 GB", "0x10", "1e3", "9007199254740993", "8192TiB", "1G G"])(
    "refuses %j",
    (text) => expect(() => parseByteSize(text)).toThrow(ValueError),
  );

  it("says what a size looks like", () => {
    expect(() => parseByteSize("1MB")).toThrow(/KiB, MiB, GiB or TiB: 512, 256MiB, 1GiB/);
  });

  it.each(["0", "100", "513"])("refuses a disk of %s bytes", (text) => {
    expect(() => parseDiskBytes(text)).toThrow("expected a multiple of 512 bytes, at least one");
  });

  it.each([
    [1023, "1023 bytes"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [2 ** 20 - 1, "1.0 MiB"],
    [2 ** 43, "8.0 TiB"],
    [2 ** 53, "8192.0 TiB"],
  ])("shows %i as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("data units", () => {
  it.each(["512", "1KiB", "4096", "64k"])("accepts %s", (text) => {
    expect(parseDataUnitBytes(text)).toBe(parseByteSize(text));
  });

  it.each(["0", "256", "511", "1000", "4095", "131072", "64MiB"])("refuses %s", (text) => {
    expect(() => parseDataUnitBytes(text)).toThrow("expected a power of two from 512 to 65536");
  });
});

describe("data unit numbers", () => {
  it.each([
    ["0", 0n],
    ["12345678901234567890", 12345678901234567890n],
    ["0xff", 255n],
    [`0x${"f".repeat(64)}`, 2n ** 256n - 1n],
  ])("%s", (text, dun) => expect(parseDun(text)).toBe(dun));

  it.each(["", "-1", "1.0", "ten", "0x", `0x1${"0".repeat(64)}`, "9".repeat(78)])("refuses %j", (text) => {
    expect(() => parseDun(text)).toThrow(ValueError);
  });

  it("counts DUN bytes from 1 to 32", () => {
    expect(parseDunBytes("32")).toBe(32);
    for (const text of ["0", "33", "-1", "1.5"]) expect(() => parseDunBytes(text)).toThrow("from 1 to 32");
  });
});

describe("addresses", () => {
  it.each([
    ["unix:./a b.sock", { unix: "./a b.sock" }],
    ["tcp:127.0.0.1:10809", { host: "127.0.0.1", port: 10809 }],
    ["tcp:localhost:0", { host: "localhost", port: 0 }],
    ["tcp:[::1]:7", { host: "::1", port: 7 }],
  ])("%s", (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
    expect(formatListenAddress(address)).toBe(text);
  });

  it.each(["", "unix:", "tcp:host", "tcp::80", "tcp:host:65536", "tcp:::1:80", "/tmp/a.sock", "http://a:80"])(
    "refuses %j",
    (text) => expect(() => parseListenAddress(text)).toThrow("expected unix:PATH or tcp:HOST:PORT"),
  );
});

describe("modes", () => {
  it("are spelled as in the kernel, and listed to whoever spells them otherwise", () => {
    expect(parseModeName("SM4-XTS")).toBe("SM4-XTS");
    expect(() => parseModeName("aes-256-xts")).toThrow("AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS");
  });
});

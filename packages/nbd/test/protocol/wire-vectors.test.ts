// Bytes typed by hand from NetworkBlockDevice/nbd, doc/proto.md: the codec must not be its own witness.
import { BlkStatus } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { nbdErrorToErrno, optionErrorToErrno, statusToNbdError } from "../../src/protocol/errors.js";
import {
  encodeExportNameReply,
  encodeGreeting,
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeOptionError,
  encodeOptionReply,
  encodeServerReply,
} from "../../src/protocol/handshake.js";
import { decodeInfoRequest, encodeInfoRequest, encodeOption } from "../../src/protocol/option.js";
import {
  decodeGreeting,
  decodeInfo,
  decodeOptionReplyHeader,
  decodeServerReply,
} from "../../src/protocol/option-reply.js";
import { decodeRequest, encodeRequest, newRequestHeader } from "../../src/protocol/request.js";
import { decodeSimpleReply, encodeSimpleReply } from "../../src/protocol/simple-reply.js";
import { hex, toHex } from "../support/raw-client.js";

function flat(text: string): string {
  return text.replaceAll(/\s/g, "");
}

describe("handshake messages", () => {
  it("greets with NBDMAGIC, IHAVEOPT, FIXED_NEWSTYLE and NO_ZEROES", () => {
    expect(toHex(encodeGreeting())).toBe(flat("4e42444d41474943 49484156454f5054 0003"));
    expect(Buffer.from(encodeGreeting().subarray(0, 16)).toString("latin1")).toBe("NBDMAGICIHAVEOPT");
    expect(decodeGreeting(hex("4e42444d41474943 49484156454f5054 0003"))).toBe(3);
    expect(decodeGreeting(hex("4e42444d41474943 0000420281861253 0003"))).toBeNull();
  });

  it("answers EXPORT_NAME with size, flags and 124 zeroes unless they were waived", () => {
    expect(toHex(encodeExportNameReply(0x1_2345_6789, 0x016d, true))).toBe(flat("0000000123456789 016d"));
    expect(toHex(encodeExportNameReply(0x1000, 1, false))).toBe(`${flat("0000000000001000 0001")}${"00".repeat(124)}`);
  });

  it("replies to options", () => {
    expect(toHex(encodeOptionReply(7, 1))).toBe(flat("0003e889045565a9 00000007 00000001 00000000"));
    expect(toHex(encodeOptionError(5, 0x8000_0001, "no"))).toBe(
      flat("0003e889045565a9 00000005 80000001 00000002 6e6f"),
    );
    expect(toHex(encodeServerReply(3, "a", "bc"))).toBe(
      flat("0003e889045565a9 00000003 00000002 00000007 00000001 61 6263"),
    );
    expect(toHex(encodeInfoExport(7, 0x10000, 0x016d))).toBe(
      flat("0003e889045565a9 00000007 00000003 0000000c 0000 0000000000010000 016d"),
    );
    expect(toHex(encodeInfoBlockSize(6, { minimum: 1, preferred: 4096, maximum: 0x0200_0000 }))).toBe(
      flat("0003e889045565a9 00000006 00000003 0000000e 0003 00000001 00001000 02000000"),
    );
    expect(toHex(encodeInfoText(7, 2, "hi"))).toBe(flat("0003e889045565a9 00000007 00000003 00000004 0002 6869"));
  });

  it("reads replies to options", () => {
    expect(decodeOptionReplyHeader(hex("0003e889045565a9 00000007 80000006 00000010"))).toEqual({
      option: 7,
      replyType: 0x8000_0006,
      dataBytes: 16,
    });
    expect(decodeOptionReplyHeader(hex("0003e889045565aa 00000007 80000006 00000010"))).toBeNull();
    const info = { exportBytes: -1, flags: 0, blockSizes: { minimum: 1, preferred: 4096, maximum: 1 } };
    expect(decodeInfo(hex("0000 0000000000010000 016d"), info)).toBe(true);
    expect(decodeInfo(hex("0003 00000200 00001000 02000000"), info)).toBe(true);
    expect(decodeInfo(hex("7777 01"), info)).toBe(true);
    expect(info).toEqual({
      exportBytes: 0x10000,
      flags: 0x16d,
      blockSizes: { minimum: 512, preferred: 4096, maximum: 0x200_0000 },
    });
    expect(decodeInfo(hex("0000 00000000"), info)).toBe(false);
    expect(decodeServerReply(hex("00000001 61 6263"))).toEqual({ name: "a", description: "bc" });
    expect(decodeServerReply(hex("00000009 61 6263"))).toBeNull();
  });

  it("builds and reads the data of GO", () => {
    const go = flat("49484156454f5054 00000007 0000000c 00000002 6162 0002 0001 0003");
    expect(toHex(encodeOption(7, encodeInfoRequest({ exportName: "ab", infos: [1, 3] })))).toBe(go);
    expect(decodeInfoRequest(hex(go.slice(32)))).toEqual({ exportName: "ab", infos: [1, 3] });
  });

  it.each([
    ["nothing", ""],
    ["a name longer than the data", "00000003 6162 0000"],
    ["a name length near 2^32", "ffffffff 6162 0000"],
    ["fewer information requests than announced", "00000002 6162 0002 0001"],
    ["bytes behind the last information request", "00000002 6162 0000 00"],
    ["a name that is no UTF-8", "00000002 ff62 0000"],
    ["a name with NUL", "00000002 6100 0000"],
  ])("refuses GO with %s", (_what, data) => {
    expect(decodeInfoRequest(hex(data))).toBeNull();
  });
});

describe("transmission messages", () => {
  const request = "25609513 0001 0006 0123456789abcdef 0000001234567000 00010000";
  const header = {
    flags: 1,
    type: 6,
    cookieHigh: 0x0123_4567,
    cookieLow: 0x89ab_cdef,
    offset: 0x12_3456_7000,
    bytes: 0x10000,
  };

  it("writes and reads a request", () => {
    const bytes = new Uint8Array(28);
    encodeRequest(bytes, 0, header);
    expect(toHex(bytes)).toBe(flat(request));
    const decoded = newRequestHeader();
    expect(decodeRequest(hex(request), 0, decoded)).toBe(true);
    expect(decoded).toEqual(header);
  });

  it("knows a request by its magic", () => {
    const decoded = newRequestHeader();
    expect(decodeRequest(hex(request.replace("25609513", "25609514")), 0, decoded)).toBe(false);
    expect(decoded).toEqual(newRequestHeader());
  });

  it("reads offsets beyond 2^53 as larger than any export", () => {
    const decoded = newRequestHeader();
    decodeRequest(hex(request.replace("0000001234567000", "ffffffffffffffff")), 0, decoded);
    expect(decoded.offset).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });

  it("writes and reads a simple reply", () => {
    const bytes = new Uint8Array(16);
    encodeSimpleReply(bytes, 0, 28, 0x0123_4567, 0x89ab_cdef);
    expect(toHex(bytes)).toBe(flat("67446698 0000001c 0123456789abcdef"));
    const reply = { error: 0, cookieHigh: 0, cookieLow: 0 };
    expect(decodeSimpleReply(bytes, 0, reply)).toBe(true);
    expect(reply).toEqual({ error: 28, cookieHigh: 0x0123_4567, cookieLow: 0x89ab_cdef });
    expect(decodeSimpleReply(hex("668e33ef 00000000 0000000000000000"), 0, reply)).toBe(false);
  });
});

describe("errors", () => {
  it("uses only the errors the protocol lists", () => {
    const allowed = new Set([0, 1, 5, 12, 22, 28, 75, 95, 108]);
    for (const status of Object.values(BlkStatus)) expect(allowed).toContain(statusToNbdError(status));
    expect(statusToNbdError(BlkStatus.OK)).toBe(0);
    expect(statusToNbdError(BlkStatus.IOERR)).toBe(5);
    expect(statusToNbdError(BlkStatus.MEDIUM)).toBe(5);
    expect(statusToNbdError(BlkStatus.NOSPC)).toBe(28);
    expect(statusToNbdError(BlkStatus.NOTSUPP)).toBe(95);
    expect(statusToNbdError(BlkStatus.INVAL)).toBe(22);
    expect(statusToNbdError(BlkStatus.RESOURCE)).toBe(12);
  });

  it.each([
    [1, "EPERM"],
    [5, "EIO"],
    [12, "ENOMEM"],
    [22, "EINVAL"],
    [28, "ENOSPC"],
    [75, "EOVERFLOW"],
    [95, "EOPNOTSUPP"],
    [108, "ESHUTDOWN"],
    [9999, "EINVAL"],
  ])("reads error %i as %s", (error, code) => {
    expect(nbdErrorToErrno(error)).toBe(code);
  });

  it.each([
    [0x8000_0001, "EOPNOTSUPP"],
    [0x8000_0002, "EPERM"],
    [0x8000_0003, "EINVAL"],
    [0x8000_0004, "EOPNOTSUPP"],
    [0x8000_0005, "EPERM"],
    [0x8000_0006, "ENOENT"],
    [0x8000_0007, "ESHUTDOWN"],
    [0x8000_0009, "EOVERFLOW"],
    [0x8000_7777, "EINVAL"],
  ])("reads option error %i as %s", (replyType, code) => {
    expect(optionErrorToErrno(replyType)).toBe(code);
  });
});

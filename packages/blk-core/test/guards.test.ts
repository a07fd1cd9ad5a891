import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crcT10Dif } from "../src/crc-t10dif.js";
import { ipChecksumAdd, ipChecksumFold } from "../src/ip-checksum.js";
import { bitwiseCrc, rfc1071 } from "./integrity-disk.js";

const crcOf = (bytes: Uint8Array): number => crcT10Dif(0, bytes, 0, bytes.length);

/** Some bytes and how to cut them. */
const pieces = fc.record({
  bytes: fc.uint8Array({ maxLength: 700 }),
  cuts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 }),
});

/** Calls `take` for consecutive pieces; their lengths repeat. */
function eachPiece(bytes: Uint8Array, cuts: number[], take: (offset: number, bytes: number) => void): void {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const length = Math.min(cuts[index % cuts.length]!, bytes.length - at);
    take(at, length);
    at += length;
  }
}

describe("T10 CRC", () => {
  it("has the published check value", () => {
    expect(crcOf(new TextEncoder().encode("123456789"))).toBe(0xd0db);
  });

  // SBC-3, table of CRC test cases.
  it.each([
    ["zeroes", 0x0000, () => 0],
    ["ones", 0xa293, () => 0xff],
    ["rising", 0x0224, (index: number) => index],
    ["two ones, then zeroes", 0x21b8, (index: number) => (index < 2 ? 0xff : 0)],
    ["falling", 0xa0b7, (index: number) => 0xff - index],
  ])("32 bytes of %s, as in the SCSI block commands standard", (_what, crc, byteAt) => {
    expect(crcOf(Uint8Array.from({ length: 32 }, (_, index) => byteAt(index)))).toBe(crc);
  });

  it("does not depend on how the bytes are cut, and agrees with the definition", () => {
    fc.assert(
      fc.property(pieces, ({ bytes, cuts }) => {
        let crc = 0;
        eachPiece(bytes, cuts, (offset, length) => {
          crc = crcT10Dif(crc, bytes, offset, length);
        });
        expect(crc).toBe(bitwiseCrc(bytes));
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe("Internet checksum", () => {
  it("is that of RFC 1071's example", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(ipChecksumFold(ipChecksumAdd(0, bytes, 0, 8, false))).toBe(~0xddf2 & 0xffff);
  });

  it("does not depend on how the bytes are cut, and agrees with the definition", () => {
    fc.assert(
      fc.property(pieces, ({ bytes, cuts }) => {
        let sum = 0;
        eachPiece(bytes, cuts, (offset, length) => {
          sum = ipChecksumAdd(sum, bytes, offset, length, offset % 2 === 1);
        });
        expect(ipChecksumFold(sum)).toBe(rfc1071(bytes));
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it("holds for the largest interval", () => {
    const bytes = new Uint8Array(65536).fill(0xff);
    expect(ipChecksumFold(ipChecksumAdd(0, bytes, 0, bytes.length, false))).toBe(rfc1071(bytes));
  });
});

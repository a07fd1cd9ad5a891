import { expect, test } from "vitest";
import { inverse, multiply } from "../src/gf256.ts";

test("products are those of FIPS-197 section 4.2", () => {
  expect(multiply(0x57, 0x83)).toBe(0xc1);
  expect(multiply(0x57, 0x13)).toBe(0xfe);
});

test("every byte but 0 times its inverse is 1; the inverse of 0 is 0", () => {
  expect(inverse(0)).toBe(0);
  for (let byte = 1; byte < 256; byte++) expect(multiply(byte, inverse(byte))).toBe(1);
});

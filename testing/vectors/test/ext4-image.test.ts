import { expect, test } from "vitest";
import { ext4ImageFacts, ext4ImagePath, readExt4Image, sha256Hex } from "../src/index.ts";

test("the image unpacks to the recorded length and hash", () => {
  const image = readExt4Image();
  const facts = ext4ImageFacts();
  expect(image).toHaveLength(facts.imageBytes);
  expect(sha256Hex(image)).toBe(facts.imageSha256);
  expect(ext4ImagePath()).toMatch(/fscrypt-ext4\.img\.gz$/);
});

test("the image is an ext4 file system", () => {
  // The superblock starts at 1024; its magic number 0xef53 is at offset 0x38.
  expect(new DataView(readExt4Image().buffer).getUint16(1024 + 0x38, true)).toBe(0xef53);
});

import { describe, expect, test } from "vitest";
import {
  type Ext4File,
  ext4FileContent,
  ext4ImageFacts,
  ext4ImagePath,
  readExt4Image,
  sha256Hex,
} from "../src/index.ts";

const image = readExt4Image();
const facts = ext4ImageFacts();
const files = facts.directories.flatMap((directory) => directory.files);

test("the image unpacks to the recorded length and hash", () => {
  expect(image).toHaveLength(facts.imageBytes);
  expect(sha256Hex(image)).toBe(facts.imageSha256);
  expect(ext4ImagePath()).toMatch(/fscrypt-ext4\.img\.gz$/);
});

test("the image is an ext4 file system", () => {
  // The superblock starts at 1024; its magic number 0xef53 is at offset 0x38.
  expect(new DataView(image.buffer).getUint16(1024 + 0x38, true)).toBe(0xef53);
});

test("there are 35 files in 7 directories, each with a known master key", () => {
  expect(files).toHaveLength(35);
  expect(facts.directories).toHaveLength(7);
  for (const directory of facts.directories) expect(facts.masterKeys[directory.masterKey]).toBeDefined();
});

function mappedBlocks({ extents }: Ext4File): Uint8Array {
  const { fsBlockSize } = facts;
  const runs = extents.map(({ physicalBlock, blocks }) =>
    image.subarray(physicalBlock * fsBlockSize, (physicalBlock + blocks) * fsBlockSize),
  );
  return Buffer.concat(runs);
}

describe.each(facts.directories)("$name", (directory) => {
  test.each(directory.files)("$name: content and mapped blocks have the recorded hashes", (file) => {
    expect(sha256Hex(ext4FileContent(file))).toBe(file.contentSha256);
    expect(sha256Hex(mappedBlocks(file))).toBe(file.ciphertextSha256OfMappedBlocks);
  });
});

test("all content lies in mapped blocks, each block used once", () => {
  const used = new Set<number>();
  for (const { extents, segments } of files) {
    const logical = new Set<number>();
    for (const { logicalBlock, physicalBlock, blocks } of extents) {
      for (let i = 0; i < blocks; i++) {
        expect(used.has(physicalBlock + i)).toBe(false);
        used.add(physicalBlock + i);
        logical.add(logicalBlock + i);
      }
    }
    for (const { offset } of segments) expect(logical.has(Math.floor(offset / facts.fsBlockSize))).toBe(true);
  }
});

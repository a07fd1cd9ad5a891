import { BlkStatus, BlockLayer, HostExecutor, ReqOp } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { type FscryptFile, fscryptKeyIdentifier, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import {
  type Ext4Directory,
  type Ext4File,
  ext4FileContent,
  ext4ImageFacts,
  readExt4Image,
  sha256Hex,
} from "@inlinecrypt/testing-vectors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstDifference } from "./support/bytes.js";
import { type FileBlock, ModelFileSystem, type ModelInode } from "./support/model-file-system.js";
import { cipherNames } from "./support/modes.js";

const facts = ext4ImageFacts();
const blockBytes = facts.fsBlockSize;
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));
const masterKeys = new Map(Object.entries(facts.masterKeys).map(([name, { rawHex }]) => [name, hex(rawHex)]));

const layer = new BlockLayer({
  executor: new HostExecutor(),
  cryptoFallback: new BlkCryptoFallback({ engine: createNodeEngine() }),
});
const ram = new RamDisk(layer, { bytes: facts.imageBytes });
const blank = new RamDisk(layer, { bytes: facts.imageBytes, name: "ram1" });
const fs = new ModelFileSystem([ram.bdev, blank.bdev], blockBytes);
const image = readExt4Image();

beforeAll(() => ram.bdev.write(0, image));

afterAll(async () => {
  await fs.unmount();
  expect([layer.bioSet.inUse, layer.cryptCtxs.inUse]).toEqual([0, 0]);
});

function fscryptFileOf(directory: Ext4Directory, file: Ext4File): FscryptFile {
  return {
    policy: directory.policy,
    masterKey: masterKeys.get(directory.masterKey)!,
    contentsMode: directory.contentsMode,
    nonce: hex(file.nonceHex),
    uuid: facts.uuid,
    inodeNumber: file.ino,
  };
}

/** Reads each extent through the block path into its place in the file, holes being zero. */
async function readContent(inode: ModelInode, file: Ext4File): Promise<Uint8Array> {
  const blocks = Math.ceil(file.size / blockBytes);
  const content = new Uint8Array(blocks * blockBytes);
  for (const { logicalBlock, physicalBlock, blocks: count } of file.extents) {
    const memory = content.subarray(logicalBlock * blockBytes, (logicalBlock + count) * blockBytes);
    expect(await fs.submitRun(ram.bdev, ReqOp.READ, inode, logicalBlock, physicalBlock, memory)).toBe(BlkStatus.OK);
  }
  return content;
}

/** Writes what a file holds to a blank disk, a bio for as many blocks as are mergeable. */
async function writeContent(inode: ModelInode, file: Ext4File): Promise<void> {
  const content = new Uint8Array(Math.ceil(file.size / blockBytes) * blockBytes);
  content.set(ext4FileContent(file));
  const blocks = file.extents.flatMap((extent) =>
    Array.from({ length: extent.blocks }, (_, i): FileBlock => {
      const logicalBlock = extent.logicalBlock + i;
      const memory = content.subarray(logicalBlock * blockBytes, (logicalBlock + 1) * blockBytes);
      return { inode, logicalBlock, physicalBlock: extent.physicalBlock + i, memory };
    }),
  );
  expect(await fs.submitBlocks(blank.bdev, ReqOp.WRITE, blocks)).toBe(BlkStatus.OK);
}

describe("the ext4 image that Linux 6.18 wrote", () => {
  it.each(Object.values(facts.masterKeys))("master key $identifierHex has its identifier", (masterKey) => {
    expect(fscryptKeyIdentifier(hex(masterKey.rawHex))).toEqual(hex(masterKey.identifierHex));
  });

  describe.each(facts.directories)("$name, $policy, data units of $dataUnitSize", (directory) => {
    it.each(directory.files)("[INT-1] every block of $name decrypts through the block path", async (file) => {
      const inode = fs.open(fscryptFileOf(directory, file), directory.dataUnitSize);
      inode.key.withBytes((bytes) => expect(bytes).toEqual(hex(file.keyHex)));
      expect(inode.dunOf(0)).toBe(BigInt(file.firstDunOfBlock0));

      const content = await readContent(inode, file);
      expect(sha256Hex(content.subarray(0, file.size))).toBe(file.contentSha256);
      // ext4 zeroes the rest of the last block before it encrypts it: another key or DUN would leave noise there.
      expect(content.subarray(file.size).every((byte) => byte === 0)).toBe(true);
    });

    it.each(directory.files)("[INT-1] writing $name to a blank disk puts the kernel's bytes there", async (file) => {
      await writeContent(fs.open(fscryptFileOf(directory, file), directory.dataUnitSize), file);
      for (const { physicalBlock, blocks } of file.extents) {
        const written = new Uint8Array(blocks * blockBytes);
        blank.readMedium(physicalBlock * blockBytes, written);
        const expected = image.subarray(physicalBlock * blockBytes, (physicalBlock + blocks) * blockBytes);
        expect(firstDifference(written, expected)).toBe(-1);
      }
    });

    it.each(directory.files)(
      "[INT-10] what is read of $name, encrypted again by the oracle, is the medium",
      async (file) => {
        const inode = fs.open(fscryptFileOf(directory, file), directory.dataUnitSize);
        const content = await readContent(inode, file);
        const runs = file.extents.map(({ logicalBlock, blocks }) =>
          referenceEncrypt(
            cipherNames[inode.key.mode.name],
            hex(file.keyHex),
            directory.dataUnitSize,
            inode.dunOf(logicalBlock),
            content.subarray(logicalBlock * blockBytes, (logicalBlock + blocks) * blockBytes),
          ),
        );
        expect(sha256Hex(Buffer.concat(runs))).toBe(file.ciphertextSha256OfMappedBlocks);
      },
    );
  });
});

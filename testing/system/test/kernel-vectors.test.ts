import { BlkStatus, BlockLayer, HostExecutor, newDun, ReqOp, submitBioWait } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  cryptoModeByName,
} from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createPortableEngine } from "@inlinecrypt/skcipher/portable";
import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, it } from "vitest";

const vectors = kernelVectors();

/** Submits the data as one bio when its DUNs continue, else as one a data unit, and waits for all. */
async function submitAll(ram: RamDisk, op: number, vector: KernelVector, key: BlkCryptoKey, memory: Uint8Array) {
  const bioBytes = vector.dunStep === 1n ? memory.length : vector.dataUnitSize;
  for (let at = 0; at < memory.length; at += bioBytes) {
    const bio = ram.bdev.queue.layer.bioSet.tryAlloc(ram.bdev, op)!;
    bio.sector = at / 512;
    bio.addBuffer(memory.subarray(at, at + bioBytes));
    bio.setCryptCtx(key, newDun(vector.firstDun + BigInt(at / vector.dataUnitSize) * vector.dunStep));
    expect(await submitBioWait(bio)).toBe(BlkStatus.OK);
    bio.put();
  }
}

describe.each([createNodeEngine(), createPortableEngine()])("the block path with the $name engine", (engine) => {
  it("has all the records there are", () => expect(vectors).toHaveLength(176));

  it.each(vectors)("[INT-1] [FB-20] writes and reads what the kernel wrote: $id", async (vector) => {
    const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: new BlkCryptoFallback({ engine }) });
    const plaintext = vector.plaintext();
    const ram = new RamDisk(layer, { bytes: plaintext.length });
    const { mode, dataUnitSize: dataUnitBytes } = vector;
    const dunBytes = cryptoModeByName(mode).ivBytes;
    const key = new BlkCryptoKey({ mode, bytes: vector.key, dataUnitBytes, dunBytes });
    blkCryptoStartUsingKey(ram.bdev, key);

    await submitAll(ram, ReqOp.WRITE, vector, key, plaintext);
    const medium = new Uint8Array(plaintext.length);
    ram.readMedium(0, medium);
    assertCiphertext(vector, medium);

    const back = new Uint8Array(medium.length);
    await submitAll(ram, ReqOp.READ, vector, key, back);
    expect(Buffer.compare(back, plaintext)).toBe(0);
    await blkCryptoEvictKey(ram.bdev, key);
    expect([layer.bioSet.inUse, layer.cryptCtxs.inUse]).toEqual([0, 0]);
  });
});

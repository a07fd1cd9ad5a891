import { type Bio, BlkStatus, BlockLayer, HostExecutor, ReqFlag, ReqOp, submitBioWait } from "@inlinecrypt/blk-core";
import { describe, expect, it, vi } from "vitest";
import { RamDisk } from "../src/ram.js";

const CHUNK_BYTES = 65536;

function newDisk(bytes: number): { layer: BlockLayer; ram: RamDisk } {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  return { layer, ram: new RamDisk(layer, { bytes }) };
}

describe("RamDisk", () => {
  it("takes memory only where something was written, and gives whole chunks back on discard", async () => {
    const { ram } = newDisk(2 ** 40);
    await ram.bdev.write(2 ** 39 - 4096, new Uint8Array(8192).fill(7));
    expect(ram.allocatedBytes).toBe(2 * CHUNK_BYTES);
    await ram.bdev.discard(2 ** 39, CHUNK_BYTES);
    expect(ram.allocatedBytes).toBe(CHUNK_BYTES);
    const back = new Uint8Array(8192).fill(1);
    await ram.bdev.read(2 ** 39 - 4096, back);
    expect(Buffer.compare(back, new Uint8Array(8192).fill(7, 0, 4096))).toBe(0);
  });

  it("discarding what was never written takes no memory", async () => {
    const { ram } = newDisk(2 ** 30);
    await ram.bdev.discard(0, 2 ** 30);
    await ram.bdev.writeZeroes(512, 2 ** 20);
    expect(ram.allocatedBytes).toBe(0);
  });

  it("write zeroes frees chunks, with NOUNMAP it keeps them", async () => {
    const { layer, ram } = newDisk(2 ** 20);
    await ram.bdev.write(0, new Uint8Array(2 * CHUNK_BYTES).fill(7));
    await ram.bdev.writeZeroes(0, CHUNK_BYTES);
    expect(ram.allocatedBytes).toBe(CHUNK_BYTES);
    const bio = await layer.bioSet.alloc(ram.bdev, ReqOp.WRITE_ZEROES | ReqFlag.NOUNMAP);
    bio.sector = CHUNK_BYTES / 512;
    bio.bytes = CHUNK_BYTES;
    expect(await submitBioWait(bio)).toBe(BlkStatus.OK);
    bio.put();
    expect(ram.allocatedBytes).toBe(CHUNK_BYTES);
    const back = new Uint8Array(2 * CHUNK_BYTES).fill(1);
    await ram.bdev.read(0, back);
    expect(Buffer.compare(back, new Uint8Array(2 * CHUNK_BYTES))).toBe(0);
  });

  it("ends bios before submitBio returns", () => {
    const { layer, ram } = newDisk(65536);
    const bio = layer.bioSet.tryAlloc(ram.bdev, ReqOp.READ) as Bio;
    bio.addBuffer(new Uint8Array(512));
    let ended = false;
    bio.onEndIo = () => {
      ended = true;
    };
    layer.submitBio(bio);
    expect(ended).toBe(true);
    bio.put();
  });

  it("ends a write with RESOURCE when there is no memory for it, and works on when there is", async () => {
    const { layer, ram } = newDisk(2 ** 20);
    const bio = layer.bioSet.tryAlloc(ram.bdev, ReqOp.WRITE) as Bio;
    bio.addBuffer(new Uint8Array(512).fill(1));
    vi.stubGlobal("Uint8Array", () => {
      throw new RangeError("Array buffer allocation failed");
    });
    layer.submitBio(bio);
    vi.unstubAllGlobals();
    expect(bio.status).toBe(BlkStatus.RESOURCE);
    bio.put();
    await ram.bdev.write(0, new Uint8Array(512).fill(1));
    expect(ram.allocatedBytes).toBe(CHUNK_BYTES);
  });

  it("shows what the medium holds at any byte", async () => {
    const { ram } = newDisk(65536);
    await ram.bdev.write(
      512,
      Uint8Array.from({ length: 512 }, (_, index) => index & 0xff),
    );
    const into = new Uint8Array(3);
    ram.readMedium(512 + 9, into);
    expect([...into]).toEqual([9, 10, 11]);
    expect(() => ram.readMedium(65534, into)).toThrow(/ram0: bytes 65534 to 65537 lie outside the disk of 65536/);
    expect(() => ram.readMedium(-1, into)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });

  it("refuses sizes that are not whole sectors", () => {
    expect(() => newDisk(1000)).toThrow(/ram0: 1000 bytes, expected a multiple of 512/);
    expect(() => newDisk(-512)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(() => newDisk(Number.NaN)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });

  it("refuses I/O after close, which may be called twice, and keeps no memory", async () => {
    const { ram } = newDisk(65536);
    await ram.bdev.write(0, new Uint8Array(512).fill(1));
    await ram.close();
    await ram[Symbol.asyncDispose]();
    expect(ram.allocatedBytes).toBe(0);
    await expect(ram.bdev.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
  });
});

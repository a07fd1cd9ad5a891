import {
  BlkStatus,
  BlockLayer,
  type BlockLayerOptions,
  bioIntegrityAlloc,
  HostExecutor,
  newDun,
  ReqOp,
  submitBioWait,
} from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { InlineDisk } from "./support/inline-disk.js";

const UNIT = 4096;
const KEY = noise(64, 1);

/** The guard tag of T10, bit by bit. */
function t10Crc(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const feedback = ((crc >> 15) & 1) ^ ((byte >> bit) & 1);
      crc = ((crc << 1) & 0xffff) ^ (feedback === 1 ? 0x8bb7 : 0);
    }
  }
  return crc;
}

const guardsOf = (data: Uint8Array): number[] =>
  Array.from({ length: data.length / 512 }, (_, i) => t10Crc(data.subarray(512 * i, 512 * (i + 1))));

/** A device with both: it stores protection information, and its driver has a crypto engine to register. */
function makeStack(options: Partial<BlockLayerOptions>) {
  const warnings: string[] = [];
  const tracer = { trace: (event: string) => warnings.push(event) };
  const layer = new BlockLayer({ executor: new HostExecutor(), tracer, ...options });
  const limits = { integrity: { csum: "crc", type: 1 } } as const;
  const disk = new InlineDisk(layer, { bytes: 1 << 20, limits });
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: KEY, dataUnitBytes: UNIT, dunBytes: 8 });

  /** One I/O, with a context where `dun` is given. */
  const io = async (op: number, sector: number, memory: Uint8Array, dun: bigint | null): Promise<BlkStatus> => {
    const bio = layer.bioSet.tryAlloc(disk.disk.part0, op)!;
    bio.sector = sector;
    bio.addBuffer(memory);
    if (dun !== null) bio.setCryptCtx(key, newDun(dun));
    const status = await submitBioWait(bio);
    bio.put();
    return status;
  };
  const guards = (sector: number, sectors: number): number[] => {
    const view = new DataView(disk.tuples.buffer, sector * 8);
    return Array.from({ length: sectors }, (_, i) => view.getUint16(8 * i));
  };
  return { layer, disk, key, io, guards, warnings };
}

describe("integrity and an inline crypto engine on one device", () => {
  it("[INT-4] [CORE-42] the engine is refused, and the device has no profile", () => {
    const { disk, warnings } = makeStack({});
    expect(disk.registered).toBe(false);
    expect(disk.disk.queue.cryptoProfile).not.toBe(disk.profile);
    expect(warnings).toEqual(["blk_crypto_register"]);
  });

  it("[INT-4] with the fallback all I/O completes; protection information is made of ciphertext", async () => {
    const stack = makeStack({ cryptoFallback: new BlkCryptoFallback({ engine: createNodeEngine() }) });
    const { disk, io, guards } = stack;
    blkCryptoStartUsingKey(disk.disk.part0, stack.key);
    const secret = noise(4 * UNIT, 2);
    const open = noise(4 * UNIT, 3);
    expect(await io(ReqOp.WRITE, 8, secret, 100n)).toBe(BlkStatus.OK);
    expect(await io(ReqOp.WRITE, 64, open, null)).toBe(BlkStatus.OK);

    const ciphertext = referenceEncrypt("xts(aes)", KEY, UNIT, 100n, secret);
    expect(firstDifference(disk.medium.subarray(8 * 512, 8 * 512 + ciphertext.length), ciphertext)).toBe(-1);
    expect(guards(8, 32)).toEqual(guardsOf(ciphertext));
    expect(guards(64, 32)).toEqual(guardsOf(open));
    const plaintextGuards = guardsOf(secret);
    expect(guards(8, 32).filter((guard, i) => guard === plaintextGuards[i])).toEqual([]);

    const back = new Uint8Array(4 * UNIT);
    expect(await io(ReqOp.READ, 8, back, 100n)).toBe(BlkStatus.OK);
    expect(firstDifference(back, secret)).toBe(-1);
    expect(await io(ReqOp.READ, 64, back, null)).toBe(BlkStatus.OK);
    expect(firstDifference(back, open)).toBe(-1);
    expect(disk.calls).toEqual([]);
  });

  it("[INT-4] with the fallback a damaged medium is noticed before it is decrypted", async () => {
    const stack = makeStack({ cryptoFallback: new BlkCryptoFallback({ engine: createNodeEngine() }) });
    const { disk, io } = stack;
    blkCryptoStartUsingKey(disk.disk.part0, stack.key);
    await io(ReqOp.WRITE, 8, noise(UNIT, 2), 100n);
    disk.medium[8 * 512 + 5]! ^= 1;
    expect(await io(ReqOp.READ, 8, new Uint8Array(UNIT), 100n)).toBe(BlkStatus.PROTECTION);
  });

  it("[INT-4] without the fallback context bios end with NOTSUPP, all others complete", async () => {
    const { disk, key, io, guards } = makeStack({});
    const open = noise(UNIT, 3);
    expect(() => blkCryptoStartUsingKey(disk.disk.part0, key)).toThrow();
    expect(await io(ReqOp.WRITE, 8, noise(UNIT, 2), 100n)).toBe(BlkStatus.NOTSUPP);
    expect(await io(ReqOp.READ, 8, new Uint8Array(UNIT), 100n)).toBe(BlkStatus.NOTSUPP);
    expect(disk.requests).toEqual([]);
    expect(await io(ReqOp.WRITE, 8, open, null)).toBe(BlkStatus.OK);
    expect(guards(8, 8)).toEqual(guardsOf(open));
  });

  it("[INT-4] a bio with a context cannot be given protection information", () => {
    const { layer, disk, key } = makeStack({});
    const bio = layer.bioSet.tryAlloc(disk.disk.part0, ReqOp.WRITE)!;
    bio.addBuffer(noise(UNIT, 2));
    bio.setCryptCtx(key, newDun(0n));
    expect(() => bioIntegrityAlloc(bio)).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
    bio.put();
  });
});

import { type Bio, BlkStatus, BlockLayer, newDun, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceDecrypt, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ModelDisk } from "./support/model-disk.js";

/**
 * Random reads, writes, splits, merges and key changes, against a plain array that holds what the medium must hold
 * according to the reference cipher. No byte of an expectation comes from the code under test.
 */
const SECTORS = 96;
const KEYS = 3;
const engine = createNodeEngine();
const seed = Number(process.env.INLINECRYPT_SEED ?? 20261122);

/** One I/O of a batch; places are in units of 4096 bytes plus what the data unit allows. */
const anyIo = fc.record({
  write: fc.boolean(),
  keyIndex: fc.integer({ min: -1, max: KEYS - 1 }),
  /** Start, in data units, and length; both cut to what fits. */
  start: fc.nat(SECTORS - 1),
  dataUnits: fc.integer({ min: 1, max: 10 }),
  /** After how many data units the next memory vector begins. */
  vecDataUnits: fc.integer({ min: 1, max: 10 }),
  fua: fc.boolean(),
  fill: fc.nat(255),
});
type Io = typeof anyIo extends fc.Arbitrary<infer T> ? T : never;

const anyBatch = fc.record({
  kind: fc.constant("batch" as const),
  plugged: fc.boolean(),
  adjacent: fc.boolean(),
  ios: fc.array(anyIo, { minLength: 1, maxLength: 6 }),
});
/** Neighbours of one kind and key under one plug: these merge, some in front of others. */
const anyRun = fc
  .tuple(anyIo, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 6 }), fc.boolean())
  .map(([io, lengths, reversed]) => {
    const ios = lengths.map((dataUnits) => ({ ...io, fua: false, dataUnits }));
    return { kind: "batch" as const, plugged: true, adjacent: true, reversed, ios };
  });
const anyKeyChange = fc.record({
  kind: fc.constant("key change" as const),
  keyIndex: fc.nat(KEYS - 1),
  fill: fc.nat(255),
});

const anyCase = fc.record({
  device: fc.record({
    slotCount: fc.constantFrom(null, null, 1, 2, 4),
    asyncSlots: fc.boolean(),
    queueDepth: fc.constantFrom(1, 2, 16),
    maxSectors: fc.constantFrom(8, 9, 24, 256),
    maxSegments: fc.constantFrom(1, 2, 128),
    maxSegmentBytes: fc.constantFrom(4096, 65536),
    writeCache: fc.boolean(),
    order: fc.array(fc.nat(15), { minLength: 8, maxLength: 8 }),
  }),
  dataUnitBytes: fc.tuple(...Array.from({ length: KEYS }, () => fc.constantFrom(512, 512, 1024, 4096))),
  firstDuns: fc.tuple(
    ...Array.from({ length: KEYS }, () =>
      fc.constantFrom(0n, 2n ** 32n - 5n, 2n ** 64n - 5n, 2n ** 128n - BigInt(SECTORS)),
    ),
  ),
  commands: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: anyBatch },
      { weight: 3, arbitrary: anyRun },
      { weight: 1, arbitrary: anyKeyChange },
    ),
    { minLength: 1, maxLength: 8 },
  ),
});
type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never;

interface Batch {
  ios: readonly Io[];
  plugged: boolean;
  adjacent: boolean;
  /** Submit the later places first. */
  reversed?: boolean;
}

/** An I/O with its place settled, the memory it uses, and what that must hold in the end. */
interface Placed {
  io: Io;
  sector: number;
  bytes: number;
  memory: Uint8Array;
  ends: BlkStatus[];
}

class Stack {
  readonly executor = new SimExecutor();
  readonly layer: BlockLayer;
  readonly disk: ModelDisk;
  /** What the medium must hold. */
  readonly expected = new Uint8Array(SECTORS * 512);
  readonly keys: BlkCryptoKey[] = [];
  readonly keyBytes: Uint8Array[] = [];
  readonly #case: Case;

  constructor(testCase: Case) {
    this.#case = testCase;
    const { slotCount, asyncSlots, queueDepth, order, ...limits } = testCase.device;
    this.layer = new BlockLayer({ executor: this.executor, cryptoFallback: new BlkCryptoFallback({ engine }) });
    let turn = 0;
    const pick = (n: number): number => order[turn++ % order.length]! % n;
    this.disk = new ModelDisk(this.layer, engine, {
      sectorCount: SECTORS,
      limits,
      queueDepth,
      slotCount,
      asyncSlots,
      pick,
    });
    for (let keyIndex = 0; keyIndex < KEYS; keyIndex++) this.#makeKey(keyIndex, keyIndex + 1);
  }

  #makeKey(keyIndex: number, fill: number): void {
    const bytes = Uint8Array.from({ length: 64 }, (_, at) => (fill * 37 + at * 11 + keyIndex) & 255);
    this.keyBytes[keyIndex] = bytes;
    const dataUnitBytes = this.#case.dataUnitBytes[keyIndex]!;
    this.keys[keyIndex] = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes, dunBytes: 16 });
    blkCryptoStartUsingKey(this.disk.disk.part0, this.keys[keyIndex]);
  }

  /** Evicts and wipes a key and goes on with other bytes; what the old one wrote now reads as noise. */
  async changeKey(keyIndex: number, fill: number): Promise<void> {
    const old = this.keys[keyIndex]!;
    const evicted = blkCryptoEvictKey(this.disk.disk.part0, old);
    await this.settle();
    await evicted;
    old.wipe();
    this.#makeKey(keyIndex, fill);
  }

  /** Runs one batch of I/O at once and checks what it read and what the medium holds. */
  async runBatch({ ios, plugged, adjacent, reversed }: Batch): Promise<void> {
    const placed = place(ios, adjacent, (keyIndex) => (keyIndex < 0 ? 512 : this.#case.dataUnitBytes[keyIndex]!));
    const before = this.expected.slice();
    if (reversed) placed.reverse();
    if (plugged) this.layer.startPlug();
    for (const one of placed) this.layer.submitBio(this.#bioOf(one));
    if (plugged) this.layer.finishPlug();
    await this.settle();
    for (const one of placed) {
      expect(one.ends).toEqual([BlkStatus.OK]);
      if (one.io.write) this.expected.set(this.#reference("encrypt", one, one.memory), one.sector * 512);
      else expect(equal(one.memory, this.#reference("decrypt", one, slice(before, one)))).toBe(true);
    }
    expect(equal(this.disk.medium, this.expected)).toBe(true);
  }

  /** Lets simulated work and the promises of asynchronous keyslots run until all is quiet. */
  async settle(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      this.executor.runUntilIdle();
      await Promise.resolve();
      await Promise.resolve();
      if (this.executor.isIdle && this.disk.disk.queue.inFlight === 0 && round > 3) return;
    }
    throw new Error("the stack did not come to rest");
  }

  async close(): Promise<void> {
    for (const key of this.keys) {
      const evicted = blkCryptoEvictKey(this.disk.disk.part0, key);
      await this.settle();
      await evicted;
    }
    expect(this.disk.profile?.slotTable().every((slot) => slot.key === null && slot.references === 0) ?? true).toBe(
      true,
    );
    await this.disk.disk.close();
    expect([this.layer.bioSet.inUse, this.layer.cryptCtxs.inUse]).toEqual([0, 0]);
  }

  #bioOf(placed: Placed): Bio {
    const { io, sector, memory, ends } = placed;
    const op = io.write ? ReqOp.WRITE | (io.fua ? ReqFlag.FUA : 0) : ReqOp.READ;
    const bio = this.layer.bioSet.tryAlloc(this.disk.disk.part0, op)!;
    bio.sector = sector;
    const key = io.keyIndex < 0 ? null : this.keys[io.keyIndex]!;
    const vecBytes = io.vecDataUnits * (key?.dataUnitBytes ?? 512);
    for (let at = 0; at < memory.length; at += vecBytes) {
      bio.addBuffer(memory, at, Math.min(vecBytes, memory.length - at));
    }
    if (key !== null) bio.setCryptCtx(key, newDun(this.#dunOf(placed)));
    bio.onEndIo = () => {
      ends.push(bio.status);
      bio.put();
    };
    return bio;
  }

  #dunOf({ io, sector }: Placed): bigint {
    return this.#case.firstDuns[io.keyIndex]! + BigInt((sector * 512) / this.#case.dataUnitBytes[io.keyIndex]!);
  }

  #reference(direction: "encrypt" | "decrypt", placed: Placed, data: Uint8Array): Uint8Array {
    const { keyIndex } = placed.io;
    if (keyIndex < 0) return data;
    const crypt = direction === "encrypt" ? referenceEncrypt : referenceDecrypt;
    return crypt("xts(aes)", this.keyBytes[keyIndex]!, this.#case.dataUnitBytes[keyIndex]!, this.#dunOf(placed), data);
  }
}

/** Settles where each I/O goes: inside the disk, on its data units, and without overlap inside a batch. */
function place(ios: readonly Io[], adjacent: boolean, dataUnitBytesOf: (keyIndex: number) => number): Placed[] {
  const taken = new Uint8Array(SECTORS);
  const placed: Placed[] = [];
  let nextSector = 0;
  for (const io of ios) {
    const unitSectors = dataUnitBytesOf(io.keyIndex) / 512;
    const wanted = adjacent ? nextSector : io.start;
    const sector = Math.ceil(wanted / unitSectors) * unitSectors;
    const sectors = io.dataUnits * unitSectors;
    if (sector + sectors > SECTORS || taken.subarray(sector, sector + sectors).includes(1)) continue;
    taken.fill(1, sector, sector + sectors);
    nextSector = sector + sectors;
    const memory = Uint8Array.from({ length: sectors * 512 }, (_, at) => (at * 7 + (at >> 9) * 3 + io.fill) & 255);
    placed.push({ io, sector, bytes: sectors * 512, memory, ends: [] });
  }
  return placed;
}

function slice(bytes: Uint8Array, { sector, bytes: length }: Placed): Uint8Array {
  return bytes.slice(sector * 512, sector * 512 + length);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

describe("[FB-20] [INT-1] [INT-5] the block layer against the reference cipher", () => {
  it(`1,000 random cases (seed ${seed})`, async () => {
    const seen = { requests: 0, mergedBios: 0, programmings: 0 };
    await fc.assert(
      fc.asyncProperty(anyCase, async (testCase) => {
        const stack = new Stack(testCase);
        for (const command of testCase.commands) {
          if (command.kind === "key change") await stack.changeKey(command.keyIndex, command.fill + 100);
          else await stack.runBatch(command);
        }
        await stack.close();
        for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += stack.disk.seen[name];
      }),
      { seed, numRuns: 1000 },
    );
    // The cases did what they are for.
    expect(seen.mergedBios).toBeGreaterThan(500);
    expect(seen.programmings).toBeGreaterThan(500);
  }, 120_000);
});

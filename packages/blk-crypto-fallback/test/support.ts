import {
  type Bio,
  BioQueue,
  BioSegments,
  BlkMqQueue,
  type BlkMqQueueOptions,
  BlkStatus,
  type BlockDevice,
  BlockLayer,
  dunToBigInt,
  type FailAlloc,
  GenDisk,
  newDun,
  opIsWrite,
  ReqOp,
  type RequestQueue,
  SECTOR_BYTES,
  type Tracer,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback, type BlkCryptoFallbackOptions } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  type BlkCryptoKeyOptions,
  blkCryptoStartUsingKey,
  type CryptoModeName,
  cryptoModeByName,
  cryptoModes,
} from "@inlinecrypt/blk-crypto-profile";
import { type ReferenceCipherName, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import type { Skcipher, SkcipherEngine, SkcipherEngineStatus } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { expect } from "vitest";

const DISK_SECTORS = 1 << 14;

/** Bytes that never repeat within a data unit, different for each `seed`. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  return new Uint8Array(bytes).map((_, index) => (index * 31 + (index >> 8) * 7 + seed * 101) & 0xff);
}

export const MODES: readonly CryptoModeName[] = cryptoModes.map((mode) => mode.name);

interface KeyOptions extends Partial<BlkCryptoKeyOptions> {
  mode?: CryptoModeName;
}

export function makeKey(seed = 1, options: KeyOptions = {}): BlkCryptoKey {
  const mode = cryptoModeByName(options.mode ?? "AES-256-XTS");
  return new BlkCryptoKey({
    mode,
    bytes: pattern(mode.keyBytes, seed),
    dataUnitBytes: 512,
    dunBytes: mode.ivBytes,
    ...options,
  });
}

/** What the medium must hold, by the oracle. */
export function ciphertextOf(data: Uint8Array, key: BlkCryptoKey, dun: bigint): Uint8Array {
  const cipher = key.mode.cipher as ReferenceCipherName;
  return key.withBytes((bytes) => referenceEncrypt(cipher, bytes, key.dataUnitBytes, dun, data));
}

/** The node engine under watch: it counts, records and, when told, fails. */
export class WatchedEngine implements SkcipherEngine {
  readonly name = "watched";
  readonly #inner: SkcipherEngine = createNodeEngine();
  readonly ciphers: readonly string[] = this.#inner.ciphers;
  /** Every cipher that was allocated, in order. */
  readonly allocated: WatchedCipher[] = [];
  /** A cipher that it says it has and cannot allocate. */
  missing = "";
  /** Allocations that still work. */
  allocationsLeft: number = Number.POSITIVE_INFINITY;
  /** `encrypt BYTES DUN` and `decrypt BYTES DUN`. */
  readonly log: string[] = [];
  /** Calls to encrypt and decrypt that still work. */
  callsLeft: number = Number.POSITIVE_INFINITY;
  /** Runs inside each call to encrypt and decrypt. */
  onCall: () => void = () => {};

  supports(cipherName: string): boolean {
    return this.ciphers.includes(cipherName);
  }

  alloc(cipherName: string): Skcipher {
    if (cipherName === this.missing || this.allocationsLeft === 0) {
      throw Object.assign(new Error(`no ${cipherName}`), { code: "ENOENT" });
    }
    this.allocationsLeft--;
    const cipher = this.newCipher(cipherName, this.#inner.alloc(cipherName));
    this.allocated.push(cipher);
    return cipher;
  }

  protected newCipher(cipherName: string, inner: Skcipher): WatchedCipher {
    return new WatchedCipher(this, cipherName, inner);
  }

  describe(): SkcipherEngineStatus {
    return { name: this.name, available: true, ciphers: this.ciphers, algorithms: [], detail: "for tests" };
  }

  /** Indexes of the ciphers that hold a key now. */
  get keyed(): number[] {
    return this.allocated.flatMap((cipher, index) => (cipher.keyed ? index : []));
  }
}

export class WatchedCipher implements Skcipher {
  readonly name: string;
  keyed = false;
  readonly #engine: WatchedEngine;
  readonly #inner: Skcipher;

  constructor(engine: WatchedEngine, name: string, inner: Skcipher) {
    this.#engine = engine;
    this.name = name;
    this.#inner = inner;
  }

  get keyBytes(): number {
    return this.#inner.keyBytes;
  }

  get ivBytes(): number {
    return this.#inner.ivBytes;
  }

  setKey(key: Uint8Array): void {
    this.keyed = false;
    this.#inner.setKey(key);
    this.keyed = true;
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#call("encrypt", src, dun);
    this.#inner.encrypt(src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#call("decrypt", src, dun);
    this.#inner.decrypt(src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    this.keyed = false;
    this.#inner.clear();
  }

  #call(what: string, src: Uint8Array, dun: Uint32Array): void {
    this.#engine.log.push(`${what} ${src.length} ${dunToBigInt(dun)}`);
    this.#engine.onCall();
    if (this.#engine.callsLeft-- <= 0) throw Object.assign(new Error("broken cipher"), { code: "EIO" });
  }
}

/** A disk that keeps each bio until the test completes it, or (`synchronous`) ends it at once. */
export class TestDisk {
  readonly medium: Uint8Array = new Uint8Array(DISK_SECTORS * SECTOR_BYTES);
  /** Bios that wait for their end. */
  readonly taken: Bio[] = [];
  /** `OP sector+sectors`, `encrypted` if a context came down. */
  readonly log: string[] = [];
  synchronous = true;
  /** Statuses of the next ends. */
  readonly statuses: BlkStatus[] = [];

  submitBio(bio: Bio): void {
    const context = bio.cryptCtx === null ? "" : " encrypted";
    this.log.push(`${opIsWrite(bio.opf) ? "WRITE" : "READ"} ${bio.sector}+${bio.sectors}${context}`);
    this.taken.push(bio);
    if (this.synchronous) this.complete(0);
  }

  /** Moves the data of the bio at `index` and ends it. */
  complete(index: number): void {
    const [bio] = this.taken.splice(index, 1);
    const status = this.statuses.shift() ?? BlkStatus.OK;
    if (status === BlkStatus.OK) transfer(bio!, this.medium);
    bio!.endIoWith(status);
  }
}

function transfer(bio: Bio, medium: Uint8Array): void {
  const segments = new BioSegments();
  let at = bio.sector * SECTOR_BYTES;
  segments.start(bio);
  while (segments.next()) {
    const memory = segments.data.subarray(segments.offset, segments.offset + segments.bytes);
    const stored = medium.subarray(at, at + segments.bytes);
    if (opIsWrite(bio.opf)) stored.set(memory);
    else memory.set(stored);
    at += segments.bytes;
  }
  bio.advance(bio.bytes);
}

export class RecordingTracer implements Tracer {
  readonly events: string[] = [];

  trace(event: string, detail: Readonly<Record<string, string | number>>): void {
    this.events.push(`${event} ${JSON.stringify(detail)}`);
  }
}

export interface IoOptions {
  key?: BlkCryptoKey | null;
  dun?: bigint;
  sector?: number;
  /** Flags of the operation. */
  flags?: number;
  bdev?: BlockDevice;
  /** Runs at the end, before the bio is put. */
  onEnd?: (bio: Bio) => void;
}

export interface Io {
  /** Every end, so at most one. */
  readonly ends: BlkStatus[];
}

export interface Rig<Engine extends WatchedEngine = WatchedEngine> {
  executor: SimExecutor;
  layer: BlockLayer;
  fallback: BlkCryptoFallback;
  engine: Engine;
  tracer: RecordingTracer;
  disk: TestDisk;
  bdev: BlockDevice;
  queue: RequestQueue;
  /** Writes through `submitBio`; the data is one vector, or several. */
  write(data: Uint8Array | Uint8Array[], options?: IoOptions): Io;
  read(into: Uint8Array | Uint8Array[], options?: IoOptions): Io;
  /** The medium from a sector on. */
  stored(sector: number, bytes: number): Uint8Array;
}

export interface RigOptions<Engine extends WatchedEngine> {
  engine?: Engine;
  /** Puts a request queue in front of the disk. */
  mq?: Omit<BlkMqQueueOptions, "ops">;
  /** Makes allocations fail. */
  failAlloc?: FailAlloc;
}

/** A block layer with a fallback, started for `key`, and a disk. */
export function makeRig<Engine extends WatchedEngine = WatchedEngine>(
  options: Omit<Partial<BlkCryptoFallbackOptions>, "engine"> & RigOptions<Engine> = {},
  key: BlkCryptoKey | null = makeKey(),
): Rig<Engine> {
  const { mq, failAlloc, engine = new WatchedEngine() as Engine, ...fallbackOptions } = options;
  const executor = new SimExecutor();
  const tracer = new RecordingTracer();
  const fallback = new BlkCryptoFallback({ engine, slotCount: 4, ...fallbackOptions });
  const layer = new BlockLayer({ executor, tracer, cryptoFallback: fallback, ...(failAlloc && { failAlloc }) });
  const disk = new TestDisk();
  const queue = mq === undefined ? new BioQueue(layer, disk, { writeCache: true }) : newMqQueue(layer, disk, mq);
  const bdev = new GenDisk({ name: "test0", queue, sectorCount: DISK_SECTORS }).part0;
  if (key !== null) blkCryptoStartUsingKey(bdev, key);

  const submit = (op: number, data: Uint8Array | Uint8Array[], io: IoOptions): Io => {
    const ends: BlkStatus[] = [];
    const bio = layer.bioSet.tryAlloc(io.bdev ?? bdev, op | (io.flags ?? 0))!;
    bio.sector = io.sector ?? 0;
    for (const part of Array.isArray(data) ? data : [data]) bio.addBuffer(part);
    const used = io.key === undefined ? key : io.key;
    if (used !== null) bio.setCryptCtx(used, newDun(io.dun ?? 0n));
    bio.onEndIo = () => {
      ends.push(bio.status);
      io.onEnd?.(bio);
      bio.put();
    };
    layer.submitBio(bio);
    return { ends };
  };
  return {
    executor,
    layer,
    fallback,
    engine,
    tracer,
    disk,
    bdev,
    queue,
    write: (data, io = {}) => submit(ReqOp.WRITE, data, io),
    read: (into, io = {}) => submit(ReqOp.READ, into, io),
    stored: (sector, bytes) => disk.medium.subarray(sector * SECTOR_BYTES, sector * SECTOR_BYTES + bytes),
  };
}

function newMqQueue(layer: BlockLayer, disk: TestDisk, options: Omit<BlkMqQueueOptions, "ops">): BlkMqQueue {
  return new BlkMqQueue(layer, {
    ...options,
    ops: {
      queueRq(rq) {
        const context = rq.cryptCtx === null ? "" : " encrypted";
        disk.log.push(`${opIsWrite(rq.opf) ? "WRITE" : "READ"} ${rq.sector}+${rq.sectors}${context}`);
        const segments = new BioSegments();
        let at = rq.sector * SECTOR_BYTES;
        segments.start(rq.bio);
        while (segments.next()) {
          const memory = segments.data.subarray(segments.offset, segments.offset + segments.bytes);
          const stored = disk.medium.subarray(at, at + segments.bytes);
          if (opIsWrite(rq.opf)) stored.set(memory);
          else memory.set(stored);
          at += segments.bytes;
        }
        rq.complete(disk.statuses.shift() ?? BlkStatus.OK);
        return BlkStatus.OK;
      },
    },
  });
}

/** Everything that was taken has been given back. */
export function expectNoLeaks(rig: Rig): void {
  expect(rig.executor.isIdle).toBe(true);
  expect(rig.disk.taken).toEqual([]);
  expect(rig.queue.inFlight).toBe(0);
  expect(rig.layer.bioSet.inUse).toBe(0);
  expect(rig.layer.cryptCtxs.inUse).toBe(0);
  for (const slot of rig.fallback.slotTable()) expect(slot).toMatchObject({ references: 0 });
  rig.fallback[Symbol.dispose]();
  expect(rig.engine.keyed).toEqual([]);
}

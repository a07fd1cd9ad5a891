import { type Bio, BioSegments, type BioSet, BlkStatus, type BlockDevice, Pool, WorkItem } from "@inlinecrypt/blk-core";
import type { DmTargetIo } from "../dm-io.js";
import type { DmTargetSpec } from "../dm-target-spec.js";
import type { CryptCipher } from "./crypt-cipher.js";

/** Most bytes of one write, and of the memory its ciphertext lies in. */
export const CRYPT_BOUNCE_BYTES: number = 2 ** 20;

/** Writes on their way at a time, each with memory of its own; further ones wait. */
const MAX_WRITES = 32;

/** Memory for ciphertext. The operating system backs only what has been written to. */
class CryptBounce {
  readonly buffer: Uint8Array = new Uint8Array(CRYPT_BOUNCE_BYTES);
  readonly owner: CryptWrites;
  io: DmTargetIo | null = null;

  constructor(owner: CryptWrites) {
    this.owner = owner;
  }
}

/**
 * The writes of a crypt target: encrypted into memory of its own, and sent down from there. The submitter's memory is
 * only read.
 *
 * @kernel drivers/md/dm-crypt.c: kcryptd_crypt_write_convert
 */
export class CryptWrites {
  readonly #spec: DmTargetSpec;
  readonly #cipher: CryptCipher;
  readonly #bdev: BlockDevice;
  /** Of the target on its device. */
  readonly #start: number;
  readonly #bounces: Pool<CryptBounce>;
  readonly #bios: BioSet;
  readonly #segments = new BioSegments();
  readonly #work = new WorkItem(() => this.#encryptWaiting());
  #firstWaiting: DmTargetIo | null = null;
  #lastWaiting: DmTargetIo | null = null;

  constructor(spec: DmTargetSpec, cipher: CryptCipher, bdev: BlockDevice, start: number) {
    const { layer } = spec;
    this.#spec = spec;
    this.#cipher = cipher;
    this.#bdev = bdev;
    this.#start = start;
    this.#bounces = new Pool("dm_crypt_bounce", MAX_WRITES, () => new CryptBounce(this), layer.failAlloc);
    this.#bios = layer.newBioSet("dm_crypt_bio", MAX_WRITES);
  }

  /** Takes over a write that the target has mapped. */
  submit(io: DmTargetIo): void {
    if (this.#lastWaiting === null) this.#firstWaiting = io;
    else this.#lastWaiting.next = io;
    this.#lastWaiting = io;
    if (this.#firstWaiting === io) this.#encryptWaiting();
  }

  #encryptWaiting(): void {
    for (let io = this.#firstWaiting; io !== null; io = this.#firstWaiting) {
      const bounceBio = this.#bios.tryAlloc(this.#bdev, io.bio!.opf);
      if (bounceBio === null) return this.#waitForBounce();
      const bounce = this.#bounces.tryGet();
      if (bounce === null) {
        bounceBio.put();
        return this.#waitForBounce();
      }
      this.#firstWaiting = io.next;
      if (this.#firstWaiting === null) this.#lastWaiting = null;
      io.next = null;
      this.#encrypt(io, bounce, bounceBio);
    }
  }

  /** The end of a write wakes those that wait. An allocation may fail although there is none. */
  #waitForBounce(): void {
    if (this.#bounces.inUse === 0) this.#spec.layer.executor.queueWork(this.#work);
  }

  #encrypt(io: DmTargetIo, bounce: CryptBounce, bounceBio: Bio): void {
    const bio = io.bio!;
    bounce.io = io;
    bounceBio.privateData = bounce;
    bounceBio.onEndIo = onBounceEnd;
    bounceBio.sector = bio.sector;
    const data = bounce.buffer.subarray(0, bio.bytes);
    this.#gather(bio, data);
    try {
      this.#cipher.encrypt(data, bio.sector - this.#start);
    } catch {
      data.fill(0);
      return bounceBio.endIoWith(BlkStatus.IOERR);
    }
    bounceBio.addBuffer(bounce.buffer, 0, bio.bytes);
    this.#spec.layer.submitBioNoacct(bounceBio);
  }

  ended(bounce: CryptBounce, status: BlkStatus): void {
    const io = bounce.io!;
    bounce.io = null;
    this.#bounces.put(bounce);
    io.end(status);
    if (this.#firstWaiting !== null) this.#spec.layer.executor.queueWork(this.#work);
  }

  #gather(bio: Bio, into: Uint8Array): void {
    const segments = this.#segments;
    let at = 0;
    for (segments.start(bio); segments.next(); at += segments.bytes) {
      into.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), at);
    }
  }
}

function onBounceEnd(bounceBio: Bio): void {
  const bounce = bounceBio.privateData as CryptBounce;
  const { status } = bounceBio;
  bounceBio.put();
  bounce.owner.ended(bounce, status);
}

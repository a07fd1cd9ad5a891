import { DataDirection, Ocs, type Utrd } from "../ufshci/index.js";
import type { CryptDirection, CryptoEngine } from "./crypto-engine.js";
import type { CryptoKeyslot } from "./crypto-keyslot.js";
import { ScsiTask, TaskPhase } from "./device/scsi-task.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { DataTable } from "./prdt-cursor.js";

/** Data of a command moves in pieces of at most this many bytes, a multiple of every data unit. */
const CHUNK_BYTES = 512 * 1024;

const Io = { NONE: 0, ISSUED: 1, SUCCEEDED: 2, FAILED: 3 } as const;

/**
 * Runs SCSI commands, one at a time: asks the device what to do, moves the data between medium and host memory, through
 * the crypto engine when the command is encrypted.
 *
 * Encrypted data is never plaintext in the medium's own memory, not even for a moment: it is gathered elsewhere first.
 */
export class TaskRunner {
  readonly task: ScsiTask = new ScsiTask();
  /** Bytes moved to or from host memory. */
  movedBytes = 0;
  readonly #device: UfsDevice;
  readonly #crypto: CryptoEngine | null;
  readonly #prdt: DataTable;
  readonly #onEnd: (ocs: Ocs) => void;
  readonly #onIo: (ok: boolean) => void;
  #utrd: Readonly<Utrd> | null = null;
  #keyslot: CryptoKeyslot | null = null;
  #keyslotVersion = 0;
  #discards = 0;
  #io: (typeof Io)[keyof typeof Io] = Io.NONE;
  #running = false;
  #isAbandoned = false;
  #bounce = new Uint8Array(0);

  /** @param onEnd - called when a command has ended; not for one that was given up while nothing was at work */
  constructor(prdt: DataTable, device: UfsDevice, crypto: CryptoEngine | null, onEnd: (ocs: Ocs) => void) {
    this.#device = device;
    this.#crypto = crypto;
    this.#prdt = prdt;
    this.#onEnd = onEnd;
    this.#onIo = (ok) => this.#ioEnded(ok);
  }

  /**
   * Gives the command up: it moves no more data. True when the medium is at work with memory of this runner; the command then
   * ends with ABORTED once that is over, and does not end otherwise.
   */
  abandon(): boolean {
    this.#isAbandoned = this.#io === Io.ISSUED;
    return this.#isAbandoned;
  }

  /**
   * Runs {@link TaskRunner.task}, which has been started.
   *
   * @param keyslot - that its data goes through; null when it is not encrypted
   */
  start(utrd: Readonly<Utrd>, keyslot: CryptoKeyslot | null): void {
    this.#utrd = utrd;
    this.#keyslot = keyslot;
    this.#keyslotVersion = keyslot?.version ?? 0;
    this.#discards = 0;
    this.#isAbandoned = false;
    this.movedBytes = 0;
    this.#device.command(this.task);
    const ocs = this.#openPrdt();
    if (ocs === Ocs.SUCCESS) this.#run();
    else this.#onEnd(ocs);
  }

  #openPrdt(): Ocs {
    const { task } = this;
    const utrd = this.#utrd!;
    if (task.phase === TaskPhase.DONE || task.phase >= TaskPhase.FLUSH) return Ocs.SUCCESS;
    const inward = task.phase === TaskPhase.DATA_IN || task.phase === TaskPhase.READ;
    if (!this.#isCryptable()) return Ocs.INVALID_CRYPTO_CONFIG;
    const wanted = inward ? DataDirection.DEVICE_TO_HOST : DataDirection.HOST_TO_DEVICE;
    if (task.phase === TaskPhase.DATA_IN) task.bytes = Math.min(task.bytes, task.expectedBytes);
    const entries = utrd.dataDirection === wanted ? utrd.prdtEntries : 0;
    return this.#prdt.open(utrd.commandDescBase + utrd.prdtOffsetBytes, entries, task.bytes);
  }

  /** Only what is on a medium goes through the engine, and only whole data units of it. */
  #isCryptable(): boolean {
    if (this.#keyslot === null) return true;
    return this.task.phase >= TaskPhase.READ && this.task.bytes % this.#keyslot.dataUnitBytes === 0;
  }

  #run(): void {
    this.#running = true;
    let ocs: Ocs | null = null;
    while (ocs === null && this.#io !== Io.ISSUED) ocs = this.#io === Io.NONE ? this.#step() : this.#afterIo();
    this.#running = false;
    if (ocs !== null) this.#onEnd(ocs);
  }

  #ioEnded(ok: boolean): void {
    if (this.#io !== Io.ISSUED) return; // a medium that calls back twice
    this.#io = ok ? Io.SUCCEEDED : Io.FAILED;
    if (!this.#running) this.#run();
  }

  /** Does the next thing; an OCS when the command has ended, null when there is more to do or to wait for. */
  #step(): Ocs | null {
    const { task } = this;
    switch (task.phase) {
      case TaskPhase.DATA_IN:
        return this.#dataIn();
      case TaskPhase.DATA_OUT:
        return this.#dataOut();
      case TaskPhase.READ:
        return this.#readChunk();
      case TaskPhase.WRITE:
        return this.#writeChunk();
      case TaskPhase.FLUSH:
        this.#io = Io.ISSUED;
        task.medium!.flush(this.#onIo);
        return null;
      case TaskPhase.DISCARD:
        this.#io = Io.ISSUED;
        task.medium!.discard(task.offset, task.bytes, this.#onIo);
        return null;
      default:
        return Ocs.SUCCESS;
    }
  }

  /** Goes on after the medium has ended something. */
  #afterIo(): Ocs | null {
    const { task } = this;
    const ok = this.#io === Io.SUCCEEDED;
    this.#io = Io.NONE;
    if (this.#isAbandoned) return Ocs.ABORTED;
    if (!ok) this.#device.mediumFailed(task);
    else if (task.phase === TaskPhase.DISCARD) this.#device.proceed(task, ++this.#discards);
    else if (task.phase === TaskPhase.FLUSH) task.phase = TaskPhase.DONE;
    else if (task.phase === TaskPhase.WRITE) this.#chunkDone(this.#chunkBytes());
    else return this.#deliver(this.#bounceFor(this.#chunkBytes()));
    return null;
  }

  #dataIn(): Ocs {
    const { task } = this;
    task.phase = TaskPhase.DONE;
    if (!this.#prdt.scatter(task.buffer.subarray(0, task.bytes))) return Ocs.INVALID_PRDT_ATTR;
    this.movedBytes = task.bytes;
    return Ocs.SUCCESS;
  }

  #dataOut(): Ocs | null {
    const { task } = this;
    if (!this.#prdt.gather(task.buffer.subarray(0, task.bytes))) return Ocs.INVALID_PRDT_ATTR;
    this.movedBytes = task.bytes;
    this.#device.proceed(task, 0);
    return null;
  }

  #chunkBytes(): number {
    return Math.min(this.task.bytes - this.movedBytes, CHUNK_BYTES);
  }

  #chunkDone(bytes: number): void {
    const { task } = this;
    this.movedBytes += bytes;
    if (this.movedBytes === task.bytes) task.phase = task.flushAfter ? TaskPhase.FLUSH : TaskPhase.DONE;
  }

  #readChunk(): Ocs | null {
    const bytes = this.#chunkBytes();
    const medium = this.task.medium!;
    const at = this.task.offset + this.movedBytes;
    const source = medium.view?.(at, bytes);
    if (source !== undefined) return this.#deliver(source);
    this.#io = Io.ISSUED;
    medium.read(at, this.#bounceFor(bytes), this.#onIo);
    return null;
  }

  /** Puts what was read into host memory, decrypted when the command is encrypted. */
  #deliver(source: Uint8Array): Ocs | null {
    const plain = this.#keyslot === null ? source : this.#bounceFor(source.length);
    if (this.#keyslot !== null && !this.#crypt("decrypt", this.#keyslot, source, plain))
      return Ocs.GENERAL_CRYPTO_ERROR;
    if (!this.#prdt.scatter(plain)) return Ocs.INVALID_PRDT_ATTR;
    this.#chunkDone(source.length);
    return null;
  }

  #writeChunk(): Ocs | null {
    const bytes = this.#chunkBytes();
    const medium = this.task.medium!;
    const at = this.task.offset + this.movedBytes;
    const window = medium.view?.(at, bytes);
    const target = window ?? this.#bounceFor(bytes);
    const ocs = this.#fetch(target);
    if (ocs !== Ocs.SUCCESS) return ocs;
    if (window !== undefined) this.#chunkDone(bytes);
    else {
      this.#io = Io.ISSUED;
      medium.write(at, target, this.#onIo);
    }
    return null;
  }

  /** Fills `target` from host memory, encrypted when the command is. */
  #fetch(target: Uint8Array): Ocs {
    const slot = this.#keyslot;
    if (slot === null) return this.#prdt.gather(target) ? Ocs.SUCCESS : Ocs.INVALID_PRDT_ATTR;
    let source = this.#prdt.takeView(target.length);
    if (source === undefined) {
      source = this.#bounceFor(target.length);
      if (!this.#prdt.gather(source)) return Ocs.INVALID_PRDT_ATTR;
    }
    return this.#crypt("encrypt", slot, source, target) ? Ocs.SUCCESS : Ocs.GENERAL_CRYPTO_ERROR;
  }

  #crypt(direction: CryptDirection, slot: CryptoKeyslot, source: Uint8Array, target: Uint8Array): boolean {
    const { dunLow, dunHigh } = this.#utrd!;
    const version = this.#keyslotVersion;
    return this.#crypto!.crypt(direction, slot, version, source, target, dunLow, dunHigh, this.movedBytes);
  }

  #bounceFor(bytes: number): Uint8Array {
    if (this.#bounce.length < bytes)
      this.#bounce = new Uint8Array(Math.min(CHUNK_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
    return this.#bounce.subarray(0, bytes);
  }
}

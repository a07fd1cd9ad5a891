import {
  type Bio,
  BioSegments,
  BlkError,
  BlkStatus,
  BvecIter,
  opOf,
  type QueueLimits,
  ReqOp,
  SECTOR_BYTES,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { DmArgs } from "../dm-args.js";
import type { DmTargetIo } from "../dm-io.js";
import { type DmDeviceVisitor, type DmTarget, type DmTargetType, EndIoResult, MapResult } from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";
import { CryptCipher, cipherNameOf } from "./crypt-cipher.js";
import { type CryptOptions, checkCryptAlignment, formatCryptOptions, parseCryptOptions } from "./crypt-options.js";
import { CRYPT_BOUNCE_BYTES, CryptWrites } from "./crypt-writes.js";
import { hiddenKey, parseTableKey } from "./table-key.js";
import { limitsForUnits } from "./unit-limits.js";

/**
 * Encrypts by itself, in software:
 * `crypt <cipher> <key> <IV offset> <device> <start sector> [<#options> <option>...]`.
 *
 * @kernel drivers/md/dm-crypt.c
 */
export const cryptTarget: DmTargetType = {
  name: "crypt",
  version: [1, 28, 0],
  features: 0,
  ctr: (args, spec) => new CryptTarget(args, spec),
};

/** A read on its way: where its data lies, which the bio itself forgets. */
class CryptIo {
  readonly position = new BvecIter();
  io: DmTargetIo | null = null;
  readonly decryptWork: WorkItem;

  constructor(decrypt: (cryptIo: CryptIo) => void) {
    this.decryptWork = new WorkItem(() => decrypt(this));
  }
}

class CryptTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios: number;
  readonly maxIoSectors: number = CRYPT_BOUNCE_BYTES / SECTOR_BYTES;
  readonly #spec: DmTargetSpec;
  readonly #dev: DmDev;
  readonly #start: number;
  readonly #cipherSpec: string;
  readonly #ivOffset: bigint;
  readonly #options: CryptOptions;
  readonly #cipher: CryptCipher;
  readonly #writes: CryptWrites;
  readonly #segments = new BioSegments();
  #shownKey: string;
  #scratch: Uint8Array | null = null;
  #suspended = false;

  constructor(args: DmArgs, spec: DmTargetSpec) {
    this.#spec = spec;
    this.#cipherSpec = args.word("the cipher");
    const key = parseTableKey(args.word("the key"), args, spec);
    this.#shownKey = key.shown;
    try {
      this.#ivOffset = args.bigNumber("the IV offset");
      const device = args.word("the device");
      this.#start = args.number("the start sector");
      this.#options = parseCryptOptions(args);
      checkCryptAlignment(args, this.#options, spec.sectors, this.#ivOffset);
      this.#dev = spec.getDevice(device);
      this.#cipher = this.#newCipher(args, key.bytes);
    } finally {
      key.bytes.fill(0);
    }
    this.#writes = new CryptWrites(spec, this.#cipher, this.#dev.bdev, this.#start);
    this.numDiscardBios = this.#options.allowDiscards ? 1 : 0;
  }

  newIoData(): CryptIo {
    return new CryptIo((cryptIo) => this.#decrypt(cryptIo));
  }

  /** @kernel drivers/md/dm-crypt.c: crypt_map */
  map(bio: Bio, io: DmTargetIo): MapResult {
    bio.setDev(this.#dev.bdev);
    if (bio.bytes === 0) return MapResult.REMAPPED;
    const sector = bio.sector - this.#spec.begin;
    bio.sector = this.#start + sector;
    if (!bio.hasData) return MapResult.REMAPPED;
    const unitMask = this.#options.sectorBytes - 1;
    if ((bio.bytes & unitMask) !== 0 || ((sector * SECTOR_BYTES) & unitMask) !== 0) return MapResult.KILL;
    if (opOf(bio.opf) === ReqOp.WRITE) {
      this.#writes.submit(io);
      return MapResult.SUBMITTED;
    }
    (io.data as CryptIo).position.save(bio);
    return MapResult.REMAPPED;
  }

  /** What a read has brought is decrypted outside of the interrupt. @kernel drivers/md/dm-crypt.c: crypt_endio */
  endIo(bio: Bio, io: DmTargetIo): EndIoResult {
    const cryptIo = io.data as CryptIo;
    if (opOf(bio.opf) !== ReqOp.READ || io.status !== BlkStatus.OK) return EndIoResult.DONE;
    cryptIo.io = io;
    this.#spec.layer.executor.queueWork(cryptIo.decryptWork);
    return EndIoResult.INCOMPLETE;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    visit(this.#dev.bdev, this.#start, this.#spec.sectors);
  }

  /** @kernel drivers/md/dm-crypt.c: crypt_io_hints */
  ioHints(limits: QueueLimits): QueueLimits {
    return limitsForUnits(limits, this.#options.sectorBytes);
  }

  table(): string {
    const { name } = this.#dev;
    return `${this.#cipherSpec} ${this.#shownKey} ${this.#ivOffset} ${name} ${this.#start}${formatCryptOptions(this.#options)}`;
  }

  /** `key set <key>` and `key wipe`, while suspended. @kernel drivers/md/dm-crypt.c: crypt_message */
  message(words: readonly string[]): string {
    const args = new DmArgs(cryptTarget.name, words);
    const what = `${words[0]} ${words[1]}`.toLowerCase();
    const isSet = what === "key set" && words.length === 3;
    if (!isSet && !(what === "key wipe" && words.length === 2)) args.refuse("expected: key set <key>, or key wipe");
    if (!this.#suspended) args.refuse("the key of a device that is not suspended does not change");
    if (isSet) this.#setKey(args, words[2]!);
    else this.#wipeKey();
    return "";
  }

  postsuspend(): void {
    this.#suspended = true;
  }

  /** @kernel drivers/md/dm-crypt.c: crypt_preresume */
  preresume(): void {
    if (!this.#cipher.hasKey) throw new BlkError("EAGAIN", "dm-crypt", "the key has been wiped, and none set");
  }

  resume(): void {
    this.#suspended = false;
  }

  dtr(): void {
    this.#cipher.wipeKey();
    this.#scratch?.fill(0);
  }

  #newCipher(args: DmArgs, key: Uint8Array): CryptCipher {
    const engine = this.#spec.skcipherEngine;
    if (engine === null)
      throw new BlkError("ENOPKG", "dm-crypt", "the device mapper was made without an engine of ciphers");
    const name = cipherNameOf(this.#cipherSpec, engine, args);
    const { sectorBytes, ivLargeSectors } = this.#options;
    const cipher = new CryptCipher(engine.alloc(name), { sectorBytes, ivLargeSectors, ivOffset: this.#ivOffset });
    setCipherKey(args, cipher, key);
    return cipher;
  }

  #setKey(args: DmArgs, text: string): void {
    const key = parseTableKey(text, args, this.#spec);
    try {
      setCipherKey(args, this.#cipher, key.bytes);
      this.#shownKey = key.shown;
    } finally {
      key.bytes.fill(0);
    }
  }

  /** The table shows zeroes then, wherever the key came from. @kernel drivers/md/dm-crypt.c: crypt_wipe_key */
  #wipeKey(): void {
    this.#cipher.wipeKey();
    this.#shownKey = hiddenKey(this.#cipher.keyBytes);
  }

  /** @kernel drivers/md/dm-crypt.c: kcryptd_crypt_read_convert */
  #decrypt(cryptIo: CryptIo): void {
    const io = cryptIo.io!;
    cryptIo.io = null;
    io.end(this.#tryDecrypt(io.bio!, cryptIo.position));
  }

  #tryDecrypt(bio: Bio, position: BvecIter): BlkStatus {
    const sector = position.sector - this.#start;
    bio.bytes = position.bytes;
    bio.vecIndex = position.vecIndex;
    bio.vecDone = position.vecDone;
    try {
      if (this.#hasWholeUnits(bio)) this.#decryptInPlace(bio, sector);
      else this.#decryptScattered(bio, sector);
      return BlkStatus.OK;
    } catch {
      return BlkStatus.IOERR;
    }
  }

  #hasWholeUnits(bio: Bio): boolean {
    this.#segments.start(bio);
    while (this.#segments.next()) if (this.#segments.bytes % this.#options.sectorBytes !== 0) return false;
    return true;
  }

  #decryptInPlace(bio: Bio, firstSector: number): void {
    const segments = this.#segments;
    let sector = firstSector;
    for (segments.start(bio); segments.next(); sector += segments.bytes / SECTOR_BYTES) {
      this.#cipher.decrypt(segments.data.subarray(segments.offset, segments.offset + segments.bytes), sector);
    }
  }

  #decryptScattered(bio: Bio, sector: number): void {
    this.#scratch ??= new Uint8Array(CRYPT_BOUNCE_BYTES);
    const data = this.#scratch.subarray(0, bio.bytes);
    const segments = this.#segments;
    let at = 0;
    for (segments.start(bio); segments.next(); at += segments.bytes) {
      data.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), at);
    }
    this.#cipher.decrypt(data, sector);
    at = 0;
    for (segments.start(bio); segments.next(); at += segments.bytes) {
      segments.data.set(data.subarray(at, at + segments.bytes), segments.offset);
    }
  }
}

/** A cipher's own error names no key byte, but what it says is not ours to promise. */
function setCipherKey(args: DmArgs, cipher: CryptCipher, key: Uint8Array): void {
  if (key.length !== cipher.keyBytes)
    args.refuse(`the key has ${key.length} bytes, the cipher takes ${cipher.keyBytes}`);
  try {
    cipher.setKey(key);
  } catch {
    args.refuse("the cipher does not take this key");
  }
}

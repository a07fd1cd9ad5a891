import { createCipheriv, createDecipheriv } from "node:crypto";
import { type Bio, BlockLayer, HostExecutor, ReqOp, SECTOR_BYTES, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoStartUsingKey, type CryptoMode } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

export const BIO_BYTES = 65536;
export const TOTAL_BYTES: number = 8 << 20;
const BIOS_IN_FLIGHT = 16;

/** How data is encrypted. */
export interface Crypt {
  readonly mode: CryptoMode;
  readonly keyBytes: Uint8Array;
  readonly dataUnitBytes: number;
}

/** Encrypts all of `data` to a medium, or decrypts all of a medium into `data`, bio by bio. */
export interface Contender {
  readonly name: string;
  write(data: Uint8Array): Promise<void>;
  read(data: Uint8Array): Promise<void>;
  /** What the medium holds. */
  medium(): Uint8Array;
}

/** What one writes first for AES-256-XTS: a node:crypto cipher for each data unit. */
export function naiveLoop({ keyBytes, dataUnitBytes }: Crypt): Contender {
  const medium = new Uint8Array(TOTAL_BYTES);
  const iv = Buffer.alloc(16);
  const crypt = (
    from: Uint8Array,
    to: Uint8Array,
    makeCipher: typeof createCipheriv | typeof createDecipheriv,
  ): void => {
    for (let at = 0; at < TOTAL_BYTES; at += dataUnitBytes) {
      iv.writeUInt32LE(at / dataUnitBytes);
      const cipher = makeCipher("aes-256-xts", keyBytes, iv);
      to.set(cipher.update(from.subarray(at, at + dataUnitBytes)), at);
      cipher.final();
    }
  };
  return {
    name: "a node:crypto cipher each",
    write: async (data) => crypt(data, medium, createCipheriv),
    read: async (data) => crypt(medium, data, createDecipheriv),
    medium: () => medium,
  };
}

/** The engine without the block layer: what the block path could reach at best. */
export function cipherAlone({ mode, keyBytes, dataUnitBytes }: Crypt): Contender {
  const medium = new Uint8Array(TOTAL_BYTES);
  const cipher = createNodeEngine().alloc(mode.cipher);
  cipher.setKey(keyBytes);
  const dun = new Uint32Array(8);
  const crypt = (from: Uint8Array, to: Uint8Array, op: "encrypt" | "decrypt"): void => {
    for (let at = 0; at < TOTAL_BYTES; at += BIO_BYTES) {
      dun[0] = at / dataUnitBytes;
      cipher[op](from.subarray(at, at + BIO_BYTES), to.subarray(at, at + BIO_BYTES), dataUnitBytes, dun);
    }
  };
  return {
    name: "cipher alone",
    write: async (data) => crypt(data, medium, "encrypt"),
    read: async (data) => crypt(medium, data, "decrypt"),
    medium: () => medium,
  };
}

export interface BlockPathOptions {
  /** @default createNodeEngine() */
  readonly engine?: SkcipherEngine;
  /** @default BIO_BYTES */
  readonly bioBytes?: number;
  /**
   * Submits each bio in a turn of the event loop of its own, as those that come from a socket are.
   *
   * @default false
   */
  readonly ownTurns?: boolean;
}

/** `layer.submitBio` on a RAM disk with the fallback; without a key, plain I/O on the same path. */
export function blockPath(name: string, crypt: Crypt | null, options: BlockPathOptions = {}): Contender {
  const { engine = createNodeEngine(), bioBytes = BIO_BYTES, ownTurns = false } = options;
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: new BlkCryptoFallback({ engine }) });
  const disk = new RamDisk(layer, { bytes: TOTAL_BYTES });
  let volume = new Volume(disk.bdev);
  if (crypt !== null) {
    const { mode, keyBytes, dataUnitBytes } = crypt;
    const key = new BlkCryptoKey({ mode, bytes: keyBytes, dataUnitBytes, dunBytes: 8 });
    blkCryptoStartUsingKey(disk.bdev, key);
    volume = new Volume(disk.bdev, { key });
  }
  return {
    name,
    write: (data) => new Pass(layer, volume, ReqOp.WRITE, data, bioBytes, ownTurns).run(),
    read: (data) => new Pass(layer, volume, ReqOp.READ, data, bioBytes, ownTurns).run(),
    medium() {
      const bytes = new Uint8Array(TOTAL_BYTES);
      disk.readMedium(0, bytes);
      return bytes;
    },
  };
}

/** One pass over the disk; each bio that ends submits the next. */
class Pass {
  readonly #layer: BlockLayer;
  readonly #volume: Volume;
  readonly #op: number;
  readonly #data: Uint8Array;
  readonly #bioBytes: number;
  readonly #ownTurns: boolean;
  readonly #next = (): void => this.#submitNext();
  readonly #onEnd = (bio: Bio): void => this.#ended(bio);
  #submitted = 0;
  #left: number;
  #done: (() => void) | null = null;

  constructor(layer: BlockLayer, volume: Volume, op: number, data: Uint8Array, bioBytes: number, ownTurns: boolean) {
    this.#layer = layer;
    this.#volume = volume;
    this.#op = op;
    this.#data = data;
    this.#bioBytes = bioBytes;
    this.#ownTurns = ownTurns;
    this.#left = TOTAL_BYTES / bioBytes;
  }

  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#done = resolve;
      for (let inFlight = 0; inFlight < BIOS_IN_FLIGHT; inFlight++) this.#goOn();
    });
  }

  #submitNext(): void {
    if (this.#submitted === TOTAL_BYTES) return;
    const at = this.#submitted;
    this.#submitted += this.#bioBytes;
    const bio = this.#layer.bioSet.tryAlloc(this.#volume.bdev, this.#op)!;
    bio.sector = at / SECTOR_BYTES;
    bio.addBuffer(this.#data, at, this.#bioBytes);
    this.#volume.attachContext(bio);
    bio.onEndIo = this.#onEnd;
    this.#layer.submitBio(bio);
  }

  #ended(bio: Bio): void {
    if (bio.status !== 0) throw new Error(`I/O ended with status ${bio.status}`);
    bio.put();
    this.#left--;
    if (this.#left === 0) this.#done!();
    else this.#goOn();
  }

  #goOn(): void {
    if (this.#ownTurns) setImmediate(this.#next);
    else this.#submitNext();
  }
}

import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import {
  type Dma,
  FMP_DATA_UNIT_BYTES,
  FMP_KEY_BYTES,
  FMP_PRDT_ENTRY_BYTES,
  fmpCryptoKind,
  Ocs,
  parseFmpCrypto,
  prdtAddress,
  prdtBytes,
} from "../ufshci/index.js";
import type { DataTable } from "./prdt-cursor.js";

/**
 * A PRDT whose entries carry keys: a crypto engine without keyslots, in the path of the data. An entry that carries a
 * key is exactly one data unit; plain entries may have any length.
 */
export class FmpPrdt implements DataTable {
  readonly #dma: Dma;
  readonly #cipher: Skcipher;
  readonly #entry = new Uint8Array(FMP_PRDT_ENTRY_BYTES);
  readonly #key = new Uint8Array(FMP_KEY_BYTES);
  readonly #dun = new Uint32Array(8);
  readonly #bounce = new Uint8Array(FMP_DATA_UNIT_BYTES);
  #base = 0;
  #entries = 0;
  #index = 0;
  /** Bytes used of a plain entry that a chunk has cut. */
  #used = 0;

  constructor(dma: Dma, engine: SkcipherEngine) {
    this.#dma = dma;
    this.#cipher = engine.alloc("xts(aes)");
  }

  open(base: number, entries: number, neededBytes: number): Ocs {
    this.#base = base;
    this.#entries = entries;
    this.#index = 0;
    this.#used = 0;
    let bytes = 0;
    for (let index = 0; index < entries && bytes < neededBytes; index++) {
      if (!this.#load(index) || !this.#isAllowed()) return Ocs.INVALID_PRDT_ATTR;
      bytes += prdtBytes(this.#entry, 0);
    }
    this.#wipe();
    return bytes < neededBytes ? Ocs.MISMATCH_DATA_BUF_SIZE : Ocs.SUCCESS;
  }

  gather(into: Uint8Array): boolean {
    return this.#walk(into, (address, piece) => {
      if (fmpCryptoKind(this.#entry, 0) === "plain") return this.#dma.read(address, piece);
      return piece.length === FMP_DATA_UNIT_BYTES && this.#dma.read(address, this.#bounce) && this.#encrypt(piece);
    });
  }

  scatter(from: Uint8Array): boolean {
    return this.#walk(from, (address, piece) => {
      if (fmpCryptoKind(this.#entry, 0) === "plain") return this.#dma.write(address, piece);
      return piece.length === FMP_DATA_UNIT_BYTES && this.#decrypt(piece) && this.#dma.write(address, this.#bounce);
    });
  }

  /** Data is never used in place: each data unit has its own key. */
  takeView(): undefined {
    return undefined;
  }

  /** Calls `move` for each entry's piece of `data`. No key is left here when this returns. */
  #walk(data: Uint8Array, move: (address: number, piece: Uint8Array) => boolean): boolean {
    try {
      for (let done = 0; done < data.length; ) {
        if (this.#index >= this.#entries || !this.#load(this.#index)) return false;
        const left = prdtBytes(this.#entry, 0) - this.#used;
        // Software has changed the entry meanwhile.
        if (left <= 0) return false;
        const bytes = Math.min(left, data.length - done);
        if (!move(prdtAddress(this.#entry, 0) + this.#used, data.subarray(done, done + bytes))) return false;
        done += bytes;
        this.#used = bytes === left ? 0 : this.#used + bytes;
        if (this.#used === 0) this.#index++;
      }
      return true;
    } finally {
      this.#wipe();
    }
  }

  #encrypt(into: Uint8Array): boolean {
    return this.#crypt(() => this.#cipher.encrypt(this.#bounce, into, FMP_DATA_UNIT_BYTES, this.#dun));
  }

  #decrypt(from: Uint8Array): boolean {
    return this.#crypt(() => this.#cipher.decrypt(from, this.#bounce, FMP_DATA_UNIT_BYTES, this.#dun));
  }

  /** A key the cipher refuses, with equal halves, fails the command. */
  #crypt(run: () => void): boolean {
    parseFmpCrypto(this.#entry, 0, this.#dun, this.#key);
    try {
      this.#cipher.setKey(this.#key);
      run();
      return true;
    } catch {
      return false;
    }
  }

  #load(index: number): boolean {
    return this.#dma.read(this.#base + index * FMP_PRDT_ENTRY_BYTES, this.#entry);
  }

  #isAllowed(): boolean {
    const kind = fmpCryptoKind(this.#entry, 0);
    if (kind === "unknown") return false;
    if (kind === "aes-256-xts" && prdtBytes(this.#entry, 0) !== FMP_DATA_UNIT_BYTES) return false;
    return (this.#entry[0]! & 3) === 0 && (prdtBytes(this.#entry, 0) & 3) === 0;
  }

  #wipe(): void {
    this.#entry.fill(0);
    this.#key.fill(0);
    this.#bounce.fill(0);
    this.#cipher.clear();
  }
}

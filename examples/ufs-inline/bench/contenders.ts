import { type Bio, BlockLayer, HostExecutor, ReqOp, SECTOR_BYTES, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";

export const TOTAL_BYTES: number = 16 << 20;
const DATA_UNIT_BYTES = 4096;

/** Moves all of `data` to or from a medium, in bios of `bioBytes`, `inFlight` at a time. */
export interface Contender {
  readonly name: string;
  pass(op: "write" | "read", data: Uint8Array, bioBytes: number, inFlight: number): Promise<void>;
  /** What the medium holds. */
  medium(): Uint8Array;
}

function makeKey(keyBytes: Uint8Array): BlkCryptoKey {
  return new BlkCryptoKey({ mode: "AES-256-XTS", bytes: keyBytes, dataUnitBytes: DATA_UNIT_BYTES, dunBytes: 8 });
}

function contender(name: string, volume: Volume, medium: () => Uint8Array): Contender {
  return {
    name,
    medium,
    pass: (op, data, bioBytes, inFlight) => new Pass(volume, op, data, bioBytes).run(inFlight),
  };
}

/** Driver and controller; null: plain. */
export async function ufs(name: string, keyBytes: Uint8Array | null): Promise<Contender> {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const medium = new MemoryMedium(TOTAL_BYTES);
  const disk = await createUfsDisk({ layer, engine: createNodeEngine(), backing: medium });
  const volume = new Volume(disk.bdev, keyBytes && { key: makeKey(keyBytes) });
  return contender(name, volume, () => medium.data);
}

/** A RAM disk and the software fallback; null: plain. */
export function ram(name: string, keyBytes: Uint8Array | null): Contender {
  const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
  const disk = new RamDisk(layer, { bytes: TOTAL_BYTES });
  const key = keyBytes && makeKey(keyBytes);
  if (key !== null) blkCryptoStartUsingKey(disk.bdev, key);
  return contender(name, new Volume(disk.bdev, key && { key }), () => {
    const bytes = new Uint8Array(TOTAL_BYTES);
    disk.readMedium(0, bytes);
    return bytes;
  });
}

/** One pass over the disk; each bio that ends submits the next, from a turn of the event loop of its own. */
class Pass {
  readonly #volume: Volume;
  readonly #op: number;
  readonly #data: Uint8Array;
  readonly #bioBytes: number;
  readonly #onEnd = (bio: Bio): void => this.#ended(bio);
  readonly #refill = (): void => this.#submitMany();
  #submitted = 0;
  #left: number;
  #free = 0;
  #refillDue = false;
  #done: (() => void) | null = null;

  constructor(volume: Volume, op: "write" | "read", data: Uint8Array, bioBytes: number) {
    this.#volume = volume;
    this.#op = op === "write" ? ReqOp.WRITE : ReqOp.READ;
    this.#data = data;
    this.#bioBytes = bioBytes;
    this.#left = TOTAL_BYTES / bioBytes;
  }

  run(inFlight: number): Promise<void> {
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#free = inFlight;
      this.#submitMany();
    });
  }

  #submitMany(): void {
    this.#refillDue = false;
    for (; this.#free > 0 && this.#submitted < TOTAL_BYTES; this.#free--) this.#submit();
  }

  #submit(): void {
    const { bdev } = this.#volume;
    const { layer } = bdev.queue;
    const bio = layer.bioSet.tryAlloc(bdev, this.#op)!;
    bio.sector = this.#submitted / SECTOR_BYTES;
    bio.addBuffer(this.#data, this.#submitted, this.#bioBytes);
    bio.onEndIo = this.#onEnd;
    this.#submitted += this.#bioBytes;
    this.#volume.attachContext(bio);
    layer.submitBio(bio);
  }

  #ended(bio: Bio): void {
    if (bio.status !== 0) throw new Error(`a bio ended with status ${bio.status}`);
    bio.put();
    this.#free++;
    if (--this.#left === 0) this.#done!();
    else if (!this.#refillDue) {
      this.#refillDue = true;
      setImmediate(this.#refill);
    }
  }
}

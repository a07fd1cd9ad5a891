import type { Bio } from "./bio.js";
import { SECTOR_BYTES } from "./bio.js";
import type { CryptoKeyRef } from "./blk-crypto.js";
import type { BlockDevice, WriteOptions } from "./block-device.js";
import { discardRange, flushDevice, transfer, zeroRange } from "./block-device-io.js";
import { copyDun, type Dun, dunIncrement, newDun } from "./dun.js";
import { BlkError } from "./errors.js";
import { ReqFlag, ReqOp } from "./opf.js";

/** How a volume is encrypted: data unit `i` of the device has the DUN `firstDun + i`. */
export interface VolumeCrypt {
  key: CryptoKeyRef;
  /** @default 0n */
  firstDun?: bigint;
}

/**
 * What an upper layer sees of a device: its sectors, and the encryption context of every bio sent to them.
 */
export class Volume {
  readonly bdev: BlockDevice;
  readonly key: CryptoKeyRef | null;
  /** I/O is aligned to this: the logical block, or the data unit when that is larger. */
  readonly blockBytes: number;
  readonly #firstDun: Dun;
  readonly #scratchDun: Dun = newDun();

  /** @throws BlkError EINVAL when the device does not hold whole data units, or needs DUNs larger than the key allows. */
  constructor(bdev: BlockDevice, crypt: VolumeCrypt | null = null) {
    this.bdev = bdev;
    this.key = crypt?.key ?? null;
    this.blockBytes = Math.max(bdev.queue.limits.logicalBlockBytes, this.key?.dataUnitBytes ?? 0);
    if (crypt !== null) checkFit(bdev, crypt);
    this.#firstDun = newDun(crypt?.firstDun ?? 0n);
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.bdev.bytes;
  }

  /**
   * Gives a data bio of this volume its context, from `bio.sector`. The sector must be aligned to `blockBytes`.
   * Plain volumes give none. False when no context is free: `cryptCtxs` of the block layer lets wait for one.
   *
   * @context hot
   */
  attachContext(bio: Bio): boolean {
    if (this.key === null) return true;
    copyDun(this.#scratchDun, this.#firstDun);
    dunIncrement(this.#scratchDun, (bio.sector * SECTOR_BYTES) / this.key.dataUnitBytes);
    return bio.setCryptCtx(this.key, this.#scratchDun);
  }

  /** As `BlockDevice.read`, decrypted; aligned to `blockBytes`. */
  read(byteOffset: number, into: Uint8Array): Promise<void> {
    return transfer(this.bdev, this, ReqOp.READ, byteOffset, into);
  }

  /** As `BlockDevice.write`, encrypted; aligned to `blockBytes`. */
  write(byteOffset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    return transfer(this.bdev, this, ReqOp.WRITE | (options.fua ? ReqFlag.FUA : 0), byteOffset, from);
  }

  /** As `BlockDevice.flush`. */
  flush(): Promise<void> {
    return flushDevice(this.bdev);
  }

  /** As `BlockDevice.discard`. What an encrypted volume reads there afterwards is noise. */
  discard(byteOffset: number, bytes: number): Promise<void> {
    return discardRange(this.bdev, byteOffset, bytes);
  }

  /** As `BlockDevice.writeZeroes`; an encrypted volume stores the ciphertext of zeroes. @kernel fs/crypto/bio.c: fscrypt_zeroout_range */
  writeZeroes(byteOffset: number, bytes: number): Promise<void> {
    return zeroRange(this.bdev, this, byteOffset, bytes);
  }
}

function checkFit(bdev: BlockDevice, { key, firstDun = 0n }: VolumeCrypt): void {
  const { dataUnitBytes, dunBytes } = key;
  if (bdev.bytes % dataUnitBytes !== 0) {
    throw new BlkError(
      "EINVAL",
      bdev.name,
      `${bdev.bytes} bytes are not a multiple of the data unit of ${dataUnitBytes}`,
    );
  }
  if (firstDun < 0n) throw new BlkError("EINVAL", bdev.name, `firstDun is ${firstDun}, expected 0 or more`);
  // An empty device can grow: there, too, the first DUN has to fit.
  const lastDun = firstDun + BigInt(Math.max(bdev.bytes / dataUnitBytes, 1)) - 1n;
  if (lastDun >= 1n << BigInt(8 * dunBytes)) {
    throw new BlkError(
      "EINVAL",
      bdev.name,
      `the last data unit's DUN ${lastDun} does not fit the key's ${dunBytes} DUN bytes`,
    );
  }
}

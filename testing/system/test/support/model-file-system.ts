import {
  type Bio,
  BlkStatus,
  type BlockDevice,
  type CryptoKeyRef,
  dunIsContiguous,
  dunToBigInt,
  newDun,
  SECTOR_BYTES,
  submitBioWait,
} from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoModeName,
} from "@inlinecrypt/blk-crypto-profile";
import { type FscryptFile, fscryptContentsKey, fscryptDun } from "@inlinecrypt/reference-crypto";

/** The block layer's name of each `FSCRYPT_MODE_*` for contents. */
const MODES: Readonly<Record<number, CryptoModeName>> = {
  1: "AES-256-XTS",
  5: "AES-128-CBC-ESSIV",
  7: "SM4-XTS",
  9: "Adiantum",
};

/** DUN bytes of each policy, checklist table 2.15; per-file keys with room for any file. */
const DUN_BYTES: Readonly<Record<FscryptFile["policy"], number>> = {
  "v2-per-file": 8,
  "v2-DIRECT_KEY": 24,
  "v2-IV_INO_LBLK_64": 8,
  "v2-IV_INO_LBLK_32": 4,
};

/** An encrypted file that is in use: what it is encrypted with. @kernel fs/crypto/fscrypt_private.h: fscrypt_inode_info */
export class ModelInode {
  readonly key: BlkCryptoKey;
  readonly file: FscryptFile;
  readonly #unitsPerBlock: number;

  constructor(file: FscryptFile, key: BlkCryptoKey, blockBytes: number) {
    this.file = file;
    this.key = key;
    this.#unitsPerBlock = blockBytes / key.dataUnitBytes;
  }

  /** DUN of the first data unit of one of the file's blocks. */
  dunOf(logicalBlock: number): bigint {
    return fscryptDun(this.file, BigInt(logicalBlock) * BigInt(this.#unitsPerBlock));
  }
}

function newKey(file: FscryptFile, dataUnitBytes: number): BlkCryptoKey {
  const mode = MODES[file.contentsMode]!;
  return new BlkCryptoKey({ mode, bytes: fscryptContentsKey(file), dataUnitBytes, dunBytes: DUN_BYTES[file.policy] });
}

/** A block of a file, where it is on the device, and its memory. */
export interface FileBlock {
  readonly inode: ModelInode;
  readonly logicalBlock: number;
  readonly physicalBlock: number;
  readonly memory: Uint8Array;
}

/** What a file system submitted: a test looks at it. */
export interface SubmittedBio {
  readonly key: CryptoKeyRef;
  readonly sector: number;
  readonly blocks: number;
  readonly firstDun: bigint;
}

/**
 * The part of a file system that does encrypted I/O, as ext4 and f2fs do it with the `inlinecrypt` mount option. It may span
 * devices; every key is started and evicted on all of them.
 */
export class ModelFileSystem {
  readonly devices: readonly BlockDevice[];
  readonly blockBytes: number;
  readonly submitted: SubmittedBio[] = [];
  readonly #inodes: ModelInode[] = [];

  constructor(devices: readonly BlockDevice[], blockBytes: number) {
    this.devices = devices;
    this.blockBytes = blockBytes;
  }

  /** Makes a file usable. @kernel fs/crypto/block.c: fscrypt_prepare_inline_crypt_key */
  open(file: FscryptFile, dataUnitBytes: number = this.blockBytes): ModelInode {
    const key = this.#sharedKey(file, dataUnitBytes) ?? newKey(file, dataUnitBytes);
    for (const device of this.devices) blkCryptoStartUsingKey(device, key);
    const inode = new ModelInode(file, key, this.blockBytes);
    this.#inodes.push(inode);
    return inode;
  }

  /** Evicts all keys, then closes the devices, then wipes the keys. @kernel fs/crypto/block.c: fscrypt_destroy_inline_crypt_key */
  async unmount(): Promise<void> {
    const keys = new Set(this.#inodes.map(({ key }) => key));
    for (const key of keys) {
      for (const device of this.devices) await blkCryptoEvictKey(device, key);
    }
    for (const device of this.devices) await device.disk.close();
    for (const key of keys) key.wipe();
  }

  /** Whether a block's data may follow what a bio holds. @kernel fs/crypto/block.c: fscrypt_mergeable_bio */
  mergeable(bio: Bio, inode: ModelInode, nextLogicalBlock: number): boolean {
    const ctx = bio.cryptCtx;
    if (ctx === null || ctx.key !== inode.key) return false;
    return dunIsContiguous(ctx.dun, ctx.dataUnits(bio.bytes), newDun(inode.dunOf(nextLogicalBlock)));
  }

  /** How many of a run's blocks one bio may have: a DUN of 32 bits may not wrap inside. @kernel fs/crypto/block.c: fscrypt_limit_io_blocks */
  limitIoBlocks(inode: ModelInode, logicalBlock: number, blocks: number): number {
    if (inode.file.policy !== "v2-IV_INO_LBLK_32") return blocks;
    const untilWrap = 2n ** 32n - inode.dunOf(logicalBlock);
    return untilWrap < BigInt(blocks) ? Number(untilWrap) : blocks;
  }

  /** Reads or writes blocks of any files, as write-back does: a bio takes blocks for as long as they are mergeable. */
  async submitBlocks(device: BlockDevice, opf: number, blocks: readonly FileBlock[]): Promise<BlkStatus> {
    const bios: Bio[] = [];
    let bio: Bio | null = null;
    for (const { inode, logicalBlock, physicalBlock, memory } of blocks) {
      const sector = (physicalBlock * this.blockBytes) / SECTOR_BYTES;
      const fits = bio !== null && bio.endSector === sector && this.mergeable(bio, inode, logicalBlock);
      if (!fits || !bio!.addBuffer(memory)) {
        bio = this.#newBio(device, opf, inode, logicalBlock, sector);
        bio.addBuffer(memory);
        bios.push(bio);
      }
    }
    return this.#submitAll(bios);
  }

  /** Reads or writes a contiguous run of a file, as direct I/O does: bios as large as the limit allows. */
  async submitRun(
    device: BlockDevice,
    opf: number,
    inode: ModelInode,
    logicalBlock: number,
    physicalBlock: number,
    memory: Uint8Array,
  ): Promise<BlkStatus> {
    const bios: Bio[] = [];
    const blocks = memory.length / this.blockBytes;
    for (let done = 0; done < blocks; ) {
      const sector = ((physicalBlock + done) * this.blockBytes) / SECTOR_BYTES;
      const count = this.limitIoBlocks(inode, logicalBlock + done, blocks - done);
      const bio = this.#newBio(device, opf, inode, logicalBlock + done, sector);
      bio.addBuffer(memory, done * this.blockBytes, count * this.blockBytes);
      bios.push(bio);
      done += count;
    }
    return this.#submitAll(bios);
  }

  /** Files of all policies but one have the key of their master key in common. */
  #sharedKey(file: FscryptFile, dataUnitBytes: number): BlkCryptoKey | null {
    if (file.policy === "v2-per-file") return null;
    const { policy, masterKey, contentsMode } = file;
    const sharing = this.#inodes.find(
      ({ file: other, key }) =>
        other.policy === policy &&
        other.masterKey === masterKey &&
        other.contentsMode === contentsMode &&
        key.dataUnitBytes === dataUnitBytes,
    );
    return sharing?.key ?? null;
  }

  /** @kernel fs/crypto/block.c: fscrypt_set_bio_crypt_ctx */
  #newBio(device: BlockDevice, opf: number, inode: ModelInode, logicalBlock: number, sector: number): Bio {
    const bio = device.queue.layer.bioSet.tryAlloc(device, opf)!;
    bio.sector = sector;
    bio.setCryptCtx(inode.key, newDun(inode.dunOf(logicalBlock)));
    return bio;
  }

  /** Submits bios together; the first failure is the status of all. */
  async #submitAll(bios: readonly Bio[]): Promise<BlkStatus> {
    for (const { cryptCtx, sector, bytes } of bios) {
      const blocks = bytes / this.blockBytes;
      this.submitted.push({ key: cryptCtx!.key!, sector, blocks, firstDun: dunToBigInt(cryptCtx!.dun) });
    }
    const statuses = await Promise.all(bios.map(submitBioWait));
    for (const bio of bios) bio.put();
    return statuses.find((status) => status !== BlkStatus.OK) ?? BlkStatus.OK;
  }
}

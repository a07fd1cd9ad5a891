import { BlkStatus, BlockLayer, opOf, ReqOp, submitBioWait, Volume } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import {
  BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { expectAtRest, type SeededRandom, SimDisk, type SimDiskCrypt } from "@inlinecrypt/blk-sim";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

export const PAGE_BYTES = 4096;
const PAGE_SECTORS = PAGE_BYTES / 512;

type DataOp = typeof ReqOp.READ | typeof ReqOp.WRITE;

/** A part of the disk with a key of its own. */
export interface KeyedPart {
  readonly key: BlkCryptoKey;
  /** The key's bytes, which a real program would have wiped: with them everything at rest is checked. */
  readonly keyBytes: Uint8Array;
  readonly volume: Volume;
}

/** What the counters of a disk say. */
export interface Counts {
  requests: number;
  programmings: number;
}

/** A simulated disk with a crypto engine of few keyslots, cut into many partitions, each with its own key. */
export class KeyedDisk {
  readonly executor: SimExecutor;
  readonly parts: KeyedPart[] = [];
  readonly profile: BlkCryptoProfile;
  readonly #layer: BlockLayer;
  readonly #disk: SimDisk;

  constructor(executor: SimExecutor, random: SeededRandom, slotCount: number, keyCount: number, pagesPerKey: number) {
    this.executor = executor;
    this.#layer = new BlockLayer({ executor });
    const slots = newSlots(slotCount);
    const bytes = keyCount * pagesPerKey * PAGE_BYTES;
    this.#disk = new SimDisk(this.#layer, { bytes, random, crypt: cryptWith(slots), queueDepth: 32 });
    this.profile = new BlkCryptoProfile(this.#layer, {
      slotCount,
      modesSupported: { "AES-256-XTS": PAGE_BYTES },
      maxDunBytesSupported: 8,
      llOps: {
        keyslotProgram: (key, slotIndex) => key.withBytes((keyBytes) => slots[slotIndex]!.setKey(keyBytes)),
        keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
      },
    });
    this.#disk.queue.registerCryptoProfile(this.profile);
    const keyRandom = random.fork("keys");
    for (let index = 0; index < keyCount; index++) this.#addPart(index, pagesPerKey, keyRandom);
  }

  get counts(): Counts {
    const { reads, writes } = this.#disk.seen;
    return { requests: reads + writes, programmings: sum(this.profile.slotTable().map((slot) => slot.programmings)) };
  }

  /** Submits all I/O in one plug: neighbours merge before the disk sees them. Resolves when all has ended. */
  async transfer(op: DataOp, pages: readonly PageIo[]): Promise<void> {
    this.#layer.startPlug();
    const ends = pages.map((page) => this.#submit(op, page));
    this.#layer.finishPlug();
    const failed = (await Promise.all(ends)).filter((status) => status !== BlkStatus.OK);
    if (failed.length > 0) throw new Error(`${failed.length} of ${pages.length} pages failed`);
  }

  /** What is at rest in a page, past all encryption. */
  atRest(part: KeyedPart, page: number): Uint8Array {
    const ciphertext = new Uint8Array(PAGE_BYTES);
    this.#disk.readMedium(part.volume.bdev.startSector * 512 + page * PAGE_BYTES, ciphertext);
    return ciphertext;
  }

  /** Ends the life of every key, in the order that matters: I/O, eviction, wiping. */
  async close(): Promise<void> {
    for (const { key, volume } of this.parts) {
      await blkCryptoEvictKey(volume.bdev, key);
      key.wipe();
    }
    await this.#disk.close();
    expectAtRest({ layer: this.#layer, queues: [this.#disk.queue], profiles: [this.profile] });
  }

  #addPart(index: number, pagesPerKey: number, random: SeededRandom): void {
    const sectors = pagesPerKey * PAGE_SECTORS;
    const bdev = this.#disk.disk.partition(`sim0p${index + 1}`, index * sectors, sectors);
    const keyBytes = random.fill(new Uint8Array(64)); // keys for a test: anybody can guess them
    const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: keyBytes, dataUnitBytes: PAGE_BYTES, dunBytes: 8 });
    blkCryptoStartUsingKey(bdev, key);
    this.parts.push({ key, keyBytes, volume: new Volume(bdev, { key }) });
  }

  async #submit(op: DataOp, { part, page, data }: PageIo): Promise<BlkStatus> {
    const bio = this.#layer.bioSet.tryAlloc(part.volume.bdev, op);
    if (bio === null) throw new Error("more I/O at a time than the block layer has bios");
    bio.sector = page * PAGE_SECTORS;
    bio.addBuffer(data);
    part.volume.attachContext(bio);
    const status = await submitBioWait(bio);
    bio.put();
    return status;
  }
}

/** One page of a part, and the memory to write from or read into. */
export interface PageIo {
  part: KeyedPart;
  page: number;
  data: Uint8Array;
}

/** What the slots of the hardware are here: a cipher each. */
function newSlots(slotCount: number): Skcipher[] {
  const engine = createNodeEngine();
  return Array.from({ length: slotCount }, () => engine.alloc("xts(aes)"));
}

function cryptWith(slots: readonly Skcipher[]): SimDiskCrypt {
  return (rq, from, to) => {
    const { key, dun } = rq.cryptCtx!;
    const cipher = slots[rq.cryptKeyslot!.slotIndex]!;
    if (opOf(rq.opf) === ReqOp.WRITE) cipher.encrypt(from, to, key!.dataUnitBytes, dun);
    else cipher.decrypt(from, to, key!.dataUnitBytes, dun);
    return BlkStatus.OK;
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

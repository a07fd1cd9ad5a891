import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  opIsWrite,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { type BlkCryptoProfile, Device, devmBlkCryptoProfileInit } from "@inlinecrypt/blk-crypto-profile";
import { type CoherentBuffer, type HostMemory, type InterruptLine, UfsCryptoEngine } from "../driver/index.js";
import type { Mmio } from "../ufshci/index.js";
import {
  buildCqSlot,
  buildCqTransfer,
  CQ_CAP_CS,
  CQ_SLOT_BYTES,
  CQ_SLOTS,
  CQ_TRANSFER_BYTES,
  CQ_TRANSFER_MAX_BYTES,
  CqCfg,
  CqIs,
  CqReg,
  newCqTask,
  parseCqTaskError,
} from "./cqhci-layout.js";

/** Task descriptors have 32 bits for the DUN. */
const MAX_DUN_BYTES = 4;
const MAX_SEGMENTS = 128;
const MAX_SECTORS = 1024;
const INTERRUPTS = CqIs.TCC | CqIs.RED | CqIs.GCE | CqIs.ICCE;
const LIST_ALIGN = 1024;

export interface CqhciDiskOptions {
  mmio: Mmio;
  memory: HostMemory;
  irq: InterruptLine;
  /** Size of the card, a multiple of 512. */
  bytes: number;
  /** @default "mmcblk0" */
  name?: string;
}

/**
 * An eMMC card behind a command queue engine, as a disk. It encrypts what needs DUNs of at most 32 bits.
 *
 * @kernel drivers/mmc/host/cqhci-core.c; drivers/mmc/host/cqhci-crypto.c
 */
export class CqhciDisk implements AsyncDisposable {
  readonly disk: GenDisk;
  /** Null when the engine does not encrypt. */
  readonly profile: BlkCryptoProfile | null;
  readonly #mmio: Mmio;
  readonly #memory: HostMemory;
  readonly #device: Device;
  readonly #list: CoherentBuffer;
  readonly #transfers: CoherentBuffer;
  readonly #queue: BlkMqQueue;
  readonly #requests: (BlkRequest | null)[] = new Array<BlkRequest | null>(CQ_SLOTS).fill(null);
  readonly #mapped: number[] = new Array<number>(CQ_SLOTS).fill(0);
  readonly #task = newCqTask();
  readonly #segments = new BioSegments();

  private constructor(layer: BlockLayer, { mmio, memory, irq, bytes, name = "mmcblk0" }: CqhciDiskOptions) {
    this.#mmio = mmio;
    this.#memory = memory;
    this.#device = new Device(name);
    this.#list = memory.allocCoherent((CQ_SLOTS + 1) * CQ_SLOT_BYTES, LIST_ALIGN);
    this.#transfers = memory.allocCoherent(CQ_SLOTS * MAX_SEGMENTS * CQ_TRANSFER_BYTES, LIST_ALIGN);
    this.#queue = new BlkMqQueue(layer, {
      ops: { queueRq: (rq) => this.#queueRq(rq) },
      queueDepth: CQ_SLOTS,
      limits: {
        maxSectors: MAX_SECTORS,
        maxSegments: MAX_SEGMENTS,
        maxSegmentBytes: CQ_TRANSFER_MAX_BYTES,
        dmaAlignmentBytes: 4,
      },
    });
    this.profile = this.#initCrypto(layer);
    if (this.profile !== null) this.#queue.registerCryptoProfile(this.profile);
    this.disk = new GenDisk({ name, queue: this.#queue, sectorCount: bytes / SECTOR_BYTES });
    irq.request(() => this.#interrupt());
    this.#device.addAction(() => irq.free());
  }

  /** Finds out what the engine can, empties its keyslots, and starts it. */
  static async probe(layer: BlockLayer, options: CqhciDiskOptions): Promise<CqhciDisk> {
    const disk = new CqhciDisk(layer, options);
    await disk.initCard();
    return disk;
  }

  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /**
   * Starts the engine, the first time or after the card was reset: keys first. No I/O may be on its way.
   *
   * @kernel drivers/mmc/core/crypto.c: mmc_crypto_set_initial_state
   */
  async initCard(): Promise<void> {
    this.#mmio.write32(CqReg.CFG, 0);
    await this.profile?.reprogramAllKeys();
    this.#mmio.write32(CqReg.TDLBA, this.#list.address);
    this.#mmio.write32(CqReg.TDLBAU, 0);
    this.#mmio.write32(CqReg.ISTE, INTERRUPTS);
    this.#mmio.write32(CqReg.ISGE, INTERRUPTS);
    const crypto = this.profile === null ? 0 : CqCfg.CRYPTO_GENERAL_ENABLE;
    this.#mmio.write32(CqReg.CFG, CqCfg.TASK_DESC_128 | crypto);
    this.#mmio.write32(CqReg.CFG, CqCfg.TASK_DESC_128 | crypto | CqCfg.ENABLE);
  }

  /** Refuses new I/O, waits for what was accepted, empties all keyslots. Idempotent. */
  async close(): Promise<void> {
    await this.disk.close();
    await this.#device[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @kernel drivers/mmc/host/cqhci-crypto.c: cqhci_crypto_init */
  #initCrypto(layer: BlockLayer): BlkCryptoProfile | null {
    if ((this.#mmio.read32(CqReg.CAP) & CQ_CAP_CS) === 0) return null;
    // Capabilities and keyslots are UFSHCI's, at the same offsets.
    const engine = new UfsCryptoEngine(this.#mmio);
    engine.clearAll();
    this.#device.addAction(() => engine.clearAll());
    const { capabilities, llOps, slotCount } = engine;
    const options = { ...capabilities, maxDunBytesSupported: MAX_DUN_BYTES, slotCount, llOps };
    return devmBlkCryptoProfileInit(this.#device, layer, options);
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    const task = this.#task;
    const slot = rq.cryptKeyslot;
    task.read = !opIsWrite(rq.opf);
    task.sector = rq.sector;
    task.sectors = rq.sectors;
    task.cryptoEnable = slot !== null;
    task.cryptoConfigIndex = slot?.slotIndex ?? 0;
    task.dun = slot === null ? 0 : rq.cryptCtx!.dun[0]!;
    const transfersAt = rq.tag * MAX_SEGMENTS * CQ_TRANSFER_BYTES;
    this.#mapData(rq, transfersAt);
    buildCqSlot(this.#list.bytes, rq.tag * CQ_SLOT_BYTES, task, this.#transfers.address + transfersAt);
    this.#requests[rq.tag] = rq;
    this.#mmio.write32(CqReg.TDBR, 1 << rq.tag);
    return BlkStatus.OK;
  }

  #mapData(rq: BlkRequest, transfersAt: number): void {
    const segments = this.#segments;
    let left = rq.bytes;
    let count = 0;
    segments.start(rq.bio);
    while (segments.next()) {
      for (let done = 0; done < segments.bytes; count++) {
        const bytes = Math.min(segments.bytes - done, CQ_TRANSFER_MAX_BYTES);
        const window = rq.tag * MAX_SEGMENTS + count;
        const address = this.#memory.map(window, segments.data, segments.offset + done, bytes);
        done += bytes;
        left -= bytes;
        buildCqTransfer(this.#transfers.bytes, transfersAt + count * CQ_TRANSFER_BYTES, address, bytes, left === 0);
      }
    }
    this.#mapped[rq.tag] = count;
  }

  /** @kernel drivers/mmc/host/cqhci-core.c: cqhci_irq */
  #interrupt(): void {
    const pending = this.#mmio.read32(CqReg.IS);
    const failed = parseCqTaskError(this.#mmio.read32(CqReg.TERRI));
    this.#mmio.write32(CqReg.IS, pending);
    const done = this.#mmio.read32(CqReg.TCN);
    this.#mmio.write32(CqReg.TCN, done);
    for (let slots = done; slots !== 0; slots &= slots - 1) this.#end(31 - Math.clz32(slots & -slots), BlkStatus.OK);
    if ((pending & ~CqIs.TCC) !== 0) this.#end(failed, BlkStatus.IOERR);
  }

  /** What no request waits for is over. @kernel drivers/mmc/host/cqhci-core.c: cqhci_finish_mrq */
  #end(tag: number, status: BlkStatus): void {
    const rq = this.#requests[tag] ?? null;
    if (rq === null) return;
    this.#requests[tag] = null;
    const first = tag * MAX_SEGMENTS;
    for (let window = first; window < first + this.#mapped[tag]!; window++) this.#memory.unmap(window);
    rq.complete(status);
  }
}

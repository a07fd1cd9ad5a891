import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  GenDisk,
  opIsWrite,
  opOf,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { buildCommandFields, DataDirection, UpiuCommandFlag, UpiuTransaction } from "../ufshci/index.js";
import { type Lrb, PARAMETERS_AT, PRDT_AT } from "./lrb.js";
import { buildReadWriteCdb, buildSynchronizeCacheCdb, buildUnmap, UNMAP_PARAMETER_BYTES } from "./scsi-cdb.js";
import { ScsiCmd } from "./scsi-cmd.js";
import type { ScsiDiskInfo } from "./scsi-disk-info.js";
import type { UfsHba } from "./ufs-hba.js";

/**
 * A logical unit: a disk with a queue of its own. All units of a host share its slots and its crypto profile.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_queuecommand, ufshcd_sdev_configure; drivers/scsi/sd.c: sd_init_command
 */
export class UfsLun {
  /** UFS number, 0 to 127. */
  readonly number: number;
  readonly queue: BlkMqQueue;
  readonly disk: GenDisk;
  /** Manufacturer and product, as the device says. */
  readonly model: string;
  readonly #hba: UfsHba;
  readonly #sectorsPerBlock: number;
  readonly #cdb = new Uint8Array(16);
  readonly #segments = new BioSegments();

  constructor(hba: UfsHba, number: number, info: ScsiDiskInfo) {
    this.#hba = hba;
    this.number = number;
    this.model = info.model;
    this.#sectorsPerBlock = info.blockBytes / SECTOR_BYTES;
    this.queue = new BlkMqQueue(hba.layer, {
      ops: {
        initRequest(rq) {
          rq.driverData = new ScsiCmd();
        },
        queueRq: (rq, last) => this.#queueRq(rq, last),
        commitRqs: () => hba.transfers.ring(),
        timeout: (rq) => hba.errorHandler.timedOut(rq),
      },
      limits: limitsFor(hba, info),
      tagSet: hba.tagSet,
      timeoutMs: hba.commandTimeoutMs,
    });
    // @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_crypto_register
    if (hba.cryptoProfile !== null) this.queue.registerCryptoProfile(hba.cryptoProfile);
    this.disk = new GenDisk({
      name: `${hba.name}-lun${number}`,
      queue: this.queue,
      sectorCount: info.blockCount * this.#sectorsPerBlock,
      readOnly: info.readOnly,
    });
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  #queueRq(rq: BlkRequest, last: boolean): BlkStatus {
    const { admission, transfers } = this.#hba;
    if (admission !== BlkStatus.OK) return admission;
    const lrb = transfers.lrbs[rq.tag]!;
    const status = this.#prepare(lrb, rq);
    if (status !== BlkStatus.OK) {
      transfers.release(lrb);
      return status;
    }
    lrb.rq = rq;
    transfers.send(lrb, last);
    return BlkStatus.OK;
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_compose_upiu */
  #prepare(lrb: Lrb, rq: BlkRequest): BlkStatus {
    switch (opOf(rq.opf)) {
      case ReqOp.READ:
      case ReqOp.WRITE:
        return this.#prepareReadWrite(lrb, rq);
      case ReqOp.FLUSH:
        buildSynchronizeCacheCdb(this.#cdb);
        this.#compose(lrb, DataDirection.NONE, 0);
        return BlkStatus.OK;
      case ReqOp.DISCARD:
        buildUnmap(this.#cdb, lrb.ucd, PARAMETERS_AT, rq.sector / this.#sectorsPerBlock, this.#blocks(rq));
        this.#hba.transfers.addCoherentSegment(lrb, PARAMETERS_AT, UNMAP_PARAMETER_BYTES);
        this.#compose(lrb, DataDirection.HOST_TO_DEVICE, UNMAP_PARAMETER_BYTES);
        return BlkStatus.OK;
      default:
        return BlkStatus.NOTSUPP;
    }
  }

  #prepareReadWrite(lrb: Lrb, rq: BlkRequest): BlkStatus {
    const write = opIsWrite(rq.opf);
    const fua = (rq.opf & ReqFlag.FUA) !== 0;
    buildReadWriteCdb(this.#cdb, write, rq.sector / this.#sectorsPerBlock, this.#blocks(rq), fua);
    this.#mapData(lrb, rq);
    this.#compose(lrb, write ? DataDirection.HOST_TO_DEVICE : DataDirection.DEVICE_TO_HOST, rq.bytes);
    return this.#prepareCrypto(lrb, rq);
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_map_sg */
  #mapData(lrb: Lrb, rq: BlkRequest): void {
    const segments = this.#segments;
    const { maxSegmentBytes } = this.queue.limits;
    const { transfers } = this.#hba;
    segments.start(rq.bio);
    while (segments.next()) {
      for (let done = 0; done < segments.bytes; done += maxSegmentBytes) {
        const bytes = Math.min(segments.bytes - done, maxSegmentBytes);
        transfers.addSegment(lrb, segments.data, segments.offset + done, bytes);
      }
    }
  }

  /**
   * A keyslot goes into the descriptor, with the low 64 bits of the DUN; hardware without slots gets key and DUN in the
   * PRDT.
   *
   * @kernel drivers/ufs/core/ufshcd-crypto.h: ufshcd_prepare_req_desc_hdr_crypto, ufshcd_crypto_fill_prdt
   */
  #prepareCrypto(lrb: Lrb, rq: BlkRequest): BlkStatus {
    const ctx = rq.cryptCtx;
    if (ctx === null) return BlkStatus.OK;
    const slot = rq.cryptKeyslot;
    if (slot !== null) {
      lrb.utrd.cryptoEnable = true;
      lrb.utrd.cryptoConfigIndex = slot.slotIndex;
      lrb.utrd.dunLow = ctx.dun[0]!;
      lrb.utrd.dunHigh = ctx.dun[1]!;
      return BlkStatus.OK;
    }
    const { keysInPrdt } = this.#hba;
    if (keysInPrdt === undefined) return BlkStatus.IOERR;
    lrb.holdsKeys = true;
    return keysInPrdt.fillCryptoPrdt(ctx, lrb.ucd, PRDT_AT, lrb.mapped) ? BlkStatus.OK : BlkStatus.IOERR;
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_prepare_utp_scsi_cmd_upiu */
  #compose(lrb: Lrb, direction: number, bytes: number): void {
    const { header, utrd } = lrb;
    header.transaction = UpiuTransaction.COMMAND;
    header.lun = this.number;
    header.func = 0;
    header.flags = commandFlags(direction);
    buildCommandFields(lrb.ucd, 0, bytes, this.#cdb);
    utrd.dataDirection = direction;
    utrd.prdtEntries = lrb.prdtEntries;
  }

  #blocks(rq: BlkRequest): number {
    return rq.sectors / this.#sectorsPerBlock;
  }
}

function commandFlags(direction: number): number {
  if (direction === DataDirection.HOST_TO_DEVICE) return UpiuCommandFlag.WRITE;
  return direction === DataDirection.DEVICE_TO_HOST ? UpiuCommandFlag.READ : 0;
}

/** With keys in the PRDT, an entry is one data unit. */
function limitsFor(hba: UfsHba, info: ScsiDiskInfo): ScsiDiskInfo["limits"] {
  const dataUnitBytes = hba.keysInPrdt?.dataUnitBytes;
  if (dataUnitBytes === undefined) return info.limits;
  return { ...info.limits, maxSegmentBytes: dataUnitBytes, dmaAlignmentBytes: dataUnitBytes };
}

import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  opOf,
  type QueueLimits,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";

export interface ArrayDiskOptions {
  bytes: number;
  limits?: Partial<QueueLimits>;
  /** Requests stay with the driver until `release` is called. */
  manual?: boolean;
  readOnly?: boolean;
}

/** A request as the driver saw it. */
export interface SeenRequest {
  op: ReqOp;
  offset: number;
  bytes: number;
  fua: boolean;
  noUnmap: boolean;
}

/** A request-based disk over an array, whose completions a test controls. */
export class ArrayDisk {
  readonly medium: Uint8Array;
  readonly disk: GenDisk;
  readonly seen: SeenRequest[] = [];
  readonly held: BlkRequest[] = [];
  manual: boolean;
  /** Decides how a request ends; the default is OK. */
  statusOf: (request: SeenRequest) => BlkStatus = () => BlkStatus.OK;
  readonly #segments = new BioSegments();

  constructor(layer: BlockLayer, options: ArrayDiskOptions) {
    this.medium = new Uint8Array(options.bytes);
    this.manual = options.manual ?? false;
    const queue = new BlkMqQueue(layer, {
      ops: { queueRq: (rq) => this.#queueRq(rq) },
      limits: {
        writeCache: true,
        fua: true,
        maxDiscardSectors: 2 ** 20,
        maxWriteZeroesSectors: 2 ** 20,
        ...options.limits,
      },
    });
    this.disk = new GenDisk({
      name: "array0",
      queue,
      sectorCount: options.bytes / SECTOR_BYTES,
      readOnly: options.readOnly ?? false,
    });
  }

  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /** Ends the held request at `index`; nothing happens when there is none. */
  release(index = 0): void {
    const [rq] = this.held.splice(index, 1);
    if (rq !== undefined) this.#end(rq);
  }

  /** Ends all held requests and those that follow from them. */
  releaseAll(): void {
    while (this.held.length > 0) this.release();
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    this.seen.push({
      op: opOf(rq.opf),
      offset: rq.sector * SECTOR_BYTES,
      bytes: rq.bytes,
      fua: (rq.opf & ReqFlag.FUA) !== 0,
      noUnmap: (rq.opf & ReqFlag.NOUNMAP) !== 0,
    });
    if (this.manual) this.held.push(rq);
    else this.#end(rq);
    return BlkStatus.OK;
  }

  #end(rq: BlkRequest): void {
    const offset = rq.sector * SECTOR_BYTES;
    const op = opOf(rq.opf);
    const status = this.statusOf({ op, offset, bytes: rq.bytes, fua: false, noUnmap: false });
    if (status === BlkStatus.OK) this.#transfer(rq, op, offset);
    rq.complete(status);
  }

  #transfer(rq: BlkRequest, op: ReqOp, offset: number): void {
    if (op === ReqOp.DISCARD) this.medium.fill(0xdd, offset, offset + rq.bytes);
    if (op === ReqOp.WRITE_ZEROES) this.medium.fill(0, offset, offset + rq.bytes);
    if (op !== ReqOp.READ && op !== ReqOp.WRITE) return;
    let at = offset;
    this.#segments.start(rq.bio);
    while (this.#segments.next()) {
      const { data, offset: from, bytes } = this.#segments;
      if (op === ReqOp.WRITE) this.medium.set(data.subarray(from, from + bytes), at);
      else data.set(this.medium.subarray(at, at + bytes), from);
      at += bytes;
    }
  }
}

import {
  BioSegments,
  type BlkError,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockLayer,
  dunToBigInt,
  GenDisk,
  opOf,
  type QueueLimitsInput,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { type BlkCryptoKey, BlkCryptoProfile, type CryptoModeName, type LlOps } from "@inlinecrypt/blk-crypto-profile";
import { referenceDecrypt, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { cipherNames } from "./modes.js";

export interface InlineDiskOptions {
  bytes: number;
  /** @default "inline0" */
  name?: string;
  limits?: QueueLimitsInput;
  /** @default 4 */
  slotCount?: number;
  /** @default 8 */
  maxDunBytes?: number;
  /**
   * Data unit sizes of every mode, or-ed.
   *
   * @default 512 | 1024 | 2048 | 4096
   */
  dataUnits?: number;
}

/** A read or write as the driver got it. */
export interface SeenRequest {
  readonly write: boolean;
  readonly sector: number;
  readonly bytes: number;
  /** DUN and data unit of its context; null without one. */
  readonly crypt: { readonly firstDun: bigint; readonly dataUnitBytes: number } | null;
}

/** A call of a low-level op, with everything the driver was given. */
export interface LlOpsCall {
  readonly op: "keyslotProgram" | "keyslotEvict";
  readonly args: readonly unknown[];
  /** Whether the queue still took I/O. */
  readonly queueIsLive: boolean;
  /** Whether the key still had its bytes. */
  readonly keyIsUsable: boolean;
}

const MODES = Object.keys(cipherNames) as CryptoModeName[];

/**
 * A disk whose crypto engine is the oracle, as the driver of one sees it: keys come through `LlOps`, everything else with
 * the requests. With integrity limits it stores the tuples that come with each bio, 8 bytes an interval.
 */
export class InlineDisk {
  readonly medium: Uint8Array;
  readonly tuples: Uint8Array;
  readonly disk: GenDisk;
  readonly profile: BlkCryptoProfile;
  /** False when the queue refused the profile. */
  readonly registered: boolean;
  readonly requests: SeenRequest[] = [];
  readonly calls: LlOpsCall[] = [];
  /** Ends a request instead of doing it. */
  failOn: (request: SeenRequest) => BlkStatus = () => BlkStatus.OK;
  /** What evictions fail with; null: they succeed. */
  evictionError: BlkError | null = null;
  readonly #slots: (Uint8Array | null)[];
  readonly #segments = new BioSegments();

  constructor(layer: BlockLayer, options: InlineDiskOptions) {
    const { bytes, name = "inline0", limits = {}, slotCount = 4, maxDunBytes = 8, dataUnits = 0x1e00 } = options;
    this.medium = new Uint8Array(bytes);
    this.tuples = new Uint8Array((bytes / 512) * 8);
    this.#slots = new Array<Uint8Array | null>(slotCount).fill(null);
    this.profile = new BlkCryptoProfile(layer, {
      slotCount,
      modesSupported: Object.fromEntries(MODES.map((mode) => [mode, dataUnits])),
      maxDunBytesSupported: maxDunBytes,
      llOps: this.#llOps(),
    });
    const queue = new BlkMqQueue(layer, { ops: { queueRq: (rq) => this.#queueRq(rq) }, limits, queueDepth: 16 });
    this.registered = queue.registerCryptoProfile(this.profile);
    this.disk = new GenDisk({ name, queue, sectorCount: bytes / 512 });
  }

  #llOps(): LlOps {
    return {
      keyslotProgram: (...args) => {
        const [key, slotIndex] = args;
        this.#record("keyslotProgram", key, args);
        this.#slots[slotIndex] = key.withBytes((bytes) => bytes.slice());
      },
      keyslotEvict: (...args) => {
        const [key, slotIndex] = args;
        this.#record("keyslotEvict", key, args);
        if (this.evictionError !== null) throw this.evictionError;
        this.#slots[slotIndex] = null;
      },
    };
  }

  #record(op: LlOpsCall["op"], key: BlkCryptoKey, args: readonly unknown[]): void {
    this.calls.push({ op, args, queueIsLive: this.disk.queue.isLive, keyIsUsable: isUsable(key) });
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    const request = describe(rq);
    this.requests.push(request);
    const status = this.failOn(request);
    if (status === BlkStatus.OK) {
      if (opOf(rq.opf) <= ReqOp.WRITE) this.#transfer(rq, request);
      this.#moveTuples(rq, request.write);
    }
    rq.complete(status);
    return BlkStatus.OK;
  }

  #transfer(rq: BlkRequest, { write, sector, bytes }: SeenRequest): void {
    const medium = this.medium.subarray(sector * 512, sector * 512 + bytes);
    const plain = write ? new Uint8Array(bytes) : this.#crypt(rq, referenceDecrypt, medium);
    let at = 0;
    for (this.#segments.start(rq.bio); this.#segments.next(); at += this.#segments.bytes) {
      const memory = this.#segments.data.subarray(this.#segments.offset, this.#segments.offset + this.#segments.bytes);
      if (write) plain.set(memory, at);
      else memory.set(plain.subarray(at, at + memory.length));
    }
    if (write) medium.set(this.#crypt(rq, referenceEncrypt, plain));
  }

  #crypt(rq: BlkRequest, crypt: typeof referenceEncrypt, bytes: Uint8Array): Uint8Array {
    if (rq.cryptCtx === null) return bytes.slice();
    const key = rq.cryptCtx.key as BlkCryptoKey;
    const keyBytes = this.#slots[rq.cryptKeyslot!.slotIndex]!;
    return crypt(cipherNames[key.mode.name], keyBytes, key.dataUnitBytes, dunToBigInt(rq.cryptCtx.dun), bytes);
  }

  #moveTuples(rq: BlkRequest, write: boolean): void {
    let at = rq.sector * 8;
    for (let bio = rq.bio; bio !== null; bio = bio.next) {
      if (bio.integrity === null) continue;
      const { buffer, offset, bytes } = bio.integrity;
      if (write) this.tuples.set(buffer.subarray(offset, offset + bytes), at);
      else buffer.set(this.tuples.subarray(at, at + bytes), offset);
      at += bytes;
    }
  }
}

/** A wiped key lends no bytes. */
function isUsable(key: BlkCryptoKey): boolean {
  try {
    return key.withBytes((bytes) => bytes.some((byte) => byte !== 0));
  } catch {
    return false;
  }
}

function describe(rq: BlkRequest): SeenRequest {
  const ctx = rq.cryptCtx;
  return {
    write: opOf(rq.opf) === ReqOp.WRITE,
    sector: rq.sector,
    bytes: rq.bytes,
    crypt: ctx && { firstDun: dunToBigInt(ctx.dun), dataUnitBytes: ctx.key!.dataUnitBytes },
  };
}

import {
  type Bio,
  type BlockLayer,
  type CryptoFallback,
  type CryptoKeyRef,
  dunToBigInt,
  ReqOp,
} from "@inlinecrypt/blk-core";

/** A key of some mode, for a cipher that is none. */
export function xorKey(dataUnitBytes: number): CryptoKeyRef {
  return { modeNum: 1, dataUnitBytes, dataUnitBits: Math.log2(dataUnitBytes), dunBytes: 8, keyType: "raw" };
}

/** The byte that data unit `dun` is xored with: never 0, so that a hole is never mistaken for zeroes. */
export function padOf(dun: number): number {
  return 1 + (dun % 255);
}

/** "Encrypts" by xoring each data unit with a byte made of its DUN: enough to tell which context a bio carried. */
export class XorFallback implements CryptoFallback {
  #layer: BlockLayer | null = null;

  attach(layer: BlockLayer): void {
    this.#layer = layer;
  }

  prepBio(bio: Bio): boolean {
    return bio.opf === ReqOp.READ ? hookRead(bio) : this.#bounceWrite(bio);
  }

  supports(): boolean {
    return true;
  }

  startUsingKey(): void {}

  async evictKey(): Promise<void> {}

  #bounceWrite(source: Bio): boolean {
    const bounce = this.#layer!.bioSet.tryAlloc(source.bdev, source.opf)!;
    const data = gather(source);
    xor(data, Number(dunToBigInt(source.cryptCtx!.dun)), source.cryptCtx!.key!.dataUnitBytes);
    bounce.sector = source.sector;
    bounce.addBuffer(data);
    bounce.onEndIo = () => {
      const { status } = bounce;
      bounce.put();
      source.endIoWith(status);
    };
    this.#layer!.submitBio(bounce);
    return false;
  }
}

function hookRead(bio: Bio): boolean {
  const dun = Number(dunToBigInt(bio.cryptCtx!.dun));
  const { dataUnitBytes } = bio.cryptCtx!.key!;
  const { vecs, vecCount, onEndIo } = bio;
  const views = vecs.slice(0, vecCount).map((vec) => vec.data.subarray(vec.offset, vec.offset + vec.bytes));
  bio.freeCryptCtx();
  bio.onEndIo = () => {
    let unit = dun;
    for (const view of views) {
      xor(view, unit, dataUnitBytes);
      unit += view.length / dataUnitBytes;
    }
    onEndIo!(bio);
  };
  return true;
}

function gather(bio: Bio): Uint8Array {
  const parts = bio.vecs
    .slice(0, bio.vecCount)
    .map((vec) => Buffer.from(vec.data.subarray(vec.offset, vec.offset + vec.bytes)));
  return new Uint8Array(Buffer.concat(parts));
}

function xor(data: Uint8Array, firstDun: number, dataUnitBytes: number): void {
  for (let at = 0; at < data.length; at++) data[at]! ^= padOf(firstDun + Math.floor(at / dataUnitBytes));
}

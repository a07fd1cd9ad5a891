import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  opOf,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { type BlkCryptoKey, BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

/** A disk in memory that takes requests, and encrypts inline. It ends them at once. */
export function mqRam(layer: BlockLayer, name: string, memory: Uint8Array): BlockDevice {
  const slots: Skcipher[] = [];
  const engine = createNodeEngine();
  const profile = new BlkCryptoProfile(layer, {
    modesSupported: { "AES-256-XTS": 512 | 4096 },
    maxDunBytesSupported: 8,
    slotCount: 2,
    llOps: {
      keyslotProgram(key: BlkCryptoKey, slotIndex) {
        slots[slotIndex] = engine.alloc(key.mode.cipher);
        key.withBytes((bytes) => slots[slotIndex]!.setKey(bytes));
      },
      keyslotEvict: (_key, slotIndex) => slots[slotIndex]!.clear(),
    },
  });
  const segments = new BioSegments();
  const queueRq = (rq: BlkRequest): BlkStatus => {
    const at = rq.sector * SECTOR_BYTES;
    const stored = memory.subarray(at, at + rq.bytes);
    const op = opOf(rq.opf);
    const crypt = (how: "encrypt" | "decrypt", data: Uint8Array): void => {
      if (rq.cryptCtx === null) return;
      slots[rq.cryptKeyslot!.slotIndex]![how](data, data, rq.cryptCtx.key!.dataUnitBytes, rq.cryptCtx.dun);
    };
    if (op === ReqOp.READ) {
      const data = stored.slice();
      crypt("decrypt", data);
      let done = 0;
      for (segments.start(rq.bio); segments.next(); done += segments.bytes) {
        segments.data.set(data.subarray(done, done + segments.bytes), segments.offset);
      }
    } else if (op === ReqOp.WRITE) {
      let done = 0;
      for (segments.start(rq.bio); segments.next(); done += segments.bytes) {
        stored.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), done);
      }
      crypt("encrypt", stored);
    } else {
      stored.fill(0);
    }
    rq.complete(BlkStatus.OK);
    return BlkStatus.OK;
  };
  const limits = { maxDiscardSectors: 8192, maxWriteZeroesSectors: 8192 };
  const queue = new BlkMqQueue(layer, { ops: { queueRq }, limits });
  queue.registerCryptoProfile(profile);
  return new GenDisk({ name, queue, sectorCount: memory.length / SECTOR_BYTES }).part0;
}

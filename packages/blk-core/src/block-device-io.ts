import { type Bio, SECTOR_BYTES } from "./bio.js";
import type { BlockDevice } from "./block-device.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkError } from "./errors.js";
import { BIO_CHUNK_BYTES } from "./limits.js";
import { opIsWrite, ReqFlag, ReqOp } from "./opf.js";
import { PoolWaiter } from "./quota.js";
import { BlkStatus, statusName, statusToErrno } from "./status.js";
import type { Volume } from "./volume.js";

/** Most bytes of one bio without data. */
const NO_DATA_CHUNK_BYTES = 2 ** 30;

/**
 * Submits a bio and resolves with its status when it has ended. The caller still owns the bio.
 *
 * @kernel block/bio.c: submit_bio_wait
 */
export function submitBioWait(bio: Bio): Promise<BlkStatus> {
  return new Promise((resolve) => {
    bio.onEndIo = () => resolve(bio.status);
    bio.bdev!.queue.layer.submitBio(bio);
  });
}

/** Reads or writes all of `buffer` in bios of bounded size. `volume` adds encryption contexts. */
export async function transfer(
  bdev: BlockDevice,
  volume: Volume | null,
  opf: number,
  byteOffset: number,
  buffer: Uint8Array,
): Promise<void> {
  checkAccess(bdev, opf, byteOffset, buffer.length, volume?.blockBytes ?? bdev.queue.limits.logicalBlockBytes);
  const { layer } = bdev.queue;
  const ends: Promise<BlkStatus>[] = [];
  for (let done = 0; done < buffer.length; done += BIO_CHUNK_BYTES) {
    const bio = await layer.bioSet.alloc(bdev, opf);
    bio.sector = (byteOffset + done) / SECTOR_BYTES;
    bio.addBuffer(buffer.subarray(done, done + BIO_CHUNK_BYTES));
    while (volume?.attachContext(bio) === false) await contextReturned(layer);
    ends.push(submitAndPut(bio));
  }
  const what = opIsWrite(opf) ? "write" : "read";
  for (const [index, status] of (await Promise.all(ends)).entries()) {
    throwIfFailed(bdev, `${what} at byte ${byteOffset + index * BIO_CHUNK_BYTES}`, status);
  }
}

/** @kernel block/blk-flush.c: blkdev_issue_flush */
export async function flushDevice(bdev: BlockDevice): Promise<void> {
  const bio = await bdev.queue.layer.bioSet.alloc(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH);
  throwIfFailed(bdev, "flush", await submitAndPut(bio));
}

/** @kernel block/blk-lib.c: blkdev_issue_discard */
export async function discardRange(bdev: BlockDevice, byteOffset: number, bytes: number): Promise<void> {
  await withoutData(bdev, ReqOp.DISCARD, byteOffset, bytes);
}

/**
 * Zeroes a range with WRITE ZEROES where the device has it and nothing is encrypted, else with data.
 *
 * @kernel block/blk-lib.c: blkdev_issue_zeroout
 */
export async function zeroRange(
  bdev: BlockDevice,
  volume: Volume | null,
  byteOffset: number,
  bytes: number,
): Promise<void> {
  const encrypted = volume !== null && volume.key !== null;
  if (!encrypted && bdev.queue.limits.maxWriteZeroesSectors > 0) {
    if (await zeroedByCommand(bdev, byteOffset, bytes)) return;
  }
  checkAccess(bdev, ReqOp.WRITE, byteOffset, bytes, volume?.blockBytes ?? bdev.queue.limits.logicalBlockBytes);
  const zeroes = bdev.queue.layer.zeroes;
  for (let done = 0; done < bytes; done += zeroes.length) {
    await transfer(bdev, volume, ReqOp.WRITE, byteOffset + done, zeroes.subarray(0, bytes - done));
  }
}

/** False when the device turns out not to do it, whatever its limits say. */
async function zeroedByCommand(bdev: BlockDevice, byteOffset: number, bytes: number): Promise<boolean> {
  try {
    await withoutData(bdev, ReqOp.WRITE_ZEROES, byteOffset, bytes);
    return true;
  } catch (error) {
    if (error instanceof BlkError && error.code === "EOPNOTSUPP") return false;
    throw error;
  }
}

async function withoutData(bdev: BlockDevice, opf: number, byteOffset: number, bytes: number): Promise<void> {
  checkAccess(bdev, opf, byteOffset, bytes, bdev.queue.limits.logicalBlockBytes);
  const what = opf === ReqOp.DISCARD ? "discard" : "write zeroes";
  for (let done = 0; done < bytes; done += NO_DATA_CHUNK_BYTES) {
    const bio = await bdev.queue.layer.bioSet.alloc(bdev, opf);
    bio.sector = (byteOffset + done) / SECTOR_BYTES;
    bio.bytes = Math.min(bytes - done, NO_DATA_CHUNK_BYTES);
    throwIfFailed(bdev, `${what} at byte ${byteOffset + done}`, await submitAndPut(bio));
  }
}

/** Others may hold all: parts of split bios, and clones. */
function contextReturned({ cryptCtxs }: BlockLayer): Promise<void> {
  return new Promise((resolve) => cryptCtxs.wait(new PoolWaiter(resolve)));
}

async function submitAndPut(bio: Bio): Promise<BlkStatus> {
  const status = await submitBioWait(bio);
  bio.put();
  return status;
}

function checkAccess(bdev: BlockDevice, opf: number, byteOffset: number, bytes: number, alignBytes: number): void {
  if (opIsWrite(opf) && bdev.readOnly) throw new BlkError("EPERM", bdev.name, "the device is read-only");
  if (byteOffset % alignBytes !== 0 || bytes % alignBytes !== 0) {
    throw new BlkError(
      "EINVAL",
      bdev.name,
      `offset ${byteOffset} and length ${bytes} must be multiples of ${alignBytes}`,
    );
  }
  if (!(byteOffset >= 0 && bytes >= 0 && byteOffset + bytes <= bdev.bytes)) {
    throw new BlkError(
      "EINVAL",
      bdev.name,
      `bytes ${byteOffset} to ${byteOffset + bytes} lie outside the device of ${bdev.bytes}`,
    );
  }
}

function throwIfFailed(bdev: BlockDevice, what: string, status: BlkStatus): void {
  if (status === BlkStatus.OK) return;
  throw new BlkError(statusToErrno(status)!, bdev.name, `${what} ended with ${statusName(status)}`);
}

/**
 * The core of the Linux block layer: bios with encryption contexts, requests, queues and block devices.
 *
 * @packageDocumentation
 */
export { BIO_MAX_BYTES, BIO_MAX_VECS, Bio, type BioEndIo, SECTOR_BYTES, SECTOR_SHIFT } from "./bio.js";
export { BioCryptCtx, bioCryptCtxCompatible, bioCryptCtxMergeable } from "./bio-crypt-ctx.js";
export { type BioIntegrityPayload, bioIntegrityAlloc } from "./bio-integrity.js";
export { BioList } from "./bio-list.js";
export { type BioOps, BioQueue } from "./bio-queue.js";
export type { BioRedirect, BioRedirector } from "./bio-redirect.js";
export { BioSegments } from "./bio-segments.js";
export { BioSet } from "./bio-set.js";
export { BioVec, BvecIter, type BvecPosition } from "./bio-vec.js";
export { accountEnd, accountStart } from "./blk-account.js";
export { type CloneBioSetup, insertClonedRequest, prepClone, unprepClone } from "./blk-clone.js";
export {
  CryptoCfgFlag,
  type CryptoConfig,
  type CryptoFallback,
  type CryptoKeyRef,
  type CryptoProfile,
  KEYSLOT_PENDING,
  type Keyslot,
  type KeyslotResult,
  KeyslotWaiter,
  type SysfsFiles,
} from "./blk-crypto.js";
export { executeRqNowait, rqAppendBio } from "./blk-map.js";
export { BlkMqQueue } from "./blk-mq.js";
export { BlkMqHwCtx } from "./blk-mq-hctx.js";
export type { BlkMqOps, BlkMqQueueOptions } from "./blk-mq-ops.js";
export { BlkMqTagSet, type BlkMqTagSetOptions } from "./blk-mq-tag.js";
export { BlkRequest, RequestState } from "./blk-request.js";
export { EhAction } from "./blk-timeout.js";
export { BlockDevice, type WriteOptions } from "./block-device.js";
export { submitBioWait } from "./block-device-io.js";
export { BlockLayer, type BlockLayerOptions, type Tracer } from "./block-layer.js";
export { DiskStats, type DiskStatsSnapshot, formatDiskStats } from "./disk-stats.js";
export {
  copyDun,
  DUN_LIMBS,
  type Dun,
  dunIncrement,
  dunIsContiguous,
  dunToBigInt,
  newDun,
  setDunFromBigInt,
} from "./dun.js";
export type { Elevator, ElevatorType } from "./elevator.js";
export { noneElevator } from "./elevator-none.js";
export { BlkBug, BlkError, Errno, type ErrnoCode } from "./errors.js";
export { type Executor, Timer, WorkItem } from "./executor.js";
export { GenDisk, type GenDiskOptions } from "./gendisk.js";
export { HostExecutor } from "./host-executor.js";
export { IoClock } from "./io-clock.js";
export type { CountedIo, IoCounts } from "./io-counts.js";
export {
  BIO_CHUNK_BYTES,
  defaultLimits,
  type IntegrityLimits,
  MAX_BLOCK_BYTES,
  type QueueLimits,
  type QueueLimitsInput,
} from "./limits.js";
export { type MqDeadlineOptions, mqDeadline } from "./mq-deadline.js";
export { Mutex } from "./mutex.js";
export { DrvOp, opIsFlush, opIsPassthrough, opIsPlain, opIsWrite, opOf, ReqFlag, ReqOp } from "./opf.js";
export { Pool } from "./pool.js";
export { type FailAlloc, PoolWaiter, Quota } from "./quota.js";
export { RequestQueue } from "./request-queue.js";
export { type StackedLimits, stackIntegrity, stackingLimits, stackLimits } from "./stack-limits.js";
export { BlkStatus, errnoToStatus, statusName, statusToErrno } from "./status.js";
export { BlockTracepoints, Tracepoint } from "./tracepoint.js";
export { validateLimits } from "./validate-limits.js";
export { Volume, type VolumeCrypt } from "./volume.js";

/**
 * What a bio or request asks for: an operation in the low eight bits of `opf`, flags above.
 *
 * @kernel include/linux/blk_types.h: enum req_op
 */
export const ReqOp = {
  READ: 0,
  WRITE: 1,
  FLUSH: 2,
  DISCARD: 3,
  WRITE_ZEROES: 9,
} as const;
export type ReqOp = (typeof ReqOp)[keyof typeof ReqOp];

/**
 * A driver's own commands, that bring data in or take it out; see `executeRqNowait`. They are not block I/O, so
 * they are no `ReqOp`: nothing above a driver handles them.
 *
 * @kernel include/linux/blk_types.h: REQ_OP_DRV_IN, REQ_OP_DRV_OUT
 */
export const DrvOp = { IN: 34, OUT: 35 } as const;

/**
 * Flags of `opf`, to be or-ed with a `ReqOp`.
 *
 * @kernel include/linux/blk_types.h: enum req_flag_bits
 */
export const ReqFlag = {
  /** Somebody waits for this I/O. */
  SYNC: 0x800,
  /** Never merge this I/O with another. */
  NOMERGE: 0x4000,
  /** The data is on the medium, not in a volatile cache, when the write ends. */
  FUA: 0x20000,
  /** Everything acknowledged before is on the medium before this I/O starts. */
  PREFLUSH: 0x40000,
  /** Fail with AGAIN instead of waiting for a resource. */
  NOWAIT: 0x200000,
  /** Zeroed blocks must stay allocated. */
  NOUNMAP: 0x1000000,
  /**
   * The data is ciphertext of an upper layer's: `default-key` of device-mapper leaves it as it is. The software fallback
   * says so of all it sends down in place of encryption contexts.
   *
   * @kernel android-mainline include/linux/blk_types.h: bio.bi_skip_dm_default_key, which is not among its flags
   */
  SKIP_DM_DEFAULT_KEY: 0x20000000,
} as const;

const OP_MASK = 0xff;
/** All bits of an operation but that of a write. */
const NOT_PLAIN_MASK = (OP_MASK & ~ReqOp.WRITE) | ReqFlag.PREFLUSH | ReqFlag.FUA;
const NOMERGE_MASK = ReqFlag.NOMERGE | ReqFlag.PREFLUSH | ReqFlag.FUA;

/** The operation inside an `opf`. */
export function opOf(opf: number): ReqOp {
  return (opf & OP_MASK) as ReqOp;
}

/** Whether data or blocks change: every operation with an odd number. @kernel include/linux/blk_types.h: op_is_write */
export function opIsWrite(opf: number): boolean {
  return (opf & 1) === 1;
}

/** Whether the flush machine has to look at it. @kernel include/linux/blk_types.h: op_is_flush */
export function opIsFlush(opf: number): boolean {
  return (opf & (ReqFlag.PREFLUSH | ReqFlag.FUA)) !== 0;
}

/** Whether it is a read or a write without a flush: the most common I/O, told by one look. @context hot */
export function opIsPlain(opf: number): boolean {
  return (opf & NOT_PLAIN_MASK) === 0;
}

/** Whether merging may be tried at all: plain reads and writes, and discards. @kernel include/linux/blk-mq.h: rq_mergeable */
export function opfMergeable(opf: number): boolean {
  const op = opf & OP_MASK;
  return (op <= ReqOp.WRITE || op === ReqOp.DISCARD) && (opf & NOMERGE_MASK) === 0;
}

/** Whether it is a driver's own command rather than block I/O. @kernel include/linux/blk_types.h: blk_op_is_passthrough */
export function opIsPassthrough(opf: number): boolean {
  const op = opf & OP_MASK;
  return op === DrvOp.IN || op === DrvOp.OUT;
}

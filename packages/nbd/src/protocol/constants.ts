/**
 * The numbers of the NBD protocol, under the protocol's names: `NbdOpt.GO` is `NBD_OPT_GO`.
 *
 * Source: NetworkBlockDevice/nbd, doc/proto.md, "Values".
 */

/** The magic numbers of 64 bits, as two big-endian halves. */
export const NbdMagic = {
  /** `NBDMAGIC`, the first thing a server says. */
  INIT_HIGH: 0x4e42444d,
  INIT_LOW: 0x41474943,
  /** `IHAVEOPT`, of the newstyle greeting and in front of every option. */
  OPTION_HIGH: 0x49484156,
  OPTION_LOW: 0x454f5054,
  /** In front of every reply to an option. */
  OPTION_REPLY_HIGH: 0x0003e889,
  OPTION_REPLY_LOW: 0x045565a9,
  REQUEST: 0x25609513,
  SIMPLE_REPLY: 0x67446698,
} as const;

/** Handshake flags, server to client: `NBD_FLAG_*`. */
export const NbdHandshakeFlag = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

/** Client flags, client to server: `NBD_FLAG_C_*`. */
export const NbdClientFlag = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

/** Transmission flags: `NBD_FLAG_*`. */
export const NbdFlag = {
  HAS_FLAGS: 0x001,
  READ_ONLY: 0x002,
  SEND_FLUSH: 0x004,
  SEND_FUA: 0x008,
  ROTATIONAL: 0x010,
  SEND_TRIM: 0x020,
  SEND_WRITE_ZEROES: 0x040,
  SEND_DF: 0x080,
  CAN_MULTI_CONN: 0x100,
  SEND_CACHE: 0x400,
  SEND_FAST_ZERO: 0x800,
} as const;

/** Options of the handshake: `NBD_OPT_*`. */
export const NbdOpt = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
} as const;

/** Replies to options: `NBD_REP_*`. Errors have bit 31 set. */
export const NbdRep = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  ERR_UNSUP: 0x8000_0001,
  ERR_POLICY: 0x8000_0002,
  ERR_INVALID: 0x8000_0003,
  ERR_PLATFORM: 0x8000_0004,
  ERR_TLS_REQD: 0x8000_0005,
  ERR_UNKNOWN: 0x8000_0006,
  ERR_SHUTDOWN: 0x8000_0007,
  ERR_BLOCK_SIZE_REQD: 0x8000_0008,
  ERR_TOO_BIG: 0x8000_0009,
} as const;

/** Kinds of information about an export: `NBD_INFO_*`. */
export const NbdInfo = { EXPORT: 0, NAME: 1, DESCRIPTION: 2, BLOCK_SIZE: 3 } as const;

/** Request types: `NBD_CMD_*`. */
export const NbdCmd = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

/** Flags of a request: `NBD_CMD_FLAG_*`. */
export const NbdCmdFlag = { FUA: 1, NO_HOLE: 2, DF: 4, REQ_ONE: 8, FAST_ZERO: 16 } as const;

/** The only errors a reply may carry: `NBD_E*`. */
export const NbdError = {
  OK: 0,
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdError = (typeof NbdError)[keyof typeof NbdError];

/** The port IANA assigned to NBD. */
export const NBD_DEFAULT_PORT = 10809;

/** Longest string (name, description, message) in bytes of UTF-8. */
export const NBD_MAX_STRING_BYTES = 4096;

/** Largest READ or WRITE that every peer may count on: what this server takes and a client sends. */
export const NBD_MAX_PAYLOAD_BYTES: number = 32 * 1024 * 1024;

/** Bytes of a request without its payload. */
export const REQUEST_BYTES = 28;

/** Bytes of a simple reply without its payload. */
export const SIMPLE_REPLY_BYTES = 16;

/** Bytes of an option without its data. */
export const OPTION_HEADER_BYTES = 16;

/** Bytes of a reply to an option without its data. */
export const OPTION_REPLY_HEADER_BYTES = 20;

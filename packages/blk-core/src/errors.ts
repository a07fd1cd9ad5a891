/** Errno codes this project uses, with Linux's numbers. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EBADE: 52,
  ENODATA: 61,
  ETIME: 62,
  ENOPKG: 65,
  ENOLINK: 67,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EREMCHG: 78,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ESHUTDOWN: 108,
  ETOOMANYREFS: 109,
  ETIMEDOUT: 110,
  EREMOTEIO: 121,
  ENOKEY: 126,
} as const;
export type ErrnoCode = keyof typeof Errno;

/**
 * A control path's failure: wrong arguments, a missing device, a refused key. Callers match `code`, never the message.
 * I/O paths never throw this; they store a `BlkStatus`.
 */
export class BlkError extends Error {
  override readonly name = "BlkError";
  /** The errno's name, `"EINVAL"`. */
  readonly code: ErrnoCode;
  /** The errno's number, negative as in Node: -22. */
  readonly errno: number;
  /** The operation that failed, in the kernel's words where it has one: `"blk_crypto_init_key"`. */
  readonly op: string;

  constructor(code: ErrnoCode, op: string, message: string, options?: ErrorOptions) {
    super(`${op}: ${message} (${code})`, options);
    this.code = code;
    this.errno = -Errno[code];
    this.op = op;
  }
}

/** A broken invariant: this project's own mistake or a driver's. Never caught inside the packages. */
export class BlkBug extends Error {
  override readonly name = "BlkBug";
}

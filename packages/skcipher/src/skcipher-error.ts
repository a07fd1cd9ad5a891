/** The errno names this package throws, with Node's sign convention. */
export const SKCIPHER_ERRNO = {
  /** No cipher of that name here. */
  ENOENT: -2,
  /** A computation off the event loop failed: its thread ended, or the cipher did not work there. */
  EIO: -5,
  /** A malformed argument: key, data unit size, views. */
  EINVAL: -22,
  /** The engine's self-test failed, or the runtime lacks what the engine needs. */
  ELIBBAD: -80,
  /** The cipher holds no key. */
  ENOKEY: -126,
} as const;

export type SkcipherErrorCode = keyof typeof SKCIPHER_ERRNO;

/**
 * What this package throws. Match `code`; the message is for people and never holds key or data bytes.
 *
 * `op` names the operation that failed (`"setKey"`, `"encrypt"`, ...).
 */
export class SkcipherError extends Error {
  override readonly name = "SkcipherError";
  readonly code: SkcipherErrorCode;
  readonly errno: number;
  readonly op: string;

  constructor(code: SkcipherErrorCode, op: string, message: string, options?: ErrorOptions) {
    super(`${op}: ${message}`, options);
    this.code = code;
    this.errno = SKCIPHER_ERRNO[code];
    this.op = op;
  }
}

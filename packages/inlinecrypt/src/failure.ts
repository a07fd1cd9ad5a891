/** What the command exits with. */
export const ExitCode = {
  OK: 0,
  /** The request failed: a missing file, a busy socket, a refused key, a failed comparison. */
  FAILED: 1,
  /** Wrong usage, or a stack file that is not one. */
  USAGE: 2,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A mistake in how something was asked for; the command exits with 2. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** A request that was well asked for and cannot be served; the command exits with 1. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/** A signal ended the command before it was done; it exits as a shell says of a process that died of the signal. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(`interrupted by ${signal}`);
    this.exitCode = signalExitCode(signal);
  }
}

/** The signals that ask a command to stop. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** 128 and the signal's number. */
export function signalExitCode(signal: StopSignal): number {
  return signal === "SIGINT" ? 130 : 143;
}

/** Whether `error` comes from the operating system by way of Node: it has a `code` such as `"ENOENT"`. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}

/**
 * A failed system call in words: what was wanted of which file, and why not.
 *
 * @param what - the sentence's start, for example `"cannot read key file ./k.key"`
 */
export function explainSystemError(what: string, error: unknown): RequestError {
  if (!isSystemError(error)) throw error;
  return new RequestError(`${what}: ${systemReasons[error.code ?? ""] ?? error.message}`, { cause: error });
}

const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder (ENOENT)",
  EACCES: "permission denied (EACCES)",
  EPERM: "operation not permitted (EPERM)",
  EISDIR: "it is a folder (EISDIR)",
  ENOTDIR: "a part of the path is not a folder (ENOTDIR)",
  EADDRINUSE: "the address is in use (EADDRINUSE)",
  ENOSPC: "no space left on the device (ENOSPC)",
  EROFS: "the file system is read-only (EROFS)",
  EMFILE: "too many open files (EMFILE)",
};

import type { Readable, Writable } from "node:stream";
import type { StopSignal } from "../failure.js";

/** The part of `process` that a command uses: tests pass their own. */
export interface CommandIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signals: SignalSource;
  /** Of a clock that only goes forward. */
  nowMs(): number;
  /** Ends the process now, with nothing undone. */
  exitNow(code: number): void;
}

/** Where SIGINT and SIGTERM come from. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

/** The real one. */
export function processIo(): CommandIo {
  const { stdin, stdout, stderr, env } = process;
  // A reader that leaves early (`| head`) must not end the process with an uncaught error. Who cares asks `write`.
  stdout.on("error", () => {});
  stderr.on("error", () => {});
  return {
    stdin,
    stdout,
    stderr,
    env,
    signals: process,
    nowMs: () => performance.now(),
    exitNow: (code) => process.exit(code),
  };
}

/** Whether a person watches this stream. */
export function isTerminal(stream: Writable): boolean {
  return (stream as Partial<NodeJS.WriteStream>).isTTY === true;
}

/** Whether to colour what goes to `stream`: on a terminal, unless https://no-color.org asks not to. */
export function wantsColor(stream: Writable, env: CommandIo["env"]): boolean {
  return isTerminal(stream) && !env.NO_COLOR && env.TERM !== "dumb";
}

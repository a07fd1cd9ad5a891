import { BlkError } from "@inlinecrypt/blk-core";
import { SkcipherError } from "@inlinecrypt/skcipher";
import { ExitCode, InterruptedError, isSystemError, RequestError, UsageError } from "../failure.js";
import { StackFileError } from "../stack/stack-file-error.js";
import type { CommandIo } from "./command-io.js";

/**
 * Says on stderr why a command failed, and tells the exit code. What nobody expected comes with its stack, because it
 * is this project's mistake.
 */
export function reportFailure(io: CommandIo, thrown: unknown, json: boolean): number {
  const error = firstFailure(thrown);
  const exitCode = exitCodeOf(error);
  if (json)
    io.stderr.write(`${JSON.stringify({ level: "error", msg: messageOf(error), exitCode, ...details(error) })}\n`);
  else for (const line of messageOf(error).split("\n")) io.stderr.write(`inlinecrypt: ${line}\n`);
  return exitCode;
}

/** What failed first, where closing up failed after it: a SuppressedError, of which Node 20 has no class. */
function firstFailure(thrown: unknown): unknown {
  return thrown instanceof Error && "suppressed" in thrown ? firstFailure(thrown.suppressed) : thrown;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return error.exitCode;
  return error instanceof UsageError ? ExitCode.USAGE : ExitCode.FAILED;
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("\n");
  if (isExpected(error)) return error.message;
  const stack = error instanceof Error ? error.stack : String(error);
  return `this is a bug in inlinecrypt, please report it: ${stack}`;
}

function details(error: unknown): object {
  if (error instanceof StackFileError) return { file: error.file, problems: error.problems };
  return error instanceof BlkError || error instanceof SkcipherError || isSystemError(error)
    ? { code: error.code }
    : {};
}

function isExpected(error: unknown): error is Error {
  return (
    error instanceof UsageError ||
    error instanceof RequestError ||
    error instanceof InterruptedError ||
    error instanceof BlkError ||
    error instanceof SkcipherError ||
    isSystemError(error)
  );
}

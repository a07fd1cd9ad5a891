import { CommanderError } from "commander";
import { type CommandIo, processIo } from "./command/command-io.js";
import { createProgram } from "./command/program.js";
import { reportFailure } from "./command/report-failure.js";
import { ExitCode, UsageError } from "./failure.js";

/**
 * Runs the `inlinecrypt` command to its end.
 *
 * @param argv - without the program's name: `["serve", "stack.yaml"]`
 * @param io - what stands for the process's streams and signals
 * @returns the exit code: 0, 1 when the request failed, 2 for wrong usage or a bad stack file. Never rejects.
 */
export async function main(argv: readonly string[], io: CommandIo = processIo()): Promise<number> {
  const json = argv.includes("--json");
  try {
    await createProgram(io, json).parseAsync(argv, { from: "user" });
    return ExitCode.OK;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(io, error, json);
    if (error.exitCode === 0) return ExitCode.OK;
    // Commander has told people already.
    return json ? reportFailure(io, new UsageError(error.message.replace(/^error: /, "")), true) : ExitCode.USAGE;
  }
}

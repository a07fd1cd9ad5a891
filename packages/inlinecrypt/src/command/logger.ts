import { type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import { type CommandIo, wantsColor } from "./command-io.js";

/**
 * The log on stderr: lines for people, or with `json` one object a line. Written at once, so that nothing is lost when
 * the process ends.
 */
export function createLogger(io: CommandIo, json: boolean): Logger {
  const options = { base: null, formatters: { level: (label: string) => ({ level: label }) } };
  if (json) return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, io.stderr);
  const prettify = prettyFactory({
    colorize: wantsColor(io.stderr, io.env),
    translateTime: "SYS:HH:MM:ss",
    singleLine: true,
  });
  return pino(options, { write: (line: string) => io.stderr.write(prettify(line)) });
}

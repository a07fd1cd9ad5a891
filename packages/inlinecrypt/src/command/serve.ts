import { resolve } from "node:path";
import type { CryptoModeName } from "@inlinecrypt/blk-crypto-profile";
import type { NbdAddress, NbdEvent } from "@inlinecrypt/nbd";
import type { Logger } from "pino";
import { UsageError } from "../failure.js";
import { buildStack, type StackExport } from "../stack/build-stack.js";
import type { StackDefinition } from "../stack/stack-definition.js";
import { loadStackFile } from "../stack/stack-file.js";
import { formatBytes } from "../values.js";
import type { CommandIo } from "./command-io.js";
import { createLogger } from "./logger.js";
import { StopSignals } from "./stop-signal.js";

export interface ServeFlags {
  readonly file?: string;
  readonly size?: number;
  readonly keyFile?: string;
  readonly mode: CryptoModeName;
  readonly dataUnitSize: number;
  readonly firstDun: bigint;
  readonly listen?: NbdAddress;
  readonly export?: string;
  readonly readOnly?: boolean;
  readonly fallback: boolean;
  readonly json?: boolean;
}

/** Where `serve` listens when nobody says: only this user's processes get through a socket file. */
const DEFAULT_SOCKET = "inlinecrypt.sock";

/** What a stack file says itself, by option. */
const stackFlags = [
  ["file", "--file"],
  ["size", "--size"],
  ["keyFile", "--key-file"],
  ["mode", "--mode"],
  ["dataUnitSize", "--data-unit-size"],
  ["firstDun", "--first-dun"],
  ["listen", "--listen"],
  ["export", "--export"],
  ["readOnly", "--read-only"],
  ["fallback", "--no-fallback"],
] as const;

/**
 * `inlinecrypt serve`: from the first to the last client. Resolves when a signal has ended it and all is on the medium.
 *
 * @param isGiven - whether the option of this name was on the command line
 */
export async function serve(
  io: CommandIo,
  stackFile: string | undefined,
  flags: ServeFlags,
  isGiven: (name: string) => boolean,
): Promise<void> {
  const definition = await readDefinition(stackFile, flags, isGiven);
  const logger = createLogger(io, flags.json ?? false);
  using stopSignals = new StopSignals(io);
  const stack = await buildStack(definition, {
    warn: (message) => logger.warn(message),
    tracer: { trace: (event, detail) => logger.warn(detail, event) },
    onNbdEvent: (event) => logNbdEvent(logger, event),
  });
  try {
    for (const served of stack.exports) {
      logger.info(describe(served));
      io.stdout.write(flags.json ? readyJson(served) : `listening ${served.uri}\n`);
    }
    logger.info(`${await stopSignals.first}: finishing what clients have sent, then closing`);
  } finally {
    await stack.close();
  }
  logger.info("closed; everything acknowledged is on the medium");
}

async function readDefinition(
  stackFile: string | undefined,
  flags: ServeFlags,
  isGiven: (name: string) => boolean,
): Promise<StackDefinition> {
  if (stackFile === undefined) return definitionFromFlags(flags);
  const given = stackFlags.filter(([name]) => isGiven(name)).map(([, flag]) => flag);
  if (given.length > 0) {
    throw new UsageError(`${given.join(", ")} cannot be combined with a stack file; ${stackFile} says it all`);
  }
  const definition = await loadStackFile(stackFile);
  if ((definition.exports ?? []).length === 0)
    throw new UsageError(`${stackFile}: "exports" is empty, nothing to serve`);
  return definition;
}

function definitionFromFlags(flags: ServeFlags): StackDefinition {
  const { file, keyFile, size, mode, dataUnitSize, firstDun, readOnly } = flags;
  if (file === undefined || keyFile === undefined) {
    const missing = file === undefined ? "--file" : "--key-file";
    throw new UsageError(`serve needs a stack file, or --file and --key-file; ${missing} is missing`);
  }
  const nbd = flags.listen ?? { unix: DEFAULT_SOCKET };
  return {
    version: 1,
    cryptoFallback: flags.fallback,
    devices: { disk: { driver: "loop", file, size, readOnly } },
    keys: { key: { mode, dataUnitSize, file: keyFile } },
    volumes: { disk: { device: "disk", key: "key", firstDun } },
    exports: [{ volume: "disk", nbd: absolute(nbd), name: flags.export ?? "", readOnly }],
  };
}

/** A client may run in another folder. */
function absolute(address: NbdAddress): NbdAddress {
  return "unix" in address ? { unix: resolve(address.unix) } : address;
}

function logNbdEvent(logger: Logger, { type, ...detail }: NbdEvent): void {
  const level = type === "violation" || type === "refused" ? "warn" : "info";
  logger[level](detail, `client: ${type}`);
}

function readyJson({ uri, name, volume }: StackExport): string {
  return `${JSON.stringify({ event: "listening", uri, export: name, bytes: volume.bytes })}\n`;
}

function describe({ volume, key, firstDun }: StackExport): string {
  const size = `${volume.bdev.name}: ${formatBytes(volume.bytes)}`;
  if (key === null) return `${size}, plain`;
  return `${size}, ${key.mode.name}, data units of ${key.dataUnitBytes} bytes numbered from ${firstDun}`;
}

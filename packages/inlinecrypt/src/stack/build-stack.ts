import { type BlockDevice, BlockLayer, HostExecutor, type Tracer, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import type { BlkCryptoKey, KeyslotInfo } from "@inlinecrypt/blk-crypto-profile";
import { DeviceMapper, type MappedDevice } from "@inlinecrypt/dm-layer";
import type { NbdEvent } from "@inlinecrypt/nbd";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { chooseEngine } from "../engines.js";
import { checkSizes } from "./check-sizes.js";
import { openDevice } from "./open-device.js";
import { openKeys } from "./open-keys.js";
import { serveExports } from "./serve-exports.js";
import { hasTables, type StackDefinition } from "./stack-definition.js";
import { TableKeys } from "./table-keys.js";
import { Unwinder } from "./unwinder.js";

export interface StackOptions {
  /** Computes what no hardware does. @default the first of `createEngines` that runs here */
  readonly engine?: SkcipherEngine;
  /** Hears what a person should know, such as a key file that everyone can read. */
  readonly warn?: (message: string) => void;
  /** Hears of failures in the block layer that nobody else is told. */
  readonly tracer?: Tracer;
  /** Hears of NBD clients. */
  readonly onNbdEvent?: (event: NbdEvent) => void;
}

/** A volume of a stack. */
export interface StackVolume {
  readonly volume: Volume;
  /** Null: plain. */
  readonly key: BlkCryptoKey | null;
  /** DUN of the first data unit. */
  readonly firstDun: bigint;
}

/** An export that clients can connect to. */
export interface StackExport extends StackVolume {
  readonly name: string;
  /** Where clients find it: `nbd+unix:///NAME?socket=PATH` or `nbd://HOST:PORT/NAME`. */
  readonly uri: string;
}

/** A running stack. Everything in it ends with it. */
export interface Stack extends AsyncDisposable {
  readonly devices: ReadonlyMap<string, BlockDevice>;
  /** Those of `devices` that have a table. */
  readonly mappedDevices: readonly MappedDevice[];
  readonly volumes: ReadonlyMap<string, StackVolume>;
  /** In the definition's order. */
  readonly exports: readonly StackExport[];
  /** The software fallback's keyslots; none without a fallback. */
  fallbackSlotTable(): KeyslotInfo[];
  /**
   * Top-down: stops taking requests, finishes those it has, evicts and wipes the keys, puts all data on the medium and
   * closes the devices. Idempotent.
   *
   * @throws what failed on the way, when all the rest has been closed too
   */
  close(): Promise<void>;
}

/**
 * Builds a stack bottom-up: devices, keys, volumes, exports. When a part fails, those before it are closed again.
 *
 * @param definition - from `loadStackFile`, or written by hand; names must lead somewhere
 * @throws RequestError, BlkError or SkcipherError with what failed and why
 */
export async function buildStack(definition: StackDefinition, options: StackOptions = {}): Promise<Stack> {
  const unwinder = new Unwinder();
  try {
    return await build(definition, options, unwinder);
  } catch (failure) {
    // The first failure is the one to report; what closing adds to it is most often its consequence.
    await unwinder.unwind().catch((closing) => options.warn?.(`while closing: ${closing}`));
    throw failure;
  }
}

async function build(definition: StackDefinition, options: StackOptions, unwinder: Unwinder): Promise<Stack> {
  checkSizes(definition);
  const chosenEngine = (): SkcipherEngine => options.engine ?? chooseEngine();
  const engine = definition.cryptoFallback === false ? null : chosenEngine();
  const fallback = engine && newFallback(engine, unwinder);
  const layer = newLayer(fallback, options);
  const { devices, mapper } = await openDevices(definition, layer, () => engine ?? chosenEngine(), unwinder);
  const keys = await openKeys(definition, devices, engine, options, unwinder);
  const volumes = openVolumes(definition, devices, keys);
  const exports = await serveExports(definition.exports ?? [], volumes, options, unwinder);
  return {
    devices,
    mappedDevices: mapper.devices(),
    volumes,
    exports,
    fallbackSlotTable: () => fallback?.slotTable() ?? [],
    close: () => unwinder.unwind(),
    [Symbol.asyncDispose]: () => unwinder.unwind(),
  };
}

/** Bottom-up: a device may use those before it. */
async function openDevices(
  definition: StackDefinition,
  layer: BlockLayer,
  engine: () => SkcipherEngine,
  unwinder: Unwinder,
): Promise<{ devices: Map<string, BlockDevice>; mapper: DeviceMapper }> {
  const devices = new Map<string, BlockDevice>();
  using tableKeys = await TableKeys.read(definition);
  const mapper = new DeviceMapper({
    layer,
    device: (name) => devices.get(name) ?? null,
    // Without any, no engine is needed for their targets: choosing one takes a while.
    ...(hasTables(definition) && { skcipherEngine: engine() }),
    keyringKey: (type, description) => tableKeys.payload(type, description),
  });
  const context = { layer, devices, mapper, engine, unwinder };
  for (const [name, device] of Object.entries(definition.devices)) {
    devices.set(name, await openDevice(context, name, device));
  }
  return { devices, mapper };
}

function newFallback(engine: SkcipherEngine, unwinder: Unwinder): BlkCryptoFallback {
  const fallback = new BlkCryptoFallback({ engine });
  unwinder.defer(() => fallback[Symbol.dispose]());
  return fallback;
}

function newLayer(fallback: BlkCryptoFallback | null, { tracer }: StackOptions): BlockLayer {
  const executor = new HostExecutor();
  return new BlockLayer({
    executor,
    ...(fallback === null ? {} : { cryptoFallback: fallback }),
    ...(tracer === undefined ? {} : { tracer }),
  });
}

function openVolumes(
  { volumes = {} }: StackDefinition,
  devices: ReadonlyMap<string, BlockDevice>,
  keys: ReadonlyMap<string, BlkCryptoKey>,
): Map<string, StackVolume> {
  const opened = new Map<string, StackVolume>();
  for (const [name, { device, key: keyName, firstDun = 0n }] of Object.entries(volumes)) {
    const bdev = devices.get(device)!;
    const key = keyName === undefined ? null : keys.get(keyName)!;
    opened.set(name, { volume: new Volume(bdev, key && { key, firstDun }), key, firstDun });
  }
  return opened;
}

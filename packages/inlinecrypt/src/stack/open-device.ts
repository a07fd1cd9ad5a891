import type { BlockDevice, BlockLayer } from "@inlinecrypt/blk-core";
import { LoopDevice, type LoopDeviceOptions, RamDisk } from "@inlinecrypt/blk-drivers";
import type { DeviceMapper } from "@inlinecrypt/dm-layer";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { BlockDeviceMedium, createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import type {
  DeviceDefinition,
  DmDefinition,
  LoopDefinition,
  RamDefinition,
  UfsDefinition,
} from "./stack-definition.js";
import type { Unwinder } from "./unwinder.js";

/** What devices are made in. */
export interface DeviceContext {
  readonly layer: BlockLayer;
  /** Those there are so far, by name. */
  readonly devices: ReadonlyMap<string, BlockDevice>;
  readonly mapper: DeviceMapper;
  /** Computes for crypto engines. */
  readonly engine: () => SkcipherEngine;
  /** Unwinding puts the data of devices on their media and closes them. */
  readonly unwinder: Unwinder;
}

/** Opens a device. @throws BlkError naming the file, or the table, and what is wrong with it */
export function openDevice(context: DeviceContext, name: string, definition: DeviceDefinition): Promise<BlockDevice> {
  switch (definition.driver) {
    case "loop":
      return openLoop(context, name, definition);
    case "ram":
      return openRam(context, name, definition);
    case "ufs":
      return openUfs(context, name, definition);
    case "dm":
      return openMapped(context, name, definition);
  }
}

function openLoop(context: DeviceContext, name: string, definition: LoopDefinition): Promise<BlockDevice> {
  const { file, device, size, readOnly = false } = definition;
  if (device === undefined) return openFile(context, file!, size, readOnly);
  return openLoopDevice(context, { name, device: context.devices.get(device)!, readOnly });
}

function openFile(
  context: DeviceContext,
  file: string,
  size: number | undefined,
  readOnly: boolean,
): Promise<BlockDevice> {
  return openLoopDevice(context, { file, readOnly, ...(size !== undefined && { sizeBytes: size }) });
}

async function openLoopDevice({ layer, unwinder }: DeviceContext, options: LoopDeviceOptions): Promise<BlockDevice> {
  const loop = await LoopDevice.open(layer, options);
  unwinder.defer(() => loop.close());
  return loop.bdev;
}

async function openRam(
  { layer, unwinder }: DeviceContext,
  name: string,
  { size }: RamDefinition,
): Promise<BlockDevice> {
  const ram = new RamDisk(layer, { name, bytes: size });
  unwinder.defer(() => ram.close());
  return ram.bdev;
}

async function openUfs(context: DeviceContext, name: string, definition: UfsDefinition): Promise<BlockDevice> {
  const { size, backing, keyslots, dataUnitSizes, readOnly = false } = definition;
  const file = backing === undefined ? null : await openFile(context, backing, size, readOnly);
  const ufs = await createUfsDisk({
    layer: context.layer,
    name,
    engine: context.engine(),
    readOnly,
    ...(file === null ? { bytes: size! } : { backing: new BlockDeviceMedium(file) }),
    ...(keyslots !== undefined && { keyslots }),
    ...(dataUnitSizes !== undefined && { dataUnitSizes }),
  });
  context.unwinder.defer(() => ufs.close());
  return ufs.bdev;
}

async function openMapped(context: DeviceContext, name: string, definition: DmDefinition): Promise<BlockDevice> {
  const { table, readOnly = false } = definition;
  const mapped = await context.mapper.create({ name, readOnly, table: table.join("\n") });
  context.unwinder.defer(() => mapped.remove());
  return mapped.bdev;
}

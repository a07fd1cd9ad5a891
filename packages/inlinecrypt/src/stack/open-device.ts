import type { BlockDevice, BlockLayer } from "@inlinecrypt/blk-core";
import { LoopDevice, RamDisk } from "@inlinecrypt/blk-drivers";
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
      return openLoop(context, definition);
    case "ram":
      return openRam(context, name, definition);
    case "ufs":
      return openUfs(context, name, definition);
    case "dm":
      return openMapped(context, name, definition);
  }
}

async function openLoop(context: DeviceContext, definition: Omit<LoopDefinition, "driver">): Promise<BlockDevice> {
  const { file, size, readOnly = false } = definition;
  const loop = await LoopDevice.open(context.layer, {
    file,
    readOnly,
    ...(size !== undefined && { sizeBytes: size }),
  });
  context.unwinder.defer(() => loop.close());
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
  const file = backing === undefined ? null : await openLoop(context, { file: backing, size, readOnly });
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

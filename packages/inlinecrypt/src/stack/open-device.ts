import type { BlockDevice, BlockLayer } from "@inlinecrypt/blk-core";
import { LoopDevice, RamDisk } from "@inlinecrypt/blk-drivers";
import type { DeviceDefinition, LoopDefinition } from "./stack-definition.js";
import type { Unwinder } from "./unwinder.js";

/** Opens a device; unwinding puts its data on the medium and closes it. @throws BlkError naming the file and why not */
export async function openDevice(
  layer: BlockLayer,
  name: string,
  definition: DeviceDefinition,
  unwinder: Unwinder,
): Promise<BlockDevice> {
  const device =
    definition.driver === "loop"
      ? await openLoop(layer, definition)
      : new RamDisk(layer, { name, bytes: definition.size });
  unwinder.defer(() => device.close());
  return device.bdev;
}

function openLoop(layer: BlockLayer, { file, size, readOnly = false }: LoopDefinition): Promise<LoopDevice> {
  return LoopDevice.open(layer, { file, readOnly, ...(size === undefined ? {} : { sizeBytes: size }) });
}

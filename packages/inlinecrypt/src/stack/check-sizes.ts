import { LOGICAL_BLOCK_BYTES } from "@inlinecrypt/ufshcd-emulator/controller";
import { RequestError } from "../failure.js";
import { type DeviceDefinition, KEY_DEFAULTS, type StackDefinition } from "./stack-definition.js";

/**
 * Refuses sizes that their disks cannot have, before anything is created: a file of a wrong size would be in the way of
 * the right one.
 *
 * @throws RequestError for a UFS disk without whole blocks, and for a device without whole data units of a volume's key
 */
export function checkSizes({ devices, keys = {}, volumes = {} }: StackDefinition): void {
  for (const [name, device] of Object.entries(devices)) {
    if (device.driver === "ufs") check(`device ${name}`, device, LOGICAL_BLOCK_BYTES, "its block of");
  }
  for (const [name, { device, key }] of Object.entries(volumes)) {
    if (key === undefined) continue;
    const { dataUnitSize = KEY_DEFAULTS.dataUnitSize } = keys[key]!;
    check(`device ${device} of volume ${name}`, devices[device]!, dataUnitSize, "the key's data unit of");
  }
}

function check(what: string, device: DeviceDefinition, unitBytes: number, unit: string): void {
  const bytes = "size" in device ? device.size : undefined;
  if (bytes === undefined || bytes % unitBytes === 0) return;
  throw new RequestError(`${what}: a size of ${bytes} bytes is not a multiple of ${unit} ${unitBytes}`);
}

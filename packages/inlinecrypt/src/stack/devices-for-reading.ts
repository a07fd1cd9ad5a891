import { type DeviceDefinition, hasTables, type StackDefinition } from "./stack-definition.js";
import { namesOfTableKeys } from "./table-keys.js";

/**
 * The devices of a stack alone, such that building them creates and changes nothing, and reads no key it can do without.
 * Without tables nothing encrypts, and no time is spent on a fallback; a table's target may need it.
 */
export function devicesForReading(definition: StackDefinition): StackDefinition {
  const { version, devices, keys = {} } = definition;
  const cryptoFallback = hasTables(definition) && definition.cryptoFallback;
  const opened = Object.entries(devices).map(([name, device]) => [name, forReading(device)]);
  const named = [...namesOfTableKeys(definition)].map((name) => [name, keys[name]]);
  return { version, cryptoFallback, devices: Object.fromEntries(opened), keys: Object.fromEntries(named) };
}

/** A file that does not exist is not created. */
function forReading(device: DeviceDefinition): DeviceDefinition {
  return device.driver === "ram" ? device : { ...device, readOnly: true };
}

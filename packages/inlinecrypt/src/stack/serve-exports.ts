import { type NbdAddress, NbdServer, nbdUri } from "@inlinecrypt/nbd";
import { formatListenAddress } from "../values.js";
import type { StackExport, StackOptions, StackVolume } from "./build-stack.js";
import { type ExportDefinition, exportName } from "./stack-definition.js";
import type { Unwinder } from "./unwinder.js";

/**
 * Starts an NBD server for each address. Unwinding stops them: no new requests, those in flight are finished.
 *
 * @throws BlkError EBUSY for an address that is taken, or why else it cannot be listened on
 */
export async function serveExports(
  definitions: readonly ExportDefinition[],
  volumes: ReadonlyMap<string, StackVolume>,
  options: StackOptions,
  unwinder: Unwinder,
): Promise<StackExport[]> {
  const uris = new Map<ExportDefinition, string>();
  for (const group of byAddress(definitions)) {
    const address = await listen(group, volumes, options, unwinder);
    for (const definition of group) uris.set(definition, nbdUri(address, exportName(definition)));
  }
  return definitions.map((definition) => ({
    ...volumes.get(definition.volume)!,
    name: exportName(definition),
    uri: uris.get(definition)!,
  }));
}

async function listen(
  group: readonly ExportDefinition[],
  volumes: ReadonlyMap<string, StackVolume>,
  { onNbdEvent }: StackOptions,
  unwinder: Unwinder,
): Promise<NbdAddress> {
  const exports = group.map((definition) => ({
    name: exportName(definition),
    volume: volumes.get(definition.volume)!.volume,
    readOnly: definition.readOnly ?? false,
  }));
  const server = new NbdServer({ exports, ...(onNbdEvent === undefined ? {} : { onEvent: onNbdEvent }) });
  unwinder.defer(() => server.close());
  return server.listen(group[0]!.nbd);
}

/** The exports of each address, in order. */
function byAddress(definitions: readonly ExportDefinition[]): ExportDefinition[][] {
  const groups = new Map<string, ExportDefinition[]>();
  for (const definition of definitions) {
    const address = formatListenAddress(definition.nbd);
    const group = groups.get(address);
    if (group === undefined) groups.set(address, [definition]);
    else group.push(definition);
  }
  return [...groups.values()];
}

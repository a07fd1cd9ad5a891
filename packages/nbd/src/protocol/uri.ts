/** Where a server listens or a client connects: a unix socket or a TCP port. */
export type NbdAddress = { unix: string } | { host: string; port: number };

/**
 * The URI by which NBD clients find an export: `nbd+unix:///NAME?socket=PATH` or `nbd://HOST:PORT/NAME`.
 *
 * Source: NetworkBlockDevice/nbd, doc/uri.md.
 */
export function nbdUri(address: NbdAddress, exportName: string): string {
  const name = encodeURIComponent(exportName);
  if ("unix" in address) return `nbd+unix:///${name}?socket=${escapePath(address.unix)}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `nbd://${host}:${address.port}/${name}`;
}

/** Slashes may stand as they are in a query, and a path is easier to read with them. */
function escapePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/**
 * NBD for `@inlinecrypt/blk-core`: a server that exports volumes, a client, and the wire codec of both.
 *
 * @packageDocumentation
 */
export { NbdClient, type NbdClientOptions } from "./client/nbd-client.js";
export {
  NBD_DEFAULT_PORT,
  NBD_MAX_PAYLOAD_BYTES,
  NbdClientFlag,
  NbdCmd,
  NbdCmdFlag,
  NbdError,
  NbdFlag,
  NbdHandshakeFlag,
  NbdInfo,
  NbdMagic,
  NbdOpt,
  NbdRep,
} from "./protocol/constants.js";
export type { NbdBlockSizes } from "./protocol/handshake.js";
export type { NbdListEntry } from "./protocol/option-reply.js";
export { type NbdAddress, nbdUri } from "./protocol/uri.js";
export type { NbdEvent } from "./server/nbd-event.js";
export { NbdServer, type NbdServerOptions } from "./server/nbd-server.js";
export type { NbdExport } from "./server/served-export.js";

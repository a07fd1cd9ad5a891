/**
 * What a server tells about its connections: for logs, never with data in it. `connection` counts from 1.
 */
export type NbdEvent =
  /** Somebody connected; `peer` is `"unix"` or `"HOST:PORT"`. */
  | { type: "connect"; connection: number; peer: string }
  /** The limit of connections is reached, or the server closes; this one was closed at once. */
  | { type: "refused"; peer: string; maxConnections: number }
  /** The handshake is over and the client works on an export. */
  | { type: "negotiated"; connection: number; exportName: string }
  /** The client broke the protocol in a way that cannot be answered; the connection is closed. */
  | { type: "violation"; connection: number; detail: string }
  /** The system refused to accept a connection, for want of file descriptors say; the server goes on listening. */
  | { type: "accept-failed"; detail: string }
  /** The connection is gone. */
  | { type: "disconnect"; connection: number; reason: string };

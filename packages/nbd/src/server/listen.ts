import { lstat, stat, unlink } from "node:fs/promises";
import { connect, type ListenOptions, type Server } from "node:net";
import { dirname } from "node:path";
import { BlkError, type ErrnoCode } from "@inlinecrypt/blk-core";
import type { NbdAddress } from "../protocol/uri.js";

/** Longest path of a unix socket in bytes; the system would silently cut a longer one, and any at a NUL. */
const MAX_PATH_BYTES = process.platform === "linux" ? 107 : 103;

/**
 * Makes a server listen, and returns where: the port is the actual one. A socket file that nobody listens on is
 * replaced; one with a listener, and any other kind of file, never.
 *
 * @throws BlkError EBUSY when the address is taken, else what the system said; the message names the address.
 */
export async function listenOn(server: Server, address: NbdAddress): Promise<NbdAddress> {
  if ("unix" in address) {
    await listenOnPath(server, address.unix);
    return address;
  }
  try {
    await tryListen(server, { host: address.host, port: address.port });
  } catch (error) {
    throw listenError(`${address.host}:${address.port}`, error);
  }
  const bound = server.address();
  return { host: address.host, port: bound !== null && typeof bound === "object" ? bound.port : address.port };
}

async function listenOnPath(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new BlkError("EINVAL", "nbd_listen", `${path} is too long for a socket: at most ${MAX_PATH_BYTES} bytes`);
  }
  if (path.includes("\0")) {
    throw new BlkError(
      "EINVAL",
      "nbd_listen",
      `${JSON.stringify(path)} is no path of a socket: expected one without NUL`,
    );
  }
  try {
    await tryListen(server, { path });
  } catch (error) {
    if (errorCode(error) === "EACCES") await expectFolder(path, error);
    if (errorCode(error) !== "EADDRINUSE") throw listenError(path, error);
    await removeStaleSocket(path);
    await tryListen(server, { path }).catch((again: unknown) => {
      throw listenError(path, again);
    });
  }
}

function tryListen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Node says EACCES of a folder that does not exist, too. */
async function expectFolder(path: string, cause: unknown): Promise<void> {
  const code = await stat(dirname(path)).then(() => "", errorCode);
  if (code !== "ENOENT") return;
  throw new BlkError("ENOENT", "nbd_listen", `cannot listen on ${path}: its folder does not exist`, { cause });
}

/** Removes a socket file without a listener; throws EBUSY for anything else. */
async function removeStaleSocket(path: string): Promise<void> {
  const before = await lstat(path).catch(() => null);
  if (before === null) return;
  if (!before.isSocket()) throw new BlkError("EBUSY", "nbd_listen", `${path} exists and is not a socket`);
  if (await isAlive(path)) throw new BlkError("EBUSY", "nbd_listen", `another server listens on ${path}`);
  const after = await lstat(path).catch(() => null);
  if (after === null) return;
  // Between the probe and here another server may have replaced the dead socket by its own.
  if (after.ino !== before.ino) throw new BlkError("EBUSY", "nbd_listen", `another server listens on ${path}`);
  await unlink(path);
}

/** Whether a listener is there: only a refused connection proves that none is. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED" && errorCode(error) !== "ENOENT"));
  });
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

const errnoOf: Readonly<Record<string, ErrnoCode>> = { EADDRINUSE: "EBUSY", EACCES: "EPERM", ENOENT: "ENOENT" };

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  ENOTFOUND: "there is no host of this name",
  EAI_AGAIN: "the host's name cannot be looked up",
  EACCES: "permission denied",
  ENOTDIR: "a part of the path is not a folder",
};

function listenError(where: string, cause: unknown): BlkError {
  const code = errorCode(cause);
  const what = `cannot listen on ${where}: ${reasons[code] ?? code}`;
  return new BlkError(errnoOf[code] ?? "EINVAL", "nbd_listen", what, { cause });
}

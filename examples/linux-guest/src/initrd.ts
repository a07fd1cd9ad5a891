import { gzipSync } from "node:zlib";

/** A file of the guest's root directory. */
export interface GuestFile {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

const REGULAR_FILE = 0o100000;

/** Where the kernel expects the next name, content or header to begin. */
function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** @kernel Documentation/driver-api/early-userspace/buffer-format.rst: the fields of a newc header, in order */
function header(index: number, mode: number, dataBytes: number, nameBytes: number): string {
  const [uid, gid, links, mtime, major, minor, rdevMajor, rdevMinor, check] = [0, 0, 1, 0, 0, 0, 0, 0, 0];
  const fields = [index, mode, uid, gid, links, mtime, dataBytes, major, minor, rdevMajor, rdevMinor, nameBytes, check];
  return `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
}

function entry(index: number, mode: number, name: string, data: Uint8Array): Buffer {
  const head = Buffer.from(`${header(index, mode, data.length, name.length + 1)}${name}\0`, "latin1");
  const bytes = Buffer.alloc(padded(head.length) + padded(data.length));
  bytes.set(head);
  bytes.set(data, padded(head.length));
  return bytes;
}

/**
 * Appends files to an initial RAM disk. The kernel unpacks one archive after the other, so what comes later replaces what came
 * before.
 */
export function appendToInitrd(base: Uint8Array, files: readonly GuestFile[]): Uint8Array {
  const entries = files.map(({ path, mode, data }, at) => entry(at + 1, REGULAR_FILE | mode, path, data));
  const archive = Buffer.concat([...entries, entry(0, 0, "TRAILER!!!", new Uint8Array(0))]);
  // An archive starts at a multiple of four bytes.
  return Buffer.concat([base, Buffer.alloc(padded(base.length) - base.length), gzipSync(archive)]);
}

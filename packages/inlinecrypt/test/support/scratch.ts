import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for one test, gone when it ends. */
export class Scratch implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "inlinecrypt-test-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array, mode = 0o600): string {
    writeFileSync(this.path(name), content, { mode });
    return this.path(name);
  }

  /** A random AES-256-XTS key. */
  keyFile(name = "disk.key"): { path: string; key: Buffer } {
    const key = randomBytes(64);
    return { path: this.write(name, key), key };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const command = fileURLToPath(new URL("../../../../packages/inlinecrypt/bin/inlinecrypt.js", import.meta.url));

/** A folder for one test, gone when it ends. */
export class Scratch implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "inlinecrypt-test-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A random AES-256-XTS key file. */
  keyFile(name = "disk.key"): { path: string; key: Buffer } {
    const key = randomBytes(64);
    writeFileSync(this.path(name), key);
    chmodSync(this.path(name), 0o600);
    return { path: this.path(name), key };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A running `inlinecrypt serve`. */
export class Serve implements AsyncDisposable {
  readonly uri: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;

  private constructor(child: ChildProcess, uri: string, ended: Promise<number | string>) {
    this.#child = child;
    this.uri = uri;
    this.#ended = ended;
  }

  /** Starts it and waits for the line that says it listens. */
  static start(...args: string[]): Promise<Serve> {
    const child = spawn(process.execPath, [command, "serve", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | string>((resolve) =>
      child.on("close", (code, signal) => resolve(signal ?? code!)),
    );
    return new Promise((resolve, reject) => {
      let output = "";
      let errors = "";
      child.stderr!.on("data", (chunk) => {
        errors += chunk;
      });
      child.stdout!.on("data", (chunk) => {
        output += chunk;
        const ready = /^listening (\S+)\n/.exec(output);
        if (ready) resolve(new Serve(child, ready[1]!, ended));
      });
      ended.then((code) => reject(new Error(`serve ended with ${code} before it listened:\n${output}${errors}`)));
    });
  }

  /** Sends a signal and resolves with the exit code, or the signal's name when that ended it. */
  stop(signal: NodeJS.Signals): Promise<number | string> {
    this.#child.kill(signal);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

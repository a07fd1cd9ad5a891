import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { explainSystemError } from "../failure.js";

/**
 * A temporary folder that only this user can enter, with the key and the disk of a demo. It is made and removed without
 * waiting, so that a signal finds it either known or gone.
 */
export class DemoFolder implements Disposable {
  readonly path: string = makeFolder();

  /** Removes it with all that is in it. */
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "inlinecrypt-demo-"));
  } catch (error) {
    throw explainSystemError(`cannot make a folder in ${tmpdir()}`, error);
  }
}

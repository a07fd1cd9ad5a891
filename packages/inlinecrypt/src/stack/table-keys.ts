import { cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import { readKeyFile } from "../key-file.js";
import { KEY_DEFAULTS, type StackDefinition } from "./stack-definition.js";

/** How a table names a key of the kernel's keyring. */
const KEYRING_KEY = /:\d+:logon:(\S+)/g;

/** The keys of a stack that its device-mapper tables name. */
export function namesOfTableKeys({ devices, keys = {} }: StackDefinition): Set<string> {
  const lines = Object.values(devices).flatMap((device) => (device.driver === "dm" ? device.table : []));
  const names = lines.flatMap((line) => [...line.matchAll(KEYRING_KEY)].map((match) => match[1]!));
  return new Set(names.filter((name) => Object.hasOwn(keys, name)));
}

/**
 * The stack's keys as the keyring that tables refer to: read when the stack is built, wiped when that is done, because
 * targets take copies.
 */
export class TableKeys implements Disposable {
  readonly #payloads = new Map<string, Uint8Array>();

  /** @throws RequestError for a key file without the key. */
  static async read(definition: StackDefinition): Promise<TableKeys> {
    const tableKeys = new TableKeys();
    try {
      for (const name of namesOfTableKeys(definition)) {
        const { file, mode = KEY_DEFAULTS.mode } = definition.keys![name]!;
        tableKeys.#payloads.set(name, (await readKeyFile(file, cryptoModeByName(mode))).bytes);
      }
      return tableKeys;
    } catch (error) {
      tableKeys[Symbol.dispose]();
      throw error;
    }
  }

  payload(type: string, description: string): Uint8Array | null {
    return type === "logon" ? (this.#payloads.get(description) ?? null) : null;
  }

  [Symbol.dispose](): void {
    for (const bytes of this.#payloads.values()) bytes.fill(0);
    this.#payloads.clear();
  }
}

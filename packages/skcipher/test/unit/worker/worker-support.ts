import { setTimeout as sleep } from "node:timers/promises";
import { type OffloadSkcipher, type SharedMemory, SkcipherRequest } from "@inlinecrypt/skcipher";

/** Waits until a thread has started: until then ciphers say that they do not offload. Nothing else tells. */
export async function untilReady(cipher: OffloadSkcipher): Promise<void> {
  while (!cipher.offloads(1 << 20)) await sleep(5);
}

export interface Off {
  readonly op: "encryptOff" | "decryptOff";
  readonly memory: SharedMemory;
  readonly bytes?: number;
  readonly dataUnitBytes?: number;
  readonly dun?: number;
}

/** Runs one request to its end; resolves with its error. */
export function off(cipher: OffloadSkcipher, what: Off): Promise<Error | null> {
  return new Promise((resolve) => {
    const request = new SkcipherRequest(resolve);
    request.memory = what.memory;
    request.bytes = what.bytes ?? what.memory.bytes.length;
    request.dataUnitBytes = what.dataUnitBytes ?? 4096;
    request.dun[0] = what.dun ?? 0;
    cipher[what.op](request);
  });
}

import type { BioVec, BvecPosition } from "@inlinecrypt/blk-core";
import { bytesView } from "./bytes-view.js";

/** Copies `bytes` of vectored memory, from a position on, to the start of `memory`. */
export function gather(vecs: readonly BioVec[], at: BvecPosition, memory: Uint8Array, bytes: number): void {
  for (let index = at.vecIndex, from = at.vecDone, done = 0; done < bytes; index++, from = 0) {
    const vec = vecs[index]!;
    const run = Math.min(vec.bytes - from, bytes - done);
    memory.set(bytesView(vec.data, vec.offset + from, run), done);
    done += run;
  }
}

/** Copies `bytes` from the start of `memory` to vectored memory, and moves the position behind them. */
export function scatter(vecs: readonly BioVec[], at: BvecPosition, memory: Uint8Array, bytes: number): void {
  for (let done = 0; done < bytes; ) {
    const vec = vecs[at.vecIndex]!;
    const run = Math.min(vec.bytes - at.vecDone, bytes - done);
    vec.data.set(bytesView(memory, done, run), vec.offset + at.vecDone);
    done += run;
    at.vecDone += run;
    if (at.vecDone === vec.bytes) {
      at.vecIndex++;
      at.vecDone = 0;
    }
  }
  at.bytes -= bytes;
}

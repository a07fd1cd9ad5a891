// AssemblyScript: `npm run build:wasm` compiles this and what it imports into src/node/adiantum-wasm.ts.
// The methods of AdiantumScratch (src/adiantum-scratch.ts) in WebAssembly SIMD; names and layouts are explained there.
import { DATA_AT, HEADER_KEY_AT, HEADERS_AT, MESSAGE_KEY_AT, MIDDLES_AT, TWEAKS_AT } from "./adiantum-memory";
import { addNh } from "./nh";
import { addBlock, hashHigh, hashLow, reduceSum, startPoly1305 } from "./poly1305";
import { addUnitStream, deriveSubkeys } from "./xchacha12";

export { DATA_AT, MIDDLES_AT, SOFT_KEYS_AT, TWEAKS_AT } from "./adiantum-memory";

/** Leaves the hash of a left half in the sum. */
function hashMessage(left: usize, leftBytes: usize): void {
  startPoly1305(MESSAGE_KEY_AT);
  const end = left + leftBytes;
  for (let at = left; at < end; at += 1024) addNh(at, min<usize>(1024, end - at));
  reduceSum();
}

/** Leaves the hash of a left half's length, in bits, and of a tweak in the sum. */
function hashHeader(tweak: usize, leftBytes: usize): void {
  startPoly1305(HEADER_KEY_AT);
  addBlock(8 * leftBytes, 0);
  addBlock(load<u64>(tweak), load<u64>(tweak + 8));
  addBlock(load<u64>(tweak + 16), load<u64>(tweak + 24));
  reduceSum();
}

/** Makes the 16 bytes at `target` those at `source` plus a number, modulo 2^128. */
function storeSum128(target: usize, source: usize, low: u64, high: u64): void {
  const sumLow = load<u64>(source) + low;
  store<u64>(target, sumLow);
  store<u64>(target + 8, load<u64>(source + 8) + high + u64(sumLow < low));
}

export function hashToMiddles(dataUnits: u32, dataUnitBytes: u32): void {
  const leftBytes: usize = dataUnitBytes - 16;
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    const left = DATA_AT + unit * dataUnitBytes;
    const header = HEADERS_AT + 16 * unit;
    const middle = MIDDLES_AT + 16 * unit;
    hashHeader(TWEAKS_AT + 32 * unit, leftBytes);
    store<u64>(header, hashLow());
    store<u64>(header + 8, hashHigh());
    hashMessage(left, leftBytes);
    // The header's hash becomes that of both.
    storeSum128(middle, left + leftBytes, hashLow(), hashHigh());
    storeSum128(middle, middle, load<u64>(header), load<u64>(header + 8));
  }
}

export function hashFromMiddles(dataUnits: u32, dataUnitBytes: u32): void {
  const leftBytes: usize = dataUnitBytes - 16;
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    const left = DATA_AT + unit * dataUnitBytes;
    const header = HEADERS_AT + 16 * unit;
    const middle = MIDDLES_AT + 16 * unit;
    hashMessage(left, leftBytes);
    storeSum128(header, header, hashLow(), hashHigh());
    const low = load<u64>(middle);
    const subtrahend = load<u64>(header);
    store<u64>(left + leftBytes, low - subtrahend);
    store<u64>(left + leftBytes + 8, load<u64>(middle + 8) - load<u64>(header + 8) - u64(low < subtrahend));
  }
}

export function addStream(dataUnits: u32, dataUnitBytes: u32): void {
  for (let unit: usize = 0; unit < dataUnits; unit++) {
    // The fifth word of the nonce is 1, the sixth 0.
    if (unit % 4 === 0) deriveSubkeys(MIDDLES_AT + 16 * unit);
    addUnitStream(DATA_AT + unit * dataUnitBytes, dataUnitBytes, unit % 4);
  }
}

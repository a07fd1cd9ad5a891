// AssemblyScript: `npm run build:wasm` compiles this into src/node/xts-mask-wasm.ts.

/**
 * The tweak times alpha: both 64-bit halves move up one bit; the bit that leaves the low half enters the high one, and the bit
 * that leaves the high half comes back in the low one as 0x87.
 */
function timesAlpha(tweak: v128): v128 {
  const signs = i32x4.shr_s(tweak, 31);
  // Words 0 and 2 of the result get the top bits of words 3 and 1.
  const leaving = v128.shuffle<i32>(signs, signs, 3, 3, 1, 1);
  return v128.xor(i64x2.shl(tweak, 1), v128.and(leaving, i32x4(0x87, 0, 1, 0)));
}

/** Adds to block i of each data unit that data unit's tweak times alpha^i. `data` and `tweaks` are addresses. */
export function mask(data: usize, tweaks: usize, dataUnits: u32, blocksPerDataUnit: u32): void {
  for (let unit: u32 = 0; unit < dataUnits; unit++) {
    let tweak = v128.load(tweaks);
    tweaks += 16;
    for (let block: u32 = 0; block < blocksPerDataUnit; block++) {
      v128.store(data, v128.xor(v128.load(data), tweak));
      data += 16;
      tweak = timesAlpha(tweak);
    }
  }
}

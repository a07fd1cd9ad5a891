import { DUN_LIMBS, MAX_DATA_UNIT_BYTES, MIN_DATA_UNIT_BYTES } from "./skcipher.js";
import { SkcipherError } from "./skcipher-error.js";

function isDataUnitSize(bytes: number): boolean {
  const inRange = Number.isInteger(bytes) && bytes >= MIN_DATA_UNIT_BYTES && bytes <= MAX_DATA_UNIT_BYTES;
  return inRange && (bytes & (bytes - 1)) === 0;
}

/** Whether views of one length share some bytes but not all. */
function overlapPartly(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset !== b.byteOffset && Math.abs(a.byteOffset - b.byteOffset) < a.length;
}

/**
 * Checks the arguments of `encrypt` and `decrypt`; `op` is which of the two.
 *
 * @throws SkcipherError `EINVAL`, with what was expected
 */
export function checkRequest(
  op: string,
  src: Uint8Array,
  dst: Uint8Array,
  dataUnitBytes: number,
  dun: Uint32Array,
): void {
  if (!(src instanceof Uint8Array && dst instanceof Uint8Array)) {
    throw new SkcipherError("EINVAL", op, "source and destination must be Uint8Arrays");
  }
  if (!isDataUnitSize(dataUnitBytes)) {
    const range = `${MIN_DATA_UNIT_BYTES} to ${MAX_DATA_UNIT_BYTES}`;
    throw new SkcipherError(
      "EINVAL",
      op,
      `the data unit size must be a power of two, ${range}; it is ${dataUnitBytes}`,
    );
  }
  if (src.length !== dst.length) {
    throw new SkcipherError(
      "EINVAL",
      op,
      `source (${src.length} bytes) and destination (${dst.length}) differ in length`,
    );
  }
  if (src.length % dataUnitBytes !== 0) {
    throw new SkcipherError("EINVAL", op, `${src.length} bytes are not a multiple of the data unit, ${dataUnitBytes}`);
  }
  if (overlapPartly(src, dst)) {
    throw new SkcipherError("EINVAL", op, "source and destination must be the same bytes or have none in common");
  }
  if (!(dun instanceof Uint32Array) || dun.length !== DUN_LIMBS) {
    throw new SkcipherError("EINVAL", op, `the DUN must be a Uint32Array of ${DUN_LIMBS} limbs`);
  }
}

// AssemblyScript, part of adiantum.ts: where in the module's memory things are.

const CHUNK_BYTES: usize = 65536;
const CHUNK_DATA_UNITS: usize = 128;
const SOFT_KEYS_BYTES: usize = 1136;

/** As `AdiantumScratch` names them. */
export const DATA_AT: usize = 0;
export const TWEAKS_AT: usize = DATA_AT + CHUNK_BYTES;
export const MIDDLES_AT: usize = TWEAKS_AT + 32 * CHUNK_DATA_UNITS;
export const SOFT_KEYS_AT: usize = MIDDLES_AT + 16 * CHUNK_DATA_UNITS;

/** Keys of Poly1305 over header and message, and of NH, behind that of the stream cipher. */
export const HEADER_KEY_AT: usize = SOFT_KEYS_AT + 32;
export const MESSAGE_KEY_AT: usize = HEADER_KEY_AT + 16;
export const NH_KEY_AT: usize = MESSAGE_KEY_AT + 16;

/** For each data unit the hash of its header. */
export const HEADERS_AT: usize = SOFT_KEYS_AT + SOFT_KEYS_BYTES;

/** Sum and key of Poly1305: five limbs each. */
export const SUM_AT: usize = HEADERS_AT + 16 * CHUNK_DATA_UNITS;
export const CLAMPED_KEY_AT: usize = SUM_AT + 40;

/** Four ChaCha states and what twelve rounds make of them: 16 vectors each. */
export const STATES_AT: usize = SUM_AT + 128;
export const PERMUTED_AT: usize = STATES_AT + 256;

/** Subkeys of four data units: 8 vectors. */
export const SUBKEYS_AT: usize = PERMUTED_AT + 256;

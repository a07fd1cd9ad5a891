import { MAX_DATA_UNIT_BYTES, MIN_DATA_UNIT_BYTES } from "./skcipher.js";

/** How many bytes a cipher works on at a time: one data unit of the largest size, or as many smaller ones as fill it. */
export const CHUNK_BYTES: number = MAX_DATA_UNIT_BYTES;

/** The most data units a chunk has. */
export const CHUNK_DATA_UNITS: number = CHUNK_BYTES / MIN_DATA_UNIT_BYTES;

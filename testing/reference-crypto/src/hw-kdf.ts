import { aesCmac } from "./aes-cmac.js";

const ascii = (text: string): number[] => [...Buffer.from(text, "latin1")];
const zeros = (count: number): number[] => new Array<number>(count).fill(0);

function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/**
 * The key derivation of SP 800-108 in counter mode with AES-CMAC: blocks of PRF(counter || label || 0 || context || output
 * bits), counter and length in 32 bits, big-endian, the counter from 1.
 */
export function counterKdf(
  rootKey: Uint8Array,
  label: Uint8Array,
  context: Uint8Array,
  outputBytes: number,
): Uint8Array {
  const blocks: number[] = [];
  for (let counter = 1; blocks.length < outputBytes; counter++) {
    const input = [...u32be(counter), ...label, 0, ...context, ...u32be(8 * outputBytes)];
    blocks.push(...aesCmac(rootKey, new Uint8Array(input)));
  }
  return new Uint8Array(blocks.slice(0, outputBytes));
}

const LABEL = new Uint8Array([0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20]);
const INLINE_KEY_CONTEXT = [...ascii("inline encryption key"), ...zeros(6), 0x02, 0x43, 0x00, 0x82, 0x50, ...zeros(4)];
const SW_SECRET_CONTEXT = [...ascii("raw secret"), ...zeros(9), 0x02, 0x17, 0x00, 0x80, 0x50, ...zeros(4)];

/** What the known hardware derives from the 32 bytes that a hardware-wrapped key wraps. */
export const hwKdf = {
  /** The 64 bytes that encrypt the data. */
  inlineEncryptionKey: (rootKey: Uint8Array): Uint8Array =>
    counterKdf(rootKey, LABEL, new Uint8Array(INLINE_KEY_CONTEXT), 64),
  /** The 32 bytes that software gets. */
  swSecret: (rootKey: Uint8Array): Uint8Array => counterKdf(rootKey, LABEL, new Uint8Array(SW_SECRET_CONTEXT), 32),
} as const;

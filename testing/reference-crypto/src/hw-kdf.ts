import { aesCmac } from "./aes-cmac.js";

const ascii = (text: string): number[] => [...Buffer.from(text, "latin1")];
const zeros = (count: number): number[] => new Array<number>(count).fill(0);

function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/**
 * The counter mode of SP 800-108 section 4.1 with AES-CMAC: the MACs of counter || fixed input, the counter 32 bits wide,
 * big-endian and from 1.
 */
export function counterMode(rootKey: Uint8Array, fixedInput: Uint8Array, outputBytes: number): Uint8Array {
  const output: number[] = [];
  for (let counter = 1; output.length < outputBytes; counter++) {
    output.push(...aesCmac(rootKey, new Uint8Array([...u32be(counter), ...fixedInput])));
  }
  return new Uint8Array(output.slice(0, outputBytes));
}

/** Counter mode with the usual fixed input: label || 0 || context || output bits, the last in 32 bits, big-endian. */
function deriveKey(rootKey: Uint8Array, context: readonly number[], outputBytes: number): Uint8Array {
  return counterMode(rootKey, new Uint8Array([...LABEL, 0, ...context, ...u32be(8 * outputBytes)]), outputBytes);
}

const LABEL = [0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20];
const INLINE_KEY_CONTEXT = [...ascii("inline encryption key"), ...zeros(6), 0x02, 0x43, 0x00, 0x82, 0x50, ...zeros(4)];
const SW_SECRET_CONTEXT = [...ascii("raw secret"), ...zeros(9), 0x02, 0x17, 0x00, 0x80, 0x50, ...zeros(4)];

/** What the known hardware derives from the 32 bytes that a hardware-wrapped key wraps. */
export const hwKdf = {
  /** The 64 bytes that encrypt the data. */
  inlineEncryptionKey: (rootKey: Uint8Array): Uint8Array => deriveKey(rootKey, INLINE_KEY_CONTEXT, 64),
  /** The 32 bytes that software gets. */
  swSecret: (rootKey: Uint8Array): Uint8Array => deriveKey(rootKey, SW_SECRET_CONTEXT, 32),
} as const;

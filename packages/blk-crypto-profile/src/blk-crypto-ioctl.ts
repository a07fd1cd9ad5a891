import { BlkError, type BlockDevice } from "@inlinecrypt/blk-core";
import { MAX_HW_WRAPPED_KEY_BYTES } from "./blk-crypto-key.js";
import { blkCryptoProfileOf } from "./blk-crypto-profile.js";
import { IoctlCall, type UserMemory } from "./ioctl-call.js";
import type { WrappedKeys } from "./wrapped-keys.js";

/** The ioctls of block devices for hardware-wrapped keys. @kernel include/uapi/linux/blk-crypto.h */
export const BlkCryptoIoctl = {
  /** u64 raw_key_ptr, raw_key_size, lt_key_ptr, lt_key_size, reserved[4] */
  BLKCRYPTOIMPORTKEY: 0xc0401289,
  /** u64 lt_key_ptr, lt_key_size, reserved[4] */
  BLKCRYPTOGENERATEKEY: 0xc030128a,
  /** u64 lt_key_ptr, lt_key_size, eph_key_ptr, eph_key_size, reserved[4] */
  BLKCRYPTOPREPAREKEY: 0xc040128b,
} as const;

interface Command {
  op: keyof typeof BlkCryptoIoctl;
  argWords: number;
  run(call: IoctlCall, wrappedKeys: WrappedKeys): Promise<void>;
}

const commands: ReadonlyMap<number, Command> = new Map<number, Command>([
  [BlkCryptoIoctl.BLKCRYPTOIMPORTKEY, { op: "BLKCRYPTOIMPORTKEY", argWords: 8, run: importKey }],
  [BlkCryptoIoctl.BLKCRYPTOGENERATEKEY, { op: "BLKCRYPTOGENERATEKEY", argWords: 6, run: generateKey }],
  [BlkCryptoIoctl.BLKCRYPTOPREPAREKEY, { op: "BLKCRYPTOPREPAREKEY", argWords: 8, run: prepareKey }],
]);

const MIN_RAW_KEY_BYTES = 16n;
const MAX_RAW_KEY_BYTES = 64n;

/**
 * An ioctl on a block device, with the kernel's numbers and structures; `argAddress` and the addresses in the argument
 * are the caller's, reached through `memory`. Resolves to 0. Whatever happens, no key is left in a buffer of its own.
 *
 * @throws BlkError, checked in this order: EOPNOTSUPP when the device does not encrypt, ENOTTY for an unknown `cmd`,
 * EFAULT for memory that cannot be read or written, EINVAL for reserved words and key sizes, EOPNOTSUPP when the device
 * takes no wrapped keys, what its driver says (EBADMSG for a bad blob), EOVERFLOW for too small a buffer, which is then
 * left alone.
 * @kernel block/blk-crypto.c: blk_crypto_ioctl
 */
export async function blkCryptoIoctl(
  bdev: BlockDevice,
  cmd: number,
  argAddress: bigint,
  memory: UserMemory,
): Promise<0> {
  const profile = blkCryptoProfileOf(bdev.queue);
  if (profile === null) throw new BlkError("EOPNOTSUPP", "blk_crypto_ioctl", `${bdev.name} does not encrypt`);
  const command = commands.get(cmd);
  if (command === undefined) throw new BlkError("ENOTTY", "blk_crypto_ioctl", `unknown ioctl 0x${cmd.toString(16)}`);
  const call = await IoctlCall.read(command.op, memory, argAddress, command.argWords);
  try {
    await command.run(call, profile.wrappedKeys);
  } finally {
    call[Symbol.dispose]();
  }
  return 0;
}

/** @kernel block/blk-crypto.c: blk_crypto_ioctl_import_key */
async function importKey(call: IoctlCall, wrappedKeys: WrappedKeys): Promise<void> {
  const rawKeyBytes = call.word(1);
  if (rawKeyBytes < MIN_RAW_KEY_BYTES || rawKeyBytes > MAX_RAW_KEY_BYTES) {
    call.refuse(`raw_key_size is ${rawKeyBytes}, expected ${MIN_RAW_KEY_BYTES} to ${MAX_RAW_KEY_BYTES}`);
  }
  const rawKey = await call.readKey(0, Number(rawKeyBytes));
  const ltKey = call.buffer(MAX_HW_WRAPPED_KEY_BYTES);
  const blobBytes = await wrappedKeys.importKey(rawKey, ltKey);
  await call.writeBlob(2, ltKey.subarray(0, blobBytes));
}

/** @kernel block/blk-crypto.c: blk_crypto_ioctl_generate_key */
async function generateKey(call: IoctlCall, wrappedKeys: WrappedKeys): Promise<void> {
  const ltKey = call.buffer(MAX_HW_WRAPPED_KEY_BYTES);
  const blobBytes = await wrappedKeys.generateKey(ltKey);
  await call.writeBlob(0, ltKey.subarray(0, blobBytes));
}

/** @kernel block/blk-crypto.c: blk_crypto_ioctl_prepare_key */
async function prepareKey(call: IoctlCall, wrappedKeys: WrappedKeys): Promise<void> {
  const ltKeyBytes = call.word(1);
  if (ltKeyBytes > BigInt(MAX_HW_WRAPPED_KEY_BYTES)) {
    call.refuse(`lt_key_size is ${ltKeyBytes}, expected at most ${MAX_HW_WRAPPED_KEY_BYTES}`);
  }
  const ltKey = await call.readKey(0, Number(ltKeyBytes));
  const ephKey = call.buffer(MAX_HW_WRAPPED_KEY_BYTES);
  const blobBytes = await wrappedKeys.prepareKey(ltKey, ephKey);
  await call.writeBlob(2, ephKey.subarray(0, blobBytes));
}

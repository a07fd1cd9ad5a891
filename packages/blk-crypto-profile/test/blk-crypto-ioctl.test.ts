import { BlkError, BlkMqQueue, type BlockDevice, BlockLayer, GenDisk } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoIoctl, BlkCryptoProfile, blkCryptoIoctl, type UserMemory } from "@inlinecrypt/blk-crypto-profile";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { hwKdf } from "@inlinecrypt/reference-crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { RecordingWrappedKeys } from "./support.ts";

const { BLKCRYPTOIMPORTKEY, BLKCRYPTOGENERATEKEY, BLKCRYPTOPREPAREKEY } = BlkCryptoIoctl;
const ARG = 0x1000n;
const RAW_KEY = 0x2000n;
const LT_KEY = 0x3000n;
const EPH_KEY = 0x4000n;
const BLOB_BYTES = 60;

/** A process with 64 KiB of memory, from which some addresses can be taken away. */
class FakeProcess implements UserMemory {
  readonly bytes: Uint8Array = new Uint8Array(1 << 16).fill(0x55);
  readonly unreadable = new Set<bigint>();
  readonly unwritable = new Set<bigint>();
  reads = 0;

  async read(address: bigint, into: Uint8Array): Promise<void> {
    this.reads++;
    if (this.unreadable.has(address)) throw new Error("segmentation fault");
    into.set(this.at(address, into.length));
  }

  write(address: bigint, from: Uint8Array): void {
    if (this.unwritable.has(address)) throw new BlkError("EFAULT", "test", "read-only");
    this.bytes.set(from, Number(address));
  }

  at(address: bigint, bytes: number): Uint8Array {
    return this.bytes.subarray(Number(address), Number(address) + bytes);
  }

  setArg(...words: bigint[]): void {
    for (const [index, word] of words.entries())
      new DataView(this.bytes.buffer).setBigUint64(0x1000 + 8 * index, word, true);
  }

  word(index: number): bigint {
    return new DataView(this.bytes.buffer).getBigUint64(0x1000 + 8 * index, true);
  }
}

function diskWith(profile: ((layer: BlockLayer) => BlkCryptoProfile) | null): BlockDevice {
  const layer = new BlockLayer({ executor: new SimExecutor() });
  const queue = new BlkMqQueue(layer, { ops: { queueRq: () => 0 } });
  if (profile !== null) queue.registerCryptoProfile(profile(layer));
  return new GenDisk({ name: "test0", queue, sectorCount: 8 }).part0;
}

const newProfile = (llOps: object, keyTypesSupported: readonly ("raw" | "hw-wrapped")[] = ["hw-wrapped"]) => {
  const options = { slotCount: 0, modesSupported: {}, maxDunBytesSupported: 8, keyTypesSupported, llOps };
  return (layer: BlockLayer): BlkCryptoProfile => new BlkCryptoProfile(layer, options);
};

const withCode = (code: string): unknown => expect.objectContaining({ code });

let emulated: EmulatedWrappedKeys;
let driver: RecordingWrappedKeys;
let bdev: BlockDevice;
let user: FakeProcess;

beforeEach(() => {
  emulated = new EmulatedWrappedKeys();
  driver = new RecordingWrappedKeys(emulated.llOps);
  bdev = diskWith(newProfile(driver));
  user = new FakeProcess();
  user.bytes.set(
    new Uint8Array(32).map((_, index) => index),
    Number(RAW_KEY),
  );
});

const ioctl = (cmd: number): Promise<0> => blkCryptoIoctl(bdev, cmd, ARG, user);
const importKey = (rawKeyBytes = 32n, room = 128n): Promise<0> => {
  user.setArg(RAW_KEY, rawKeyBytes, LT_KEY, room, 0n, 0n, 0n, 0n);
  return ioctl(BLKCRYPTOIMPORTKEY);
};
const generateKey = (room = 128n): Promise<0> => {
  user.setArg(LT_KEY, room, 0n, 0n, 0n, 0n);
  return ioctl(BLKCRYPTOGENERATEKEY);
};
const prepareKey = (ltKeyBytes = BigInt(BLOB_BYTES), room = 128n): Promise<0> => {
  user.setArg(LT_KEY, ltKeyBytes, EPH_KEY, room, 0n, 0n, 0n, 0n);
  return ioctl(BLKCRYPTOPREPAREKEY);
};

/** Buffers the driver was lent hold nothing any more. */
const expectWiped = (): void => {
  expect(driver.lent.length).toBeGreaterThan(0);
  for (const buffer of driver.lent) expect(buffer).toEqual(new Uint8Array(buffer.length));
};

describe("ioctls for wrapped keys", () => {
  it("[SYS-3] have the kernel's numbers", () => {
    // _IOWR(0x12, nr, size), include/uapi/asm-generic/ioctl.h
    const iowr = (nr: number, argBytes: number): number => ((3 << 30) | (argBytes << 16) | (0x12 << 8) | nr) >>> 0;
    expect(Object.values(BlkCryptoIoctl)).toEqual([iowr(137, 64), iowr(138, 48), iowr(139, 64)]);
  });

  it("[SYS-6] import, then prepare: blobs and their lengths are written, the rest of the argument is kept", async () => {
    expect(await importKey()).toBe(0);
    expect([0, 1, 2, 3].map((index) => user.word(index))).toEqual([RAW_KEY, 32n, LT_KEY, BigInt(BLOB_BYTES)]);
    expect(await prepareKey()).toBe(0);
    expect(user.word(3)).toBe(BigInt(BLOB_BYTES));
    const inlineKey = emulated.unwrapInlineKey(user.at(EPH_KEY, BLOB_BYTES));
    expect(inlineKey).toEqual(hwKdf.inlineEncryptionKey(user.at(RAW_KEY, 32)));
    expect(user.at(EPH_KEY + BigInt(BLOB_BYTES), 64)).toEqual(new Uint8Array(64).fill(0x55));
  });

  it("[SYS-6] [SYS-9] generate makes a different key each time", async () => {
    const inlineKeys: Uint8Array[] = [];
    for (let count = 0; count < 2; count++) {
      expect(await generateKey()).toBe(0);
      expect(user.word(1)).toBe(BigInt(BLOB_BYTES));
      await prepareKey();
      inlineKeys.push(emulated.unwrapInlineKey(user.at(EPH_KEY, BLOB_BYTES)));
    }
    expect(inlineKeys[0]).not.toEqual(inlineKeys[1]);
  });

  it("[SYS-6] [SYS-8] exactly enough room will do; too little fails and leaves buffer and size untouched", async () => {
    await importKey(32n, BigInt(BLOB_BYTES));
    await prepareKey(BigInt(BLOB_BYTES), BigInt(BLOB_BYTES));
    user.bytes.fill(0x66, Number(EPH_KEY), Number(EPH_KEY) + 256);
    const calls = [() => importKey(32n, 59n), () => generateKey(0n), () => prepareKey(60n, 59n)];
    const ltKey = user.at(LT_KEY, 256).slice();
    for (const call of calls) {
      await expect(call()).rejects.toThrow(withCode("EOVERFLOW"));
      expectWiped();
    }
    expect([user.word(1), user.word(3)]).toEqual([60n, 59n]);
    expect(user.at(LT_KEY, 256)).toEqual(ltKey);
    expect(user.at(EPH_KEY, 256)).toEqual(new Uint8Array(256).fill(0x66));
  });

  it("[SYS-3] fail without a profile before anything is read", async () => {
    bdev = diskWith(null);
    for (const cmd of [...Object.values(BlkCryptoIoctl), 0x1234]) {
      await expect(ioctl(cmd)).rejects.toThrow(withCode("EOPNOTSUPP"));
    }
    expect(user.reads).toBe(0);
  });

  it("[SYS-3] unknown commands fail, the two held for later use too, before anything is read", async () => {
    for (const cmd of [0, 0xc040128c, 0xc040128d, BLKCRYPTOIMPORTKEY - 2 ** 32]) {
      await expect(ioctl(cmd)).rejects.toThrow(withCode("ENOTTY"));
    }
    expect(user.reads).toBe(0);
  });

  it("[SYS-4] fail for any reserved word that is not zero", async () => {
    for (const [cmd, words] of [
      [BLKCRYPTOIMPORTKEY, 8],
      [BLKCRYPTOGENERATEKEY, 6],
      [BLKCRYPTOPREPAREKEY, 8],
    ] as const) {
      for (let reserved = words - 4; reserved < words; reserved++) {
        const arg = [RAW_KEY, 32n, LT_KEY, 128n, 0n, 0n, 0n, 0n].slice(0, words).fill(0n, words - 4);
        user.setArg(...arg.with(reserved, 1n << 63n));
        await expect(ioctl(cmd), `${cmd} ${reserved}`).rejects.toThrow(withCode("EINVAL"));
      }
    }
    expect(driver.lent).toEqual([]);
  });

  it("[SYS-4] fail for raw keys below 16 and above 64 bytes, and long-term keys above 128", async () => {
    for (const rawKeyBytes of [0n, 15n, 65n, 1n << 63n]) {
      await expect(importKey(rawKeyBytes)).rejects.toThrow(/raw_key_size/);
    }
    for (const ltKeyBytes of [129n, (1n << 64n) - 1n]) {
      await expect(prepareKey(ltKeyBytes)).rejects.toThrow(withCode("EINVAL"));
    }
    expect([driver.lent, user.reads]).toEqual([[], 6]);
    driver.replaceImport = (rawKey) => rawKey.length;
    for (const rawKeyBytes of [16n, 64n]) {
      await importKey(rawKeyBytes);
      expect(user.word(3)).toBe(rawKeyBytes);
    }
    await expect(prepareKey(128n)).rejects.toThrow(withCode("EBADMSG"));
  });

  it.each([
    ["the argument of import", ARG, importKey],
    ["the argument of generate", ARG, generateKey],
    ["the argument of prepare", ARG, prepareKey],
    ["the raw key", RAW_KEY, importKey],
    ["the long-term key", LT_KEY, prepareKey],
  ])("[SYS-5] fail when %s cannot be read", async (_what, address, call) => {
    user.unreadable.add(address);
    await expect(call()).rejects.toThrow(withCode("EFAULT"));
    expect(driver.lent).toEqual([]);
  });

  it.each([
    ["the blob of import", LT_KEY, importKey],
    ["the argument of import", ARG, importKey],
    ["the blob of generate", LT_KEY, generateKey],
    ["the argument of generate", ARG, generateKey],
    ["the blob of prepare", EPH_KEY, () => importKey().then(() => prepareKey())],
  ])("[SYS-5] [SYS-8] fail when %s cannot be written", async (_what, address, call) => {
    user.unwritable.add(address);
    await expect(call()).rejects.toThrow(withCode("EFAULT"));
    expectWiped();
  });

  it("[SYS-7] [SYS-8] preparing an invalid long-term blob fails distinctly", async () => {
    await importKey();
    user.bytes[Number(LT_KEY) + 30]! ^= 1;
    await expect(prepareKey()).rejects.toThrow(withCode("EBADMSG"));
    expectWiped();
  });

  it("[SYS-8] wipe all key buffers after success", async () => {
    await importKey();
    await generateKey();
    await prepareKey();
    expect(driver.lent.map((buffer) => buffer.length)).toEqual([32, 128, 128, BLOB_BYTES, 128]);
    expectWiped();
  });

  it("[SYS-8] and a key of which only a part could be read", async () => {
    let partly = new Uint8Array();
    const read = user.read.bind(user);
    user.read = async (address, into) => {
      await read(address, into);
      if (address !== RAW_KEY) return;
      partly = into as Uint8Array<ArrayBuffer>;
      throw new Error("the second half is on a page that is not there");
    };
    await expect(importKey()).rejects.toThrow(withCode("EFAULT"));
    expect(partly).toEqual(new Uint8Array(32));
  });

  it("[PROF-33] fail where the device takes no wrapped keys, or the driver has no such op", async () => {
    for (const profile of [newProfile(driver, ["raw"]), newProfile({})]) {
      bdev = diskWith(profile);
      for (const call of [importKey, generateKey, prepareKey]) {
        await expect(call()).rejects.toThrow(withCode("EOPNOTSUPP"));
      }
    }
    expect(driver.lent).toEqual([]);
  });
});

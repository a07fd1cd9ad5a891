import {
  BlkBug,
  BlkError,
  BlkMqQueue,
  BlkStatus,
  type BlockDevice,
  GenDisk,
  newDun,
  ReqOp,
} from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  type BlkCryptoProfile,
  blkCryptoDeriveSwSecret,
  blkCryptoProfileOf,
  blkCryptoStartUsingKey,
  type WrappedKeyOps,
} from "@inlinecrypt/blk-crypto-profile";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { hwKdf, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import { FakeHardware, makeQueue, makeRig, RecordingWrappedKeys, type Rig } from "./support.ts";

const ROOT_KEY = new Uint8Array(32).map((_, index) => index * 3);
const calls: Record<keyof WrappedKeyOps, (profile: BlkCryptoProfile) => Promise<unknown>> = {
  importKey: (profile) => profile.wrappedKeys.importKey(ROOT_KEY, new Uint8Array(128)),
  generateKey: (profile) => profile.wrappedKeys.generateKey(new Uint8Array(128)),
  prepareKey: (profile) => profile.wrappedKeys.prepareKey(new Uint8Array(60), new Uint8Array(128)),
  deriveSwSecret: (profile) => profile.wrappedKeys.deriveSwSecret(new Uint8Array(60), new Uint8Array(32)),
};
const names = Object.keys(calls) as (keyof WrappedKeyOps)[];
const unsupported = expect.objectContaining({ code: "EOPNOTSUPP" });

const rigWith = (llOps: object, keyTypesSupported: readonly ("raw" | "hw-wrapped")[] = ["hw-wrapped"]): Rig =>
  makeRig(new FakeHardware(), { slotCount: 0, llOps, keyTypesSupported });

describe("wrapped-key ops", () => {
  it.each(names)("[PROF-33] [PROF-29] %s needs wrapped keys declared, then the op", async (name) => {
    let called = 0;
    const llOps = { [name]: () => ++called };
    await expect(calls[name](rigWith(llOps, ["raw"]).profile)).rejects.toThrow(unsupported);
    await expect(calls[name](rigWith({}).profile)).rejects.toThrow(unsupported);
    expect(called).toBe(0);
    await calls[name](rigWith(llOps).profile);
    expect(called).toBe(1);
  });

  it("[PROF-33] declared later, as a layered device does, they work from then on", async () => {
    const { profile } = rigWith({ generateKey: () => 60 }, ["raw"]);
    profile.capabilities.update(rigWith({}).profile.capabilities);
    expect(await calls.generateKey(profile)).toBe(60);
  });

  it("[PROF-33] import, generate and prepare return the blob's length", async () => {
    const { profile } = rigWith({ importKey: () => 60, generateKey: async () => 61, prepareKey: () => 128 });
    const lengths = [calls.importKey(profile), calls.generateKey(profile), calls.prepareKey(profile)];
    expect(await Promise.all(lengths)).toEqual([60, 61, 128]);
  });

  it("[PROF-33] a blob of an impossible length is the driver's bug", async () => {
    for (const blobBytes of [0, -74, 129, 1.5]) {
      await expect(calls.generateKey(rigWith({ generateKey: () => blobBytes }).profile)).rejects.toThrow(BlkBug);
    }
  });

  it("[PROF-33] refuse a buffer that some blob does not fit: it would be cut off", async () => {
    let called = 0;
    const op = (): number => ++called;
    const { wrappedKeys } = rigWith({ importKey: op, generateKey: op, prepareKey: op }).profile;
    const [blob, short] = [new Uint8Array(60), new Uint8Array(127)];
    const inShort = [
      wrappedKeys.importKey(ROOT_KEY, short),
      wrappedKeys.generateKey(short),
      wrappedKeys.prepareKey(blob, short),
    ];
    const refused = { code: "EINVAL", message: expect.stringContaining("has 128 bytes or more, not 127") };
    for (const call of inShort) await expect(call).rejects.toMatchObject(refused);
    expect(called).toBe(0);
  });

  it("[PROF-33] [PROF-28] run one at a time", async () => {
    const running: (() => void)[] = [];
    const log: string[] = [];
    const op = (name: string) => async (): Promise<number> => {
      log.push(name);
      await new Promise<void>((resolve) => running.push(resolve));
      return 60;
    };
    const { profile, settle } = rigWith({ importKey: op("import"), prepareKey: op("prepare") });
    const both = [calls.importKey(profile), calls.prepareKey(profile)];
    await settle();
    expect(log).toEqual(["import"]);
    running[0]!();
    await settle();
    expect(log).toEqual(["import", "prepare"]);
    running[1]!();
    await Promise.all(both);
  });

  it("[PROF-33] pass the driver's error on and free the hardware", async () => {
    let fails = true;
    const { profile } = rigWith({
      generateKey() {
        if (fails) throw new BlkError("EBUSY", "test", "not now");
        return 60;
      },
    });
    await expect(calls.generateKey(profile)).rejects.toThrow(expect.objectContaining({ code: "EBUSY" }));
    fails = false;
    expect(await calls.generateKey(profile)).toBe(60);
  });
});

describe("blkCryptoDeriveSwSecret", () => {
  const emulated = new EmulatedWrappedKeys();
  const ephKey = (): Uint8Array => {
    const [ltKey, prepared] = [new Uint8Array(128), new Uint8Array(128)];
    const ltKeyBytes = emulated.llOps.importKey(ROOT_KEY, ltKey) as number;
    return prepared.slice(0, emulated.llOps.prepareKey(ltKey.subarray(0, ltKeyBytes), prepared) as number);
  };
  const bdevWith = (rig: Rig): BlockDevice => makeQueue(rig).disk.part0;

  it("[API-18] yields the 32 bytes of the KDF", async () => {
    const secret = await blkCryptoDeriveSwSecret(bdevWith(rigWith(emulated.llOps)), ephKey());
    expect(secret).toEqual(hwKdf.swSecret(ROOT_KEY));
  });

  it("[API-18] fails without a profile, without wrapped keys, and without the op", async () => {
    const { layer } = rigWith({});
    const queue = new BlkMqQueue(layer, { ops: { queueRq: () => BlkStatus.OK } });
    const plain = new GenDisk({ name: "plain0", queue, sectorCount: 8 });
    expect(blkCryptoProfileOf(queue)).toBeNull();
    const bdevs = [plain.part0, bdevWith(rigWith(emulated.llOps, ["raw"])), bdevWith(rigWith({}))];
    for (const bdev of bdevs) await expect(blkCryptoDeriveSwSecret(bdev, ephKey())).rejects.toThrow(unsupported);
  });

  it("[API-18] a bad blob fails distinctly, and leaves no secret behind", async () => {
    const driver = new RecordingWrappedKeys({
      ...emulated.llOps,
      deriveSwSecret(blob, swSecret) {
        swSecret.fill(9);
        return emulated.llOps.deriveSwSecret(blob, swSecret);
      },
    });
    await expect(blkCryptoDeriveSwSecret(bdevWith(rigWith(driver)), new Uint8Array(60))).rejects.toThrow(
      expect.objectContaining({ code: "EBADMSG" }),
    );
    expect(driver.lent).toEqual([new Uint8Array(32)]);
  });

  it("a secret has 32 bytes", async () => {
    const { profile } = rigWith(emulated.llOps);
    await expect(profile.wrappedKeys.deriveSwSecret(ephKey(), new Uint8Array(31))).rejects.toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
  });
});

/** A disk whose engine encrypts with the inline keys it derives, and keeps what it wrote. */
class EngineRig {
  readonly emulated: EmulatedWrappedKeys = new EmulatedWrappedKeys();
  readonly rig: Rig;
  readonly bdev: BlockDevice;
  readonly medium: Uint8Array[] = [];
  readonly #inlineKeys = new Map<number, Uint8Array>();
  readonly #requests: ReturnType<typeof makeQueue>["requests"];

  constructor() {
    this.rig = makeRig(new FakeHardware(), {
      keyTypesSupported: ["hw-wrapped"],
      llOps: {
        ...this.emulated.llOps,
        keyslotProgram: (key, slotIndex) =>
          void this.#inlineKeys.set(
            slotIndex,
            key.withBytes((blob) => this.emulated.unwrapInlineKey(blob)),
          ),
        keyslotEvict: (_key, slotIndex) => void this.#inlineKeys.delete(slotIndex),
      },
    });
    const { disk, requests } = makeQueue(this.rig);
    this.bdev = disk.part0;
    this.#requests = requests;
  }

  async prepare(ltKey: Uint8Array): Promise<BlkCryptoKey> {
    const ephKey = new Uint8Array(128);
    const ephKeyBytes = await this.rig.profile.wrappedKeys.prepareKey(ltKey, ephKey);
    const bytes = ephKey.subarray(0, ephKeyBytes);
    return new BlkCryptoKey({ mode: "AES-256-XTS", keyType: "hw-wrapped", bytes, dataUnitBytes: 4096, dunBytes: 8 });
  }

  write(key: BlkCryptoKey, plaintext: Uint8Array, firstDun: number): BlkStatus {
    const bio = this.rig.layer.bioSet.tryAlloc(this.bdev, ReqOp.WRITE)!;
    bio.addBuffer(plaintext);
    const dun = newDun();
    dun[0] = firstDun;
    bio.setCryptCtx(key, dun);
    let status: BlkStatus | null = null;
    bio.onEndIo = () => {
      status = bio.status;
      bio.put();
    };
    this.rig.layer.submitBio(bio);
    const rq = this.#requests.shift();
    if (rq === undefined) return status!;
    const inlineKey = this.#inlineKeys.get(rq.cryptKeyslot!.slotIndex)!;
    this.medium.push(referenceEncrypt("xts(aes)", inlineKey, 4096, BigInt(rq.cryptCtx!.dun[0]!), plaintext));
    rq.complete(BlkStatus.OK);
    return status!;
  }
}

describe("I/O with wrapped keys", () => {
  const plaintext = new Uint8Array(8192).map((_, index) => index);

  it("[SYS-9] import, prepare, init, I/O: the ciphertext of the inline key", async () => {
    const engine = new EngineRig();
    const ltKey = new Uint8Array(128);
    const ltKeyBytes = await engine.rig.profile.wrappedKeys.importKey(ROOT_KEY, ltKey);
    const key = await engine.prepare(ltKey.subarray(0, ltKeyBytes));
    blkCryptoStartUsingKey(engine.bdev, key);
    expect(engine.write(key, plaintext, 7)).toBe(BlkStatus.OK);
    const inlineKey = hwKdf.inlineEncryptionKey(ROOT_KEY);
    expect(engine.medium).toEqual([referenceEncrypt("xts(aes)", inlineKey, 4096, 7n, plaintext)]);
  });

  it("[SYS-10] after a reboot I/O with the old ephemeral blob fails, and with a newly prepared one goes on", async () => {
    const engine = new EngineRig();
    const ltKey = new Uint8Array(128);
    const ltKeyBytes = await engine.rig.profile.wrappedKeys.generateKey(ltKey);
    const blob = ltKey.subarray(0, ltKeyBytes);
    const old = await engine.prepare(blob);
    engine.write(old, plaintext, 0);
    await engine.rig.profile.evictKey(old);
    engine.emulated.reboot();
    expect(engine.write(old, plaintext, 0)).toBe(BlkStatus.IOERR);
    expect(engine.write(await engine.prepare(blob), plaintext, 0)).toBe(BlkStatus.OK);
    expect(engine.medium[1]).toEqual(engine.medium[0]);
  });
});

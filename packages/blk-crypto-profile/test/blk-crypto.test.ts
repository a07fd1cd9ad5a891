import {
  BlkBug,
  BlkError,
  BlkStatus,
  type BlockDevice,
  type CryptoFallback,
  newDun,
  ReqOp,
} from "@inlinecrypt/blk-core";
import {
  type BlkCryptoKey,
  blkCryptoConfigSupported,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeQueue, makeRig, type Rig } from "./support.ts";

const key = makeKey();
const wrapped = makeKey(1, { keyType: "hw-wrapped" });
const other = makeKey(1, { dataUnitBytes: 512 });

/** A fallback that says yes to raw keys and records what it is asked. */
class FakeFallback implements CryptoFallback {
  readonly log: string[] = [];
  hasCipher = true;
  attach(): void {}
  prepBio(): boolean {
    throw new Error("no I/O here");
  }
  supports(config: { keyType: string }): boolean {
    return config.keyType === "raw";
  }
  startUsingKey(): void {
    this.log.push("start");
    if (!this.hasCipher) throw new BlkError("ENOPKG", "test", "no cipher");
  }
  async evictKey(): Promise<void> {
    this.log.push("evict");
  }
}

const setUp = (
  fallback?: CryptoFallback,
  options: Parameters<typeof makeRig>[1] = {},
): { rig: Rig; bdev: BlockDevice; requests: ReturnType<typeof makeQueue>["requests"] } => {
  const rig = makeRig(new FakeHardware(key, wrapped, other), options, fallback);
  const { disk, requests } = makeQueue(rig);
  return { rig, bdev: disk.part0, requests };
};

const submit = (rig: Rig, bdev: BlockDevice, used: BlkCryptoKey, onEnd: (status: BlkStatus) => void): void => {
  const bio = rig.layer.bioSet.tryAlloc(bdev, ReqOp.WRITE)!;
  bio.addBuffer(new Uint8Array(4096));
  bio.setCryptCtx(used, newDun());
  bio.onEndIo = () => {
    const { status } = bio;
    bio.put();
    onEnd(status);
  };
  rig.layer.submitBio(bio);
};

describe("what a device supports", () => {
  const config = { modeNum: 1, dataUnitBytes: 4096, dunBytes: 8, keyType: "raw" } as const;

  it("[API-8] [PROF-4] [PROF-5] [PROF-6] natively: mode, data unit, DUN bytes and key type must all match", () => {
    const { bdev } = setUp(undefined, { modesSupported: { "AES-256-XTS": 512 | 4096, "SM4-XTS": 512 } });
    const supported = (change: object): boolean => blkCryptoConfigSupportedNatively(bdev, { ...config, ...change });
    expect([supported({}), supported({ dataUnitBytes: 512 }), supported({ dunBytes: 1 })]).toEqual([true, true, true]);
    expect(supported({ modeNum: 4, dataUnitBytes: 512 })).toBe(true);
    for (const change of [
      { modeNum: 4 },
      { modeNum: 2 },
      { modeNum: 9 },
      { dataUnitBytes: 1024 },
      { dataUnitBytes: 2 ** 31 },
      { dunBytes: 9 },
      { keyType: "hw-wrapped" },
    ]) {
      expect(supported(change), JSON.stringify(change)).toBe(false);
    }
  });

  it("[PROF-6] wrapped keys alone, or beside raw ones", () => {
    for (const [keyTypesSupported, raw] of [
      [["hw-wrapped"], false],
      [["raw", "hw-wrapped"], true],
    ] as const) {
      const { bdev } = setUp(undefined, { keyTypesSupported });
      expect(blkCryptoConfigSupportedNatively(bdev, wrapped)).toBe(true);
      expect(blkCryptoConfigSupportedNatively(bdev, key)).toBe(raw);
    }
  });

  it("[API-7] or through the fallback, for raw keys, though it may turn out to have no cipher", () => {
    const fallback = new FakeFallback();
    fallback.hasCipher = false;
    const { bdev } = setUp(fallback);
    expect([other, key, wrapped].map((each) => blkCryptoConfigSupported(bdev, each))).toEqual([true, true, false]);
    const without = setUp();
    expect([other, key].map((each) => blkCryptoConfigSupported(without.bdev, each))).toEqual([false, true]);
  });
});

describe("starting to use a key", () => {
  it("[API-9] asks the fallback only for what the device cannot do", () => {
    const fallback = new FakeFallback();
    const { bdev } = setUp(fallback);
    blkCryptoStartUsingKey(bdev, key);
    expect(fallback.log).toEqual([]);
    blkCryptoStartUsingKey(bdev, other);
    expect(fallback.log).toEqual(["start"]);
  });

  it("[API-10] fails for a wrapped key the device does not take, and names it", () => {
    const { bdev } = setUp(new FakeFallback());
    expect(() => blkCryptoStartUsingKey(bdev, wrapped)).toThrow(
      expect.objectContaining({ code: "EOPNOTSUPP", message: expect.stringContaining("test0") }),
    );
  });

  it("[API-10] [FB-2] fails without a fallback, or without its cipher", () => {
    expect(() => blkCryptoStartUsingKey(setUp().bdev, other)).toThrow(expect.objectContaining({ code: "ENOPKG" }));
    const fallback = new FakeFallback();
    fallback.hasCipher = false;
    expect(() => blkCryptoStartUsingKey(setUp(fallback).bdev, other)).toThrow(
      expect.objectContaining({ code: "ENOPKG" }),
    );
  });

  it("[API-11] is refused inside a submission", () => {
    const { rig, bdev } = setUp();
    let refusal: unknown;
    Object.assign(bdev.queue, {
      submitBio() {
        try {
          blkCryptoStartUsingKey(bdev, key);
        } catch (error) {
          refusal = error;
        }
      },
    });
    submit(rig, bdev, key, () => {});
    expect(refusal).toBeInstanceOf(BlkBug);
  });
});

describe("evicting a key", () => {
  it("[API-13] [PROF-35] resolves to nothing and removes the key from the device and from the fallback", async () => {
    const fallback = new FakeFallback();
    const { rig, bdev } = setUp(fallback);
    rig.put(rig.get(key));
    rig.hardware.failures.push("EIO");
    expect(await blkCryptoEvictKey(bdev, key)).toBeUndefined();
    expect(rig.hardware.log.at(-1)).toBe("evict 0 0");
    expect(fallback.log).toEqual(["evict"]);
    expect(rig.tracer.events).toHaveLength(1);
    expectIdle(rig);
  });

  it("[API-14] on one device leaves the key on the other", async () => {
    const [first, second] = [setUp(), setUp()];
    for (const { rig } of [first, second]) rig.put(rig.get(key));
    await blkCryptoEvictKey(first.bdev, key);
    expect([first, second].map(({ rig }) => rig.hardware.slots.size)).toEqual([0, 1]);
  });
});

describe("I/O with keys", () => {
  it("[CORE-17] the driver sees a request whose slot holds its key", () => {
    const { rig, bdev, requests } = setUp();
    submit(rig, bdev, key, () => {});
    expect(rig.hardware.slots.get(requests[0]!.cryptKeyslot!.slotIndex)).toBe(key);
    requests[0]!.complete(BlkStatus.OK);
    expectIdle(rig);
  });

  it("[CORE-33] [API-15] the key can be evicted, and wiped, in the callback of its last I/O", async () => {
    const { rig, bdev, requests } = setUp();
    const used = makeKey(5);
    let evicted: Promise<void> | null = null;
    submit(rig, bdev, used, () => {
      evicted = blkCryptoEvictKey(bdev, used);
      used.wipe();
    });
    requests[0]!.complete(BlkStatus.IOERR);
    await evicted;
    await rig.profile.reprogramAllKeys();
    expect(rig.tracer.events).toEqual([]);
    expect(rig.hardware.slots.size).toBe(0);
    expectIdle(rig);
  });

  it("[CORE-19] a key that cannot be programmed fails the bio; the driver sees nothing", () => {
    const { rig, bdev, requests } = setUp();
    rig.hardware.failures.push("EINVAL");
    const statuses: BlkStatus[] = [];
    submit(rig, bdev, key, (status) => statuses.push(status));
    expect([statuses, requests]).toEqual([[BlkStatus.INVAL], []]);
    expectIdle(rig);
  });

  it("[CORE-21] [INT-5] more keys than slots in one plug wait for each other and all end", () => {
    const { rig, bdev, requests } = setUp();
    const many = [1, 2, 3, 4, 5].map((fill) => makeKey(fill));
    const statuses: BlkStatus[] = [];
    rig.layer.startPlug();
    for (const each of [...many, ...many]) submit(rig, bdev, each, (status) => statuses.push(status));
    rig.layer.finishPlug();
    while (requests.length > 0) {
      requests.shift()!.complete(BlkStatus.OK);
      rig.executor.runUntilIdle();
    }
    expect(statuses).toEqual(new Array(10).fill(BlkStatus.OK));
    expect(rig.hardware.log).toHaveLength(5);
    expectIdle(rig);
  });
});

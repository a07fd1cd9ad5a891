import {
  type Bio,
  BlkBug,
  BlkError,
  BlkStatus,
  type BlockDevice,
  CryptoCfgFlag,
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
const softwareOnly = makeKey(1, { flags: 0 });

/** A fallback that says yes to raw keys and records what it is asked. */
class FakeFallback implements CryptoFallback {
  readonly log: string[] = [];
  hasCipher = true;
  attach(): void {}
  prepBio(bio: Bio): boolean {
    this.log.push("bio");
    bio.endIo();
    return false;
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

  it("[API-19] never natively without ALLOW_HW, whatever the device can do", () => {
    const { bdev } = setUp(new FakeFallback());
    const supported = (flags: number): boolean[] =>
      [blkCryptoConfigSupportedNatively, blkCryptoConfigSupported].map((ask) => ask(bdev, { ...config, flags }));
    expect([supported(CryptoCfgFlag.ALLOW_HW), supported(0)]).toEqual([
      [true, true],
      [false, true],
    ]);
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

  it("[API-19] without ALLOW_HW asks the fallback, even on capable hardware", () => {
    const fallback = new FakeFallback();
    const { bdev } = setUp(fallback);
    blkCryptoStartUsingKey(bdev, softwareOnly);
    expect(fallback.log).toEqual(["start"]);
    expect(() => blkCryptoStartUsingKey(setUp().bdev, softwareOnly)).toThrow(
      expect.objectContaining({ code: "ENOPKG" }),
    );
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

  it("[API-19] [PROF-7] a key without ALLOW_HW is served by software; the capable device sees nothing of it", () => {
    const fallback = new FakeFallback();
    const { rig, bdev, requests } = setUp(fallback);
    const statuses: BlkStatus[] = [];
    submit(rig, bdev, softwareOnly, (status) => statuses.push(status));
    const without = setUp();
    submit(without.rig, without.bdev, softwareOnly, (status) => statuses.push(status));
    expect(statuses).toEqual([BlkStatus.OK, BlkStatus.NOTSUPP]);
    expect([fallback.log, requests, without.requests, rig.hardware.log]).toEqual([["bio"], [], [], []]);
  });

  it("[PROF-34] queues that share a profile share its slots, and one eviction serves all", async () => {
    const { rig, bdev, requests } = setUp();
    const second = makeQueue(rig);
    submit(rig, bdev, key, () => {});
    submit(rig, second.disk.part0, key, () => {});
    const slots = [requests[0]!, second.requests[0]!].map((rq) => rq.cryptKeyslot);
    expect(slots[0]).toBe(slots[1]);
    for (const rq of [requests[0]!, second.requests[0]!]) rq.complete(BlkStatus.OK);
    await blkCryptoEvictKey(second.disk.part0, key);
    expect(rig.hardware.log).toEqual(["program 0 0", "evict 0 0"]);
    expect(rig.hardware.slots.size).toBe(0);
    expectIdle(rig);
  });

  it("[PROF-34] I/O of one queue waits for a slot that I/O of another holds", () => {
    const { rig, bdev, requests } = setUp(undefined, { slotCount: 1 });
    const second = makeQueue(rig);
    submit(rig, bdev, key, () => {});
    submit(rig, second.disk.part0, makeKey(9), () => {});
    expect(second.requests).toEqual([]);
    requests[0]!.complete(BlkStatus.OK);
    rig.executor.runUntilIdle();
    second.requests[0]!.complete(BlkStatus.OK);
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

import { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { expectIdle, FakeHardware, makeKey, makeRig, type Rig } from "./support.ts";

const keys = [makeKey(0), makeKey(1)] as const;
const [a, b] = keys;
let rig: Rig;
afterEach(() => expectIdle(rig));

const start = (slotCount: number): FakeHardware => {
  rig = makeRig(new FakeHardware(...keys), { slotCount });
  return rig.hardware;
};

describe("the profile itself", () => {
  it("[PROF-3] is destroyed only when nobody uses or awaits a slot, and then forgets its keys", () => {
    start(1);
    const holder = rig.get(a);
    expect(() => rig.profile[Symbol.dispose]()).toThrow(/keyslot 0 is in use/);
    const waiter = rig.get(b);
    expect(() => rig.profile[Symbol.dispose]()).toThrow(/waits for its keyslots/);
    rig.put(holder);
    rig.executor.runUntilIdle();
    rig.put(waiter);
    rig.profile[Symbol.dispose]();
    expect(rig.profile.slotTable()[0]!.key).toBeNull();
  });

  it("[PROF-3] is not destroyed under a driver's hands", async () => {
    const hardware = start(1);
    rig.put(rig.get(a));
    hardware.asynchronous = true;
    const evicted = rig.profile.evictKey(a);
    expect(() => rig.profile[Symbol.dispose]()).toThrow(/a low-level op runs/);
    hardware.settle();
    await evicted;
  });

  it("[PROF-3] waits for the driver where its owner can wait, and is destroyed once all ops have ended", async () => {
    const hardware = start(2);
    for (const key of keys) rig.put(rig.get(key));
    hardware.asynchronous = true;
    const evicted = [rig.profile.evictKey(a)];
    let destroyed = false;
    const destruction = rig.profile[Symbol.asyncDispose]().then(() => {
      destroyed = true;
    });
    evicted.push(rig.profile.evictKey(b));
    for (let op = 0; op < 2; op++) {
      await rig.settle();
      expect(destroyed).toBe(false);
      hardware.settle();
    }
    await Promise.all([...evicted, destruction]);
    expect(hardware.log.slice(2)).toEqual(["evict 0 0", "evict 1 1"]);
    expect(rig.profile.slotTable().map(({ key }) => key)).toEqual([null, null]);
  });

  it("[PROF-29] slots need the ops to fill and empty them", () => {
    start(1);
    const options = { slotCount: 1, modesSupported: {}, maxDunBytesSupported: 8 };
    for (const llOps of [{}, { keyslotProgram() {} }, { keyslotEvict() {} }]) {
      expect(() => new BlkCryptoProfile(rig.layer, { ...options, llOps })).toThrow(
        expect.objectContaining({
          code: "EINVAL",
          message: expect.stringContaining("keyslotProgram and keyslotEvict"),
        }),
      );
    }
    new BlkCryptoProfile(rig.layer, { ...options, slotCount: 0 });
  });

  it.each([
    [{ slotCount: -1 }, /slotCount is -1/],
    [{ slotCount: 1.5 }, /slotCount is 1.5/],
    [{ maxDunBytesSupported: 0 }, /maxDunBytesSupported is 0, expected 1 to 32/],
    [{ maxDunBytesSupported: 33 }, /maxDunBytesSupported is 33/],
    [{ modesSupported: { "AES-XTS": 512 } as never }, /unknown mode "AES-XTS"/],
    [{ modesSupported: { "AES-256-XTS": 2 ** 32 } }, /modesSupported has 4294967296 for AES-256-XTS/],
    [{ modesSupported: { Adiantum: Number.NaN } }, /modesSupported has NaN for Adiantum/],
    [{ keyTypesSupported: ["wrapped"] as never }, /keyTypesSupported has "wrapped", expected "raw" or "hw-wrapped"/],
  ])("refuses %o", (options, message) => {
    start(1);
    expect(() => makeRig(new FakeHardware(), options)).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringMatching(message) }),
    );
  });
});

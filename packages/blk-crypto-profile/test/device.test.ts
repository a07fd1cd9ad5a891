import { BlkError } from "@inlinecrypt/blk-core";
import { type BlkCryptoProfile, Device, devmBlkCryptoProfileInit } from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { FakeHardware, makeKey, makeRig, TestWaiter } from "./support.ts";

const options = { slotCount: 1, modesSupported: { "AES-256-XTS": 4096 }, maxDunBytesSupported: 8 };

describe("Device", () => {
  it("[PROF-2] undoes what was registered, last first, one after the other", async () => {
    const log: string[] = [];
    {
      await using device = new Device("ufshcd0");
      device.addAction(() => void log.push("first"));
      device.addAction(async () => {
        await Promise.resolve();
        log.push("second");
      });
      device.addAction(() => void log.push("third"));
      expect(log).toEqual([]);
    }
    expect(log).toEqual(["third", "second", "first"]);
  });

  it("is detached once, and takes nothing more", async () => {
    const device = new Device("ufshcd0");
    let undone = 0;
    device.addAction(() => void undone++);
    await Promise.all([device[Symbol.asyncDispose](), device[Symbol.asyncDispose]()]);
    expect(undone).toBe(1);
    expect(() => device.addAction(() => {})).toThrow(
      expect.objectContaining({ code: "ENODEV", message: expect.stringContaining("ufshcd0") }),
    );
  });

  it("goes on after an undo that fails, and tells of the first", async () => {
    const device = new Device("ufshcd0");
    let undone = 0;
    device.addAction(() => void undone++);
    device.addAction(async () => {
      throw new BlkError("EIO", "test", "second");
    });
    device.addAction(() => {
      throw new BlkError("EBUSY", "test", "first");
    });
    await expect(device[Symbol.asyncDispose]()).rejects.toThrow(/first/);
    expect(undone).toBe(1);
  });
});

describe("devmBlkCryptoProfileInit", () => {
  it("[PROF-2] destroys the profile when the device detaches", async () => {
    const hardware = new FakeHardware();
    const { layer } = makeRig(hardware);
    const device = new Device("ufshcd0");
    const profile = devmBlkCryptoProfileInit(device, layer, { ...options, llOps: hardware });
    const waiter = new TestWaiter(profile, makeKey());
    profile.putKeyslot(waiter.slot!);
    expect(profile.slotTable()[0]!.key).not.toBeNull();
    await device[Symbol.asyncDispose]();
    expect(profile.slotTable()[0]!.key).toBeNull();
  });

  it("[PROF-2] detaching waits for a low-level op under way", async () => {
    const { layer } = makeRig(new FakeHardware());
    const device = new Device("ufshcd0");
    const log: string[] = [];
    let finish = (): void => {};
    const keyslotEvict = async (): Promise<void> => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      log.push("evicted");
    };
    const llOps = { keyslotProgram() {}, keyslotEvict };
    const profile = devmBlkCryptoProfileInit(device, layer, { ...options, llOps });
    const key = makeKey();
    profile.putKeyslot(new TestWaiter(profile, key).slot!);
    const evicting = profile.evictKey(key);
    const detaching = device[Symbol.asyncDispose]().then(() => log.push("detached"));
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    finish();
    await Promise.all([evicting, detaching]);
    expect(log).toEqual(["evicted", "detached"]);
  });

  it("[PROF-2] a failed init registers nothing", async () => {
    const { layer } = makeRig(new FakeHardware());
    const device = new Device("ufshcd0");
    let registered = 0;
    const addAction = device.addAction.bind(device);
    device.addAction = (undo) => {
      registered++;
      addAction(undo);
    };
    expect(() => devmBlkCryptoProfileInit(device, layer, options)).toThrow(/keyslotProgram and keyslotEvict/);
    expect(registered).toBe(0);
    devmBlkCryptoProfileInit(device, layer, { ...options, slotCount: 0 });
    expect(registered).toBe(1);
  });
});

it("[PROF-3] there may be no profile to destroy", () => {
  const make = (): BlkCryptoProfile | null => null;
  using profile = make();
  expect(profile).toBeNull();
});

import { describe, expect, it } from "vitest";
import { blockDeviceSuite, checkRandomIo, expectNoLeaks } from "../src/index.js";
import { type Fault, newArrayDevice } from "./array-device.js";

blockDeviceSuite("an array", {
  discardZeroes: true,
  setup: async ({ readOnly }) => newArrayDevice("none", readOnly),
});

describe("the suite finds", () => {
  it.each<[Fault, RegExp]>([
    ["drops second vector", /byte \d+ of \d+ is \d+, expected \d+/],
    ["discard keeps data", /byte \d+ of \d+ is \d+, expected 0/],
    ["zeroes too much", /byte \d+ of \d+ is 0, expected \d+/],
    ["ends with an error", /ended with IOERR/],
  ])("a device that %s", async (fault, message) => {
    const found = checkRandomIo(newArrayDevice(fault), { runs: 200, seed: 1, discardZeroes: true });
    await expect(found).rejects.toThrow(message);
    await expect(found).rejects.toThrow(/seed: 1/);
  });

  it("a device that keeps bios", async () => {
    const device = newArrayDevice("leaks");
    await device.bdev.read(0, new Uint8Array(512));
    expect(() => expectNoLeaks(device)).toThrow(/bios that were not put back/);
  });

  it("nothing wrong with data of discarded ranges where the device promises none", async () => {
    const device = newArrayDevice("discard keeps data");
    await checkRandomIo(device, { runs: 100, seed: 1, discardZeroes: false });
  });
});

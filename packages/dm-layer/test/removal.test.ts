import { BlkError, BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MapResult } from "../src/index.js";
import { CryptoRig, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { HoldingTarget } from "./holding-target.js";
import { pattern } from "./support.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const fail = (message: string) => () => {
  throw new BlkError("EIO", "holding", message);
};

describe("removal", () => {
  let rig: CryptoRig;
  let holding: HoldingTarget;
  beforeEach(() => {
    rig = new CryptoRig();
    holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
  });
  afterEach(() => rig.close());

  it("waits for an eviction under way before it lets the devices below go", async () => {
    let endEviction = () => {};
    const evictEnds = new Promise<void>((resolve) => {
      endEviction = resolve;
    });
    cryptoDisk(rig, "ufs", { evictEnds });
    const low = await rig.create("0 64 linear ufs 0", "low");
    const device = await rig.create("0 64 linear low 0");
    const key = newKey();
    cryptBio(rig, device.bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    const evicted = blkCryptoEvictKey(device.bdev, key);
    const removed = device.remove();
    await turn();
    expect([rig.dm.devices(), low.openCount]).toEqual([[low, device], 1]);
    endEviction();
    await rig.run(removed);
    await evicted;
    expect([rig.dm.devices(), low.openCount]).toEqual([[low], 0]);
    await rig.create("0 64 linear low 0");
  });

  it("goes on whatever targets say to its beginning", async () => {
    rig.ram("sda");
    const low = await rig.create("0 64 linear sda 0", "low");
    const device = await rig.create("0 64 holding low 0\n64 64 holding low 0");
    const event = device.waitEvent(0);
    const refused = expect(event).rejects.toMatchObject({ code: "ENXIO" });
    holding.presuspend = fail("not now");
    holding.calls.length = 0;
    await expect(rig.run(device.remove())).rejects.toThrow(/not now/);
    await refused;
    expect(holding.calls).toEqual(["presuspend", "presuspend", "postsuspend", "postsuspend", "dtr", "dtr"]);
    expect([rig.dm.devices(), low.openCount]).toEqual([[low], 0]);
    await expect(device.remove()).rejects.toMatchObject({ code: "ENXIO" });
    await rig.create("0 64 linear low 0");
  });

  it("no table takes a device that is being removed", async () => {
    rig.ram("sda");
    const low = await rig.create("0 64 holding sda 0", "low");
    holding.answer = MapResult.SUBMITTED;
    rig.submit(low.bdev, ReqOp.WRITE, 0, pattern(512));
    const removed = low.remove();
    await turn();
    await expect(rig.create("0 64 linear low 0")).rejects.toThrow(/low: the device is being removed \(ENXIO\)/);
    holding.held.pop()!.end(BlkStatus.OK);
    await rig.run(removed);
    expect(rig.dm.devices()).toEqual([]);
  });
});

import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { FaultPlan } from "@inlinecrypt/blk-sim";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Rig } from "./support.js";

let rig: Rig;
let faults: FaultPlan;
beforeEach(() => {
  rig = new Rig();
  faults = new FaultPlan(rig.random);
  rig.sim("sda");
  rig.sim("sdb", { faults });
});
afterEach(() => rig.close());

/** Two stripes of chunks of 8 sectors. */
const striped = "0 64 striped 2 8 sda 0 sdb 0";

it.each([
  ["in one chunk", 8, 8],
  ["over both stripes", 4, 8],
])("an I/O %s that fails marks the stripe it failed on", async (_where, sector, sectors) => {
  const device = await rig.dm.create({ name: "dm", table: striped });
  expect(device.status()).toEqual(["0 64 striped 2 sda sdb 1 AA"]);
  const bio = rig.submit(device.bdev, ReqOp.READ, sector, new Uint8Array(sectors * 512));
  rig.executor.runUntilIdle();
  expect(bio.ends).toEqual([BlkStatus.OK]);
  faults.add({ op: ReqOp.READ, status: BlkStatus.MEDIUM });
  const bad = rig.submit(device.bdev, ReqOp.READ, sector, new Uint8Array(sectors * 512));
  rig.executor.runUntilIdle();
  expect(bad.ends).toEqual([BlkStatus.MEDIUM]);
  expect(device.status()).toEqual(["0 64 striped 2 sda sdb 1 AD"]);
  expect(device.eventNr).toBe(1);
});

it("an I/O that goes on after a part of it has failed at once marks no other stripe", async () => {
  const device = await rig.dm.create({ name: "dm", table: striped });
  await rig.devices.get("sda")!.disk.close();
  const bad = rig.submit(device.bdev, ReqOp.READ, 0, new Uint8Array(16 * 512));
  rig.executor.runUntilIdle();
  expect(bad.ends).toEqual([BlkStatus.IOERR]);
  expect(device.status()).toEqual(["0 64 striped 2 sda sdb 1 DA"]);
  expect(device.eventNr).toBe(1);
});

it("tells of the first fourteen errors of a stripe", async () => {
  const device = await rig.dm.create({ name: "dm", table: striped });
  faults.add({ op: ReqOp.READ, status: BlkStatus.MEDIUM });
  for (let count = 0; count < 20; count++) rig.submit(device.bdev, ReqOp.READ, 8, new Uint8Array(512));
  rig.executor.runUntilIdle();
  expect(device.eventNr).toBe(14);
});

it("what a stripe cannot do is no error of it", async () => {
  const device = await rig.dm.create({ name: "dm", table: striped });
  faults.add({ op: ReqOp.READ, status: BlkStatus.NOTSUPP });
  const bio = rig.submit(device.bdev, ReqOp.READ, 8, new Uint8Array(512));
  rig.executor.runUntilIdle();
  expect(bio.ends).toEqual([BlkStatus.NOTSUPP]);
  expect(device.status()).toEqual(["0 64 striped 2 sda sdb 1 AA"]);
});

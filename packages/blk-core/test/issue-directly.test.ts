import { BlkStatus, type ElevatorType, mqDeadline, noneElevator, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, makeBio, makeRig, type Rig, submit } from "./support.js";

/** Requests, as the elevator got them. */
function recordInserts(rig: Rig): number[] {
  const sectors: number[] = [];
  rig.layer.tracepoints.blockRqInsert.subscribe((rq) => sectors.push(rq.sector));
  return sectors;
}

/** NOMERGE, so that those that wait stay apart. */
function write(rig: Rig, sector: number): BlkStatus[] {
  return submit(rig, sector, 8, { op: ReqOp.WRITE | ReqFlag.NOMERGE });
}

describe("a request with nothing in front of it", () => {
  it.each<[string, ElevatorType, number[]]>([
    ["goes straight to the driver", noneElevator, []],
    ["goes through an elevator that sorts", mqDeadline(), [0]],
  ])("%s", (_what, elevator, inserted) => {
    const rig = makeRig({ elevator });
    const inserts = recordInserts(rig);
    write(rig, 0);
    expect([inserts, rig.driver.log, rig.driver.commits]).toEqual([inserted, ["WRITE 0+8"], 0]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("waits with the next ones behind it when the driver refuses it: none overtakes", () => {
    const rig = makeRig();
    rig.driver.answers.push(BlkStatus.RESOURCE, BlkStatus.RESOURCE, BlkStatus.RESOURCE);
    const ends = [0, 100, 200].map((sector) => write(rig, sector));
    expect(rig.driver.log).toEqual([]);
    rig.executor.runUntilIdle();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 100+8", "WRITE 200+8"]);
    rig.driver.completeAll();
    expect(ends.flat()).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("waits when the device has no tag, and none overtakes", () => {
    const rig = makeRig({ queueDepth: 1, nrRequests: 4 });
    for (const sector of [0, 100, 200]) write(rig, sector);
    expect(rig.driver.log).toEqual(["WRITE 0+8"]);
    rig.driver.completeNext();
    write(rig, 300);
    rig.driver.completeAll();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 100+8", "WRITE 200+8", "WRITE 300+8"]);
    expectNoLeaks(rig);
  });

  it("waits while the queue is quiesced", () => {
    const rig = makeRig();
    rig.queue.quiesce();
    write(rig, 0);
    expect(rig.driver.log).toEqual([]);
    rig.queue.unquiesce();
    expect(rig.driver.log).toEqual(["WRITE 0+8"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("ends with what the driver says of it", () => {
    const rig = makeRig();
    rig.driver.answers.push(BlkStatus.MEDIUM);
    expect(write(rig, 0)).toEqual([BlkStatus.MEDIUM]);
    expectNoLeaks(rig);
  });

  it("waits while the driver is being called, which completes at once and so frees a request for it", () => {
    const rig = makeRig({ nrRequests: 1 });
    let inDriver = 0;
    rig.driver.queueRq = (rq) => {
      expect(inDriver++).toBe(0);
      rig.driver.log.push(`${rq.sector}`);
      rq.complete(BlkStatus.OK);
      inDriver--;
      return BlkStatus.OK;
    };
    rig.queue.quiesce();
    const ends = [0, 100, 200].map((sector) => write(rig, sector));
    rig.queue.unquiesce();
    expect([rig.driver.log, ends.flat()]).toEqual([
      ["0", "100", "200"],
      [BlkStatus.OK, BlkStatus.OK, BlkStatus.OK],
    ]);
    expectNoLeaks(rig);
  });

  it("goes on after a driver that throws", () => {
    const rig = makeRig();
    const { queueRq } = rig.driver;
    rig.driver.queueRq = () => {
      throw new Error("a driver's bug");
    };
    const ends = makeBio(rig, 0, 8, { op: ReqOp.WRITE });
    expect(() => rig.layer.submitBio(ends.bio)).toThrow("a driver's bug");
    rig.driver.queueRq = queueRq;
    expect(write(rig, 100)).toEqual([]);
    expect(rig.driver.log).toEqual(["WRITE 100+8"]);
  });
});

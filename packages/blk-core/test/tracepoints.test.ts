import {
  BioQueue,
  type BlkMqQueueOptions,
  BlkStatus,
  GenDisk,
  mqDeadline,
  noneElevator,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, makeRig, type Rig, submit } from "./support.js";

describe("a tracepoint", () => {
  it("has the kernel's name, and nothing to call while nobody listens", () => {
    const { tracepoints } = makeRig().layer;
    for (const [member, tracepoint] of Object.entries(tracepoints)) {
      expect(tracepoint.name).toBe(member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
      expect(tracepoint.emit).toBeNull();
    }
  });

  it("calls all who listen, in order, until they stop; stopping twice is harmless", () => {
    const point = makeRig().layer.tracepoints.blockSplit;
    const heard: string[] = [];
    const listener = (_bio: unknown, sector: number): void => {
      heard.push(`a${sector}`);
    };
    const stops = [listener, (_bio: unknown, sector: number) => void heard.push(`b${sector}`), listener].map((each) =>
      point.subscribe(each),
    );
    const bio = null as never;
    point.emit!(bio, 1);
    expect(heard.splice(0)).toEqual(["a1", "b1", "a1"]);
    stops[0]!();
    stops[0]!();
    point.emit!(bio, 2);
    expect(heard.splice(0)).toEqual(["b2", "a2"]);
    stops[1]!();
    stops[2]!();
    expect(point.emit).toBeNull();
  });

  it("a listener may stop another, or itself, while it is called", () => {
    const point = makeRig().layer.tracepoints.blockSplit;
    const heard: number[] = [];
    const stopFirst = point.subscribe(() => {
      heard.push(1);
      stopFirst();
    });
    point.subscribe(() => heard.push(2));
    point.emit!(null as never, 0);
    point.emit!(null as never, 0);
    expect(heard).toEqual([1, 2, 2]);
  });
});

/** Every event as text, in order: what a teacher would print. */
function record({ layer: { tracepoints: on } }: Rig): string[] {
  const log: string[] = [];
  const place = (io: { sector: number; sectors: number }): string => `${io.sector}+${io.sectors}`;
  on.blockBioQueue.subscribe((bio) => log.push(`bio_queue ${place(bio)}`));
  on.blockBioRemap.subscribe((bio, from, sector) => log.push(`bio_remap ${place(bio)} ${from.name} ${sector}`));
  on.blockSplit.subscribe((bio, newSector) => log.push(`split ${place(bio)} / ${newSector}`));
  on.blockBioBackmerge.subscribe((bio, rq) => log.push(`bio_backmerge ${place(bio)} ${place(rq)}`));
  on.blockBioFrontmerge.subscribe((bio, rq) => log.push(`bio_frontmerge ${place(bio)} ${place(rq)}`));
  on.blockBioComplete.subscribe((bio) => log.push(`bio_complete ${place(bio)} ${bio.status}`));
  on.blockGetrq.subscribe((bio) => log.push(`getrq ${place(bio)}`));
  on.blockPlug.subscribe((queue) => log.push(`plug ${queue.disk!.name}`));
  on.blockUnplug.subscribe((_queue, depth, explicit) => log.push(`unplug ${depth} ${explicit}`));
  on.blockRqInsert.subscribe((rq) => log.push(`rq_insert ${place(rq)}`));
  on.blockRqIssue.subscribe((rq) => log.push(`rq_issue ${place(rq)}`));
  on.blockRqMerge.subscribe((rq) => log.push(`rq_merge ${place(rq)}`));
  on.blockRqRequeue.subscribe((rq) => log.push(`rq_requeue ${place(rq)}`));
  on.blockRqComplete.subscribe((rq, status, bytes) => log.push(`rq_complete ${place(rq)} ${status} ${bytes}`));
  return log;
}

function recorded(options: Omit<BlkMqQueueOptions, "ops"> = {}): Rig & { log: string[] } {
  const rig = makeRig(options);
  return { ...rig, log: record(rig) };
}

describe("the life of an I/O", () => {
  it("on a partition: remapped, queued, and completed", () => {
    const rig = recorded();
    const part = rig.disk.partition("test0p1", 1000, 100);
    const bio = rig.layer.bioSet.tryAlloc(part, ReqOp.READ)!;
    bio.sector = 8;
    bio.addBuffer(new Uint8Array(4096));
    bio.onEndIo = (ended) => ended.put();
    rig.layer.submitBio(bio);
    expect(rig.log.slice(0, 2)).toEqual(["bio_remap 1008+8 test0p1 8", "bio_queue 1008+8"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("a bio is queued once, whatever is split off", () => {
    const rig = recorded({ limits: { maxSectors: 8 } });
    submit(rig, 0, 24);
    expect(rig.log.filter((line) => line.startsWith("bio_queue"))).toEqual(["bio_queue 0+24"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("a bio-based device's bios complete as bios", () => {
    const rig = recorded();
    const queue = new BioQueue(rig.layer, { submitBio: (bio) => bio.endIoWith(BlkStatus.MEDIUM) }, {});
    const disk = new GenDisk({ name: "bio0", queue, sectorCount: 64 });
    expect(submit({ ...rig, disk }, 8, 8)).toEqual([BlkStatus.MEDIUM]);
    expect(rig.log).toEqual(["bio_queue 8+8", `bio_complete 8+8 ${BlkStatus.MEDIUM}`]);
  });

  it("a bio that never reached a queue completes unseen", () => {
    const rig = recorded();
    expect(submit(rig, 2 ** 30, 8)).toEqual([BlkStatus.IOERR]);
    expect(rig.log).toEqual([]);
  });

  it.each([
    ["without an elevator", noneElevator, []],
    ["with one", mqDeadline(), ["rq_insert 0+8"]],
  ])("request by request, %s: allocated, perhaps inserted, issued, completed", (_which, elevator, inserted) => {
    const rig = recorded({ elevator });
    submit(rig, 0, 8);
    rig.driver.completeNext(BlkStatus.MEDIUM);
    expect(rig.log).toEqual([
      "bio_queue 0+8",
      "getrq 0+8",
      ...inserted,
      "rq_issue 0+8",
      `rq_complete 0+8 ${BlkStatus.MEDIUM} 4096`,
    ]);
  });

  it("split", () => {
    const rig = recorded({ limits: { maxSectors: 8 } });
    submit(rig, 0, 20);
    expect(rig.log.filter((line) => line.startsWith("split"))).toEqual(["split 0+8 / 8", "split 8+8 / 16"]);
    rig.driver.completeAll();
  });

  it("plugged, merged at either side, joined, and unplugged", () => {
    const rig = recorded();
    rig.layer.startPlug();
    for (const sector of [8, 0, 24, 16]) submit(rig, sector, 8);
    rig.log.splice(0, rig.log.length, ...rig.log.filter((line) => !/^(bio_queue|getrq)/.test(line)));
    rig.layer.finishPlug();
    expect(rig.log).toEqual([
      "plug test0",
      "bio_frontmerge 0+8 8+8",
      "bio_frontmerge 16+8 24+8",
      "rq_merge 16+16",
      "unplug 1 true",
      "rq_insert 0+32",
      "rq_issue 0+32",
    ]);
    rig.driver.completeAll();
  });

  it("merged at the back of a request that waits for the driver", () => {
    const rig = recorded();
    rig.queue.quiesce();
    submit(rig, 0, 8);
    submit(rig, 8, 8);
    expect(rig.log.at(-1)).toBe("bio_backmerge 8+8 0+8");
    rig.queue.unquiesce();
    rig.driver.completeAll();
  });

  it("a submitter that has to wait unplugs without being asked", () => {
    const rig = recorded({ nrRequests: 1 });
    rig.layer.startPlug();
    submit(rig, 0, 8);
    submit(rig, 100, 8);
    expect(rig.log.filter((line) => line.includes("plug"))).toEqual(["plug test0", "unplug 1 false"]);
    rig.layer.finishPlug();
    rig.driver.completeAll();
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("a full plug unplugs and starts anew", () => {
    const rig = recorded();
    rig.layer.startPlug();
    for (let sector = 0; sector < 3300; sector += 100) submit(rig, sector, 8);
    rig.layer.finishPlug();
    expect(rig.log.filter((line) => line.includes("plug"))).toEqual([
      "plug test0",
      "unplug 32 true",
      "plug test0",
      "unplug 1 true",
    ]);
    rig.driver.completeAll();
  });

  it("refused by the driver, given back by the driver", () => {
    const rig = recorded();
    rig.driver.answers.push(BlkStatus.RESOURCE);
    submit(rig, 0, 8);
    expect(rig.log.slice(-2)).toEqual(["rq_issue 0+8", "rq_requeue 0+8"]);
    rig.executor.runUntilIdle();
    const rq = rig.driver.taken.shift()!;
    rq.update(BlkStatus.OK, 2048);
    rig.queue.requeue(rq);
    expect(rig.log.slice(-2)).toEqual([`rq_complete 0+8 ${BlkStatus.OK} 2048`, "rq_requeue 4+4"]);
    rig.executor.runUntilIdle();
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("with mq-deadline only a request that stays is inserted", () => {
    const rig = recorded({ elevator: mqDeadline() });
    rig.queue.quiesce();
    rig.layer.startPlug();
    submit(rig, 0, 8);
    submit(rig, 100, 8);
    submit(rig, 8, 8);
    rig.layer.finishPlug();
    expect(rig.log.filter((line) => /rq_(insert|merge)/.test(line))).toEqual([
      "rq_insert 0+8",
      "rq_insert 100+8",
      "rq_merge 8+8",
    ]);
    rig.queue.unquiesce();
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });
});

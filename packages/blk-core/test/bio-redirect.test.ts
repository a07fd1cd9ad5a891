import {
  type Bio,
  BioQueue,
  type BioRedirect,
  type BioRedirector,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  newDun,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { beforeEach, describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, fakeKey, makeBio, makeRig, type Rig } from "./support.js";

/** A stacking driver: sends what it takes `shift` sectors up on the device below. */
class ShiftDriver implements BioRedirector {
  readonly disk: GenDisk;
  readonly log: string[];
  readonly taken: Bio[] = [];
  declines = false;
  readonly #below: BlockDevice;
  readonly #shift: number;

  constructor(layer: BlockLayer, name: string, below: BlockDevice, shift: number, log: string[]) {
    this.log = log;
    this.#below = below;
    this.#shift = shift;
    this.disk = new GenDisk({ name, queue: new BioQueue(layer, this, {}), sectorCount: 1 << 20 });
  }

  remapBio(bio: Bio): boolean {
    if (this.declines) return false;
    bio.redirect(this);
    bio.setDev(this.#below);
    bio.sector += this.#shift;
    return true;
  }

  submitBio(bio: Bio): void {
    this.taken.push(bio);
  }

  redirectEnded(redirect: BioRedirect, bio: Bio): void {
    this.log.push(`${this.disk.name} ${redirect.sector}+${redirect.sectors} on ${bio.bdev!.name}: ${bio.status}`);
  }
}

let rig: Rig;
let log: string[];
let upper: ShiftDriver;
let top: ShiftDriver;

beforeEach(() => {
  rig = makeRig();
  log = [];
  upper = new ShiftDriver(rig.layer, "upper", rig.disk.part0, 100, log);
  top = new ShiftDriver(rig.layer, "top", upper.disk.part0, 1000, log);
});

/** A bio for `top`, whose end is logged. */
function topBio(sector: number, sectors = 8, op: number = ReqOp.READ): Bio {
  const { bio } = makeBio(rig, sector, sectors, { op });
  bio.setDev(top.disk.part0);
  bio.onEndIo = (ended) => {
    log.push(`submitter ${ended.bdev!.name} ${ended.sector}: ${ended.status}`);
    ended.put();
  };
  return bio;
}

describe("a bio sent on as it is", () => {
  it("reaches the last device at once, and its end comes back level by level", () => {
    rig.layer.submitBio(topBio(5));
    expect(rig.driver.log).toEqual(["READ 1105+8"]);
    rig.driver.completeNext(BlkStatus.MEDIUM);
    const status = BlkStatus.MEDIUM;
    expect(log).toEqual([
      `upper 1005+8 on test0: ${status}`,
      `top 5+8 on upper: ${status}`,
      `submitter top 5: ${status}`,
    ]);
    expectNoLeaks(rig);
  });

  it("is checked on every device: behind the end of one below it fails, and never gets there", () => {
    rig.layer.submitBio(topBio((1 << 20) - 8));
    expect(rig.driver.log).toEqual([]);
    expect(log.at(-1)).toBe(`submitter top ${(1 << 20) - 8}: ${BlkStatus.IOERR}`);
    expectNoLeaks(rig);
  });

  it("needs a context that every device can do: the fallback is above all of them", () => {
    for (const queue of [top.disk.queue, upper.disk.queue]) queue.registerCryptoProfile(new FakeProfile());
    const bio = topBio(8);
    bio.setCryptCtx(fakeKey(), newDun(8n));
    rig.layer.submitBio(bio);
    expect([rig.driver.log, log.at(-1)]).toEqual([[], `submitter top 8: ${BlkStatus.NOTSUPP}`]);
    expectNoLeaks(rig);
  });

  it("keeps its DUN wherever it goes", () => {
    for (const queue of [top.disk.queue, upper.disk.queue, rig.queue]) queue.registerCryptoProfile(new FakeProfile());
    const bio = topBio(8);
    bio.setCryptCtx(fakeKey(), newDun(8n));
    rig.layer.submitBio(bio);
    expect([...rig.driver.taken[0]!.cryptCtx!.dun.subarray(0, 2)]).toEqual([8, 0]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("ends when all parts have into which a device below has cut it", () => {
    const limits = { maxSectors: 8 };
    rig = makeRig({ limits });
    upper = new ShiftDriver(rig.layer, "upper", rig.disk.part0, 100, log);
    top = new ShiftDriver(rig.layer, "top", upper.disk.part0, 1000, log);
    rig.layer.submitBio(topBio(0, 20, ReqOp.WRITE | ReqFlag.NOMERGE));
    expect(rig.driver.log).toEqual(["WRITE 1100+8", "WRITE 1108+8", "WRITE 1116+4"]);
    rig.driver.completeNext();
    rig.driver.completeNext();
    expect(log).toEqual([]);
    rig.driver.completeNext();
    expect(log).toEqual(["upper 1000+20 on test0: 0", "top 0+20 on upper: 0", "submitter top 0: 0"]);
    expectNoLeaks(rig);
  });

  it("has its end intercepted below before the levels above hear of it", () => {
    upper.declines = true;
    rig.layer.submitBio(topBio(0));
    const bio = upper.taken[0]!;
    const above = bio.onEndIo;
    bio.onEndIo = () => {
      log.push("intercepted");
      bio.onEndIo = above;
    };
    bio.endIo();
    expect(log).toEqual(["intercepted"]);
    bio.resumeEndIo();
    expect(log).toEqual(["intercepted", "top 0+8 on upper: 0", "submitter top 0: 0"]);
    expectNoLeaks(rig);
  });

  it("is taken by the driver that does not send it on, and may end there", () => {
    top.declines = true;
    rig.layer.submitBio(topBio(3));
    expect(rig.driver.log).toEqual([]);
    top.taken[0]!.endIo();
    expect(log).toEqual(["submitter top 3: 0"]);
    expectNoLeaks(rig);
  });

  it("may be submitted again by its submitter when it has ended, with the same memory for its levels", () => {
    const levels = new Set<BioRedirect>();
    upper.redirectEnded = (redirect) => void levels.add(redirect);
    const bio = topBio(0);
    for (let round = 0; round < 3; round++) {
      bio.onEndIo = (ended) => log.push(`round ${round}: ${ended.status}`);
      rig.layer.submitBio(bio);
      rig.driver.completeNext();
      bio.reuse(ReqOp.READ);
    }
    bio.onEndIo = null;
    bio.endIo();
    bio.put();
    expect(log.filter((line) => line.startsWith("round"))).toEqual(["round 0: 0", "round 1: 0", "round 2: 0"]);
    expect([...levels].map(({ owner, bdev, onEndIo }) => [owner, bdev, onEndIo])).toEqual([[null, null, null]]);
    expectNoLeaks(rig);
  });

  it("is told of on each device: queued on the way down, complete on the way up", () => {
    const { blockBioQueue, blockBioComplete, blockRqComplete } = rig.layer.tracepoints;
    blockBioQueue.subscribe((bio) => log.push(`queue ${bio.bdev!.name}`));
    blockRqComplete.subscribe(() => log.push("rq complete"));
    blockBioComplete.subscribe((bio) => log.push(`complete ${bio.bdev!.name}`));
    rig.layer.submitBio(topBio(0));
    rig.driver.completeNext();
    const told = log.filter((line) => /^(queue|complete|rq)/.test(line));
    expect(told).toEqual(["queue top", "queue upper", "queue test0", "rq complete", "complete upper", "complete top"]);
  });

  it("waits where it has come to while that queue is frozen", async () => {
    await rig.queue.freeze();
    rig.layer.submitBio(topBio(0));
    expect(rig.driver.log).toEqual([]);
    rig.queue.unfreeze();
    expect(rig.driver.log).toEqual(["READ 1100+8"]);
    rig.driver.completeNext();
    expect(log.at(-1)).toBe("submitter top 0: 0");
  });
});

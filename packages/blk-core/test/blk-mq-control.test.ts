import {
  BlkError,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  EhAction,
  type ElevatorType,
  GenDisk,
  mqDeadline,
  noneElevator,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, fakeKey, ManualDriver, makeBio, makeRig, type Rig, submit } from "./support.js";

describe("the requeue list", () => {
  it("offers requests again soon, in order, before new ones, outside the driver's call", () => {
    const rig = makeRig({ queueDepth: 2, nrRequests: 3 });
    for (const sector of [0, 100, 200]) submit(rig, sector, 8);
    const [first, second] = rig.driver.taken.splice(0);
    rig.queue.quiesce();
    rig.queue.requeue(first!);
    rig.queue.requeue(second!);
    rig.queue.unquiesce();
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+8", "READ 100+8", "READ 200+8"]);
    rig.executor.runUntilIdle();
    rig.driver.completeAll();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 100+8"]);
    expectNoLeaks(rig);
  });

  it("keeps what is not kicked, until it is or until a delay is over", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    rig.queue.requeue(rig.driver.taken.shift()!, false);
    rig.executor.runUntilIdle();
    submit(rig, 500, 8);
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 500+8"]);
    rig.queue.requeueList.kickAfter(50);
    rig.executor.advance(49);
    expect(rig.driver.log).toHaveLength(2);
    rig.executor.advance(1);
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 500+8", "READ 0+8"]);
    rig.queue.requeue(rig.driver.taken.pop()!, false);
    rig.queue.requeueList.kick();
    rig.executor.runUntilIdle();
    expect(rig.driver.log).toHaveLength(4);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("gives the device's tag back meanwhile", () => {
    const rig = makeRig({ queueDepth: 1, nrRequests: 2 });
    submit(rig, 0, 8);
    submit(rig, 500, 8);
    const rq = rig.driver.taken.shift()!;
    rig.queue.requeue(rq, false);
    expect(rq.tag).toBe(-1);
    rig.queue.run();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 500+8"]);
    rig.queue.requeueList.kick();
    rig.executor.runUntilIdle();
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });
});

/** A driver that answers `timeout` as told. */
class SlowDriver extends ManualDriver {
  readonly asked: string[] = [];
  decide: (rq: BlkRequest) => EhAction = () => EhAction.RESET_TIMER;

  timeout(rq: BlkRequest): EhAction {
    this.asked.push(`${rq.sector}`);
    return this.decide(rq);
  }
}

function slowRig(timeoutMs?: number): Rig & { driver: SlowDriver } {
  const { executor, layer } = makeRig();
  const driver = new SlowDriver();
  const queue = new BlkMqQueue(layer, timeoutMs === undefined ? { ops: driver } : { ops: driver, timeoutMs });
  const disk = new GenDisk({ name: "slow0", queue, sectorCount: 1 << 20 });
  return { executor, layer, queue, disk, driver };
}

describe("request timeouts", () => {
  it.each([Number.NaN, -1, 0, 2 ** 31])("are not %d ms", (timeoutMs) => {
    expect(() => slowRig(timeoutMs)).toThrow(
      new BlkError("EINVAL", "blk_queue_rq_timeout", `timeoutMs is ${timeoutMs}, expected 1 to 2147483647`),
    );
  });

  it("ask the driver after 30 s, and again when it wants to wait on", () => {
    const rig = slowRig();
    submit(rig, 0, 8);
    rig.executor.advance(29_999);
    expect(rig.driver.asked).toEqual([]);
    rig.executor.advance(1);
    expect(rig.driver.asked).toEqual(["0"]);
    rig.executor.advance(30_000);
    expect(rig.driver.asked).toEqual(["0", "0"]);
    rig.driver.completeNext();
    rig.executor.runUntilIdle();
    expect(rig.driver.asked).toHaveLength(2);
    expectNoLeaks(rig);
  });

  it("count for each request from when the driver got it", () => {
    const rig = slowRig(1000);
    submit(rig, 0, 8);
    rig.executor.advance(400);
    submit(rig, 100, 8);
    rig.driver.completeNext();
    rig.executor.advance(999);
    expect(rig.driver.asked).toEqual([]);
    rig.executor.advance(1);
    expect(rig.driver.asked).toEqual(["100"]);
    rig.driver.completeNext();
    rig.executor.runUntilIdle();
    expectNoLeaks(rig);
  });

  it("a driver may end the request; the device's late answer is then recognised as stale", () => {
    const traced: string[] = [];
    const rig = slowRig(1000);
    const stale = makeRig({}, { tracer: { trace: (event) => traced.push(event) } });
    const driver = new SlowDriver();
    const queue = new BlkMqQueue(stale.layer, { ops: driver, timeoutMs: 1000, queueDepth: 1 });
    const disk = new GenDisk({ name: "stale0", queue, sectorCount: 1 << 20 });
    const here = { ...stale, queue, disk, driver };
    driver.decide = (rq) => {
      driver.taken.splice(driver.taken.indexOf(rq), 1);
      rq.complete(BlkStatus.TIMEOUT);
      return EhAction.DONE;
    };
    const lost = submit(here, 0, 8);
    const next = submit(here, 100, 8);
    const rq = driver.taken[0]!;
    const { generation } = rq;
    here.executor.advance(1000);
    expect([lost, next, driver.log]).toEqual([[BlkStatus.TIMEOUT], [], ["READ 0+8", "READ 100+8"]]);
    // The same request object serves the next bio by now.
    expect(driver.taken[0]).toBe(rq);
    expect(rq.completeGeneration(generation, BlkStatus.OK)).toBe(false);
    expect([next, traced]).toEqual([[], ["blk_mq_stale_completion"]]);
    expect(rq.completeGeneration(rq.generation, BlkStatus.OK)).toBe(true);
    driver.taken.length = 0;
    expect(next).toEqual([BlkStatus.OK]);
    expect(rq.completeGeneration(rq.generation, BlkStatus.OK)).toBe(false);
    here.executor.runUntilIdle();
    expectNoLeaks(here);
    expectNoLeaks(rig);
  });

  it("a driver that has taken care is not asked again, however long it takes", () => {
    const rig = slowRig(1000);
    rig.driver.decide = () => EhAction.DONE;
    const ends = submit(rig, 0, 8);
    rig.executor.advance(10_000);
    expect(rig.driver.asked).toEqual(["0"]);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    rig.executor.runUntilIdle();
    expectNoLeaks(rig);
  });

  it("a requeued request starts anew, and a closed queue leaves no timer", async () => {
    const rig = slowRig(1000);
    submit(rig, 0, 8);
    rig.executor.advance(900);
    rig.queue.requeue(rig.driver.taken.shift()!);
    rig.executor.advance(900);
    expect(rig.driver.asked).toEqual([]);
    rig.driver.completeNext();
    await rig.queue.drain();
    expect(rig.executor.isIdle).toBe(true);
    expectNoLeaks(rig);
  });

  it("cost nothing for a driver that does not care", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    expect(rig.executor.isIdle).toBe(true);
    rig.driver.completeAll();
  });
});

describe("freezing", () => {
  it("waits for all that was accepted, and holds back what comes meanwhile", async () => {
    const rig = makeRig({ queueDepth: 1 });
    const accepted = [submit(rig, 0, 8), submit(rig, 100, 8)];
    let frozen = false;
    const freezing = rig.queue.freeze().then(() => {
      frozen = true;
    });
    const held = [submit(rig, 200, 8), submit(rig, 300, 8)];
    expect(submit(rig, 400, 8, { op: ReqOp.READ | ReqFlag.NOWAIT })).toEqual([BlkStatus.AGAIN]);
    await Promise.resolve();
    expect(frozen).toBe(false);
    rig.driver.completeAll();
    await freezing;
    expect([accepted, held]).toEqual([
      [[BlkStatus.OK], [BlkStatus.OK]],
      [[], []],
    ]);
    expect([rig.queue.inFlight, rig.queue.isFrozen, rig.driver.log.length]).toEqual([0, true, 2]);
    rig.queue.unfreeze();
    rig.driver.completeAll();
    expect(held).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(rig.driver.log.slice(2)).toEqual(["READ 200+8", "READ 300+8"]);
    expectNoLeaks(rig);
  });

  it("nests; too many thaws are a bug", async () => {
    const rig = makeRig();
    await rig.queue.freeze();
    await rig.queue.freeze();
    const ends = submit(rig, 0, 8);
    rig.queue.unfreeze();
    expect(rig.driver.log).toEqual([]);
    rig.queue.unfreeze();
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expect(() => rig.queue.unfreeze()).toThrow(/not frozen/);
    expectNoLeaks(rig);
  });

  it("lets limits change under load", async () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    const frozen = rig.queue.freeze();
    const held = submit(rig, 0, 32);
    expect(() => rig.queue.commitLimits({ maxSectors: 8 })).toThrow(/EBUSY/);
    rig.driver.completeAll();
    await frozen;
    rig.queue.commitLimits({ maxSectors: 16 });
    rig.queue.unfreeze();
    rig.driver.completeAll();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 0+16", "READ 16+16"]);
    expect(held).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("a disk that closes ends what a freeze holds back", async () => {
    const rig = makeRig();
    await rig.queue.freeze();
    const held = submit(rig, 0, 8);
    await rig.disk.close();
    expect(held).toEqual([BlkStatus.IOERR]);
    const { bio, ends } = makeBio(rig, 0, 8);
    rig.queue.submitBio(bio);
    expect(ends).toEqual([BlkStatus.IOERR]);
    rig.queue.unfreeze();
    expectNoLeaks(rig);
  });
});

describe("closing a disk", () => {
  /** Whether the disk is closed once promises have run. */
  function closeAndWatch(rig: Rig): { closing: Promise<void>; isClosed: () => Promise<boolean> } {
    let closed = false;
    const closing = rig.disk.close().then(() => {
      closed = true;
    });
    const isClosed = async (): Promise<boolean> => {
      for (let turn = 0; turn < 20; turn++) await null;
      return closed;
    };
    return { closing, isClosed };
  }

  it.each<[string, (rig: Rig) => void]>([
    [
      "a refused request",
      (rig) => {
        rig.driver.answers.push(BlkStatus.RESOURCE);
        submit(rig, 0, 8);
        rig.queue.run();
      },
    ],
    [
      "a requeued request",
      (rig) => {
        submit(rig, 0, 8);
        rig.queue.requeue(rig.driver.taken.shift()!, false);
        rig.queue.requeueList.kickAfter(5000);
        rig.queue.requeueList.kick();
        rig.executor.runOne();
      },
    ],
    [
      "a bio that waited for encryption contexts",
      (rig) => {
        rig.queue.registerCryptoProfile(new FakeProfile());
        const { bio } = makeBio(rig, 0, 16, { key: fakeKey() });
        const { cryptCtxs } = rig.layer;
        let held = 0;
        while (cryptCtxs.tryTake()) held++;
        rig.layer.submitBio(bio);
        for (; held > 0; held--) cryptCtxs.giveBack();
        rig.queue.setNrRequests(8);
      },
    ],
  ])("leaves no timer behind for %s", async (_what, load) => {
    const rig = makeRig({ limits: { maxSectors: 8 } });
    load(rig);
    rig.driver.completeAll();
    expect(rig.executor.isIdle).toBe(false);
    await rig.disk.close();
    expect(rig.executor.isIdle).toBe(true);
    expectNoLeaks(rig);
  });

  it("from where a bio ends waits for the one that was submitted there before", async () => {
    const rig = makeRig();
    const { bio } = makeBio(rig, 0, 8);
    let second: BlkStatus[] = [];
    let watch: ReturnType<typeof closeAndWatch> | undefined;
    bio.onEndIo = () => {
      bio.put();
      rig.driver.synchronous = null;
      second = submit(rig, 100, 8);
      watch = closeAndWatch(rig);
    };
    rig.driver.synchronous = BlkStatus.OK;
    rig.layer.submitBio(bio);
    expect([await watch!.isClosed(), rig.driver.taken.length]).toEqual([false, 1]);
    rig.driver.completeNext();
    await watch!.closing;
    expect(second).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("waits for the rest of a bio whose front ends at once", async () => {
    const rig = makeRig({ queueDepth: 1, limits: { maxSectors: 8 } });
    submit(rig, 0, 8);
    const split = submit(rig, 100, 16);
    const watch = closeAndWatch(rig);
    const queueRq = rig.driver.queueRq.bind(rig.driver);
    rig.driver.queueRq = (rq) => {
      rig.driver.synchronous = rq.sector === 100 ? BlkStatus.OK : null;
      return queueRq(rq);
    };
    // What ends inside another submission leaves the rest for later.
    const other = makeRig();
    const queue = new BlkMqQueue(rig.layer, { ops: other.driver });
    const { bio } = makeBio({ ...rig, disk: new GenDisk({ name: "other0", queue, sectorCount: 8 }) }, 0, 8);
    bio.onEndIo = () => {
      bio.put();
      rig.driver.completeNext();
    };
    other.driver.synchronous = BlkStatus.OK;
    rig.layer.submitBio(bio);
    expect([await watch.isClosed(), rig.driver.log.at(-1)]).toEqual([false, "READ 108+8"]);
    rig.driver.completeNext();
    await watch.closing;
    expect(split).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });
});

describe("quiescing", () => {
  it("keeps new requests from the driver; what it has may end", () => {
    const rig = makeRig();
    const inFlight = submit(rig, 0, 8);
    rig.queue.quiesce();
    rig.queue.quiesce();
    const waiting = submit(rig, 100, 8);
    rig.driver.completeNext();
    expect([inFlight, waiting, rig.driver.log]).toEqual([[BlkStatus.OK], [], ["READ 0+8"]]);
    rig.queue.unquiesce();
    expect(rig.driver.log).toHaveLength(1);
    rig.queue.unquiesce();
    rig.driver.completeAll();
    expect(waiting).toEqual([BlkStatus.OK]);
    expect(() => rig.queue.unquiesce()).toThrow(/not quiesced/);
    expectNoLeaks(rig);
  });

  it("from inside the driver takes effect at once, and announced requests are taken back", () => {
    const rig = makeRig();
    rig.queue.quiesce();
    for (const sector of [0, 100, 200]) submit(rig, sector, 8);
    const queueRq = rig.driver.queueRq.bind(rig.driver);
    rig.driver.queueRq = (rq) => {
      if (rig.driver.log.length === 1) rig.queue.quiesce();
      return queueRq(rq);
    };
    rig.queue.unquiesce();
    expect([rig.driver.log.length, rig.driver.commits]).toEqual([2, 1]);
    rig.queue.unquiesce();
    rig.driver.completeAll();
    expect(rig.driver.log).toHaveLength(3);
    expectNoLeaks(rig);
  });
});

describe("nr_requests", () => {
  it("bounds the requests of a queue, and can be changed under load", () => {
    const rig = makeRig({ nrRequests: 2 });
    const ends = [0, 100, 200, 300, 400].map((sector) => submit(rig, sector, 8));
    expect(rig.driver.taken).toHaveLength(2);
    rig.queue.setNrRequests(4);
    expect([rig.queue.nrRequests, rig.driver.taken.length]).toEqual([4, 4]);
    rig.queue.setNrRequests(1);
    rig.driver.completeNext();
    rig.driver.completeNext();
    rig.driver.completeNext();
    expect(rig.driver.taken).toHaveLength(1);
    rig.driver.completeAll();
    expect(ends).toEqual(ends.map(() => [BlkStatus.OK]));
    expect(() => rig.queue.setNrRequests(0)).toThrow(/nrRequests is 0, expected 1 to 10240/);
    expectNoLeaks(rig);
  });

  it("is what the elevator wants unless told otherwise", () => {
    expect(makeRig({ queueDepth: 8 }).queue.nrRequests).toBe(8);
    expect(makeRig({ queueDepth: 8, elevator: mqDeadline() }).queue.nrRequests).toBe(16);
    expect(makeRig({ queueDepth: 1000, elevator: mqDeadline() }).queue.nrRequests).toBe(256);
    expect(makeRig({ queueDepth: 8, nrRequests: 3 }).queue.nrRequests).toBe(3);
  });

  it("a driver sees each request once before it is used", () => {
    const made: BlkRequest[] = [];
    const { layer } = makeRig();
    const ops = Object.assign(new ManualDriver(), { initRequest: (rq: BlkRequest) => made.push(rq) });
    const queue = new BlkMqQueue(layer, { ops, queueDepth: 2 });
    queue.setNrRequests(4);
    queue.setNrRequests(2);
    queue.setNrRequests(4);
    expect(new Set(made).size).toBe(made.length);
    // Four, and the one for flushes.
    expect(made).toHaveLength(5);
  });
});

describe("changing the elevator", () => {
  it("waits until the queue is idle, loses nothing, and sorts from then on", async () => {
    const rig = makeRig({ queueDepth: 1 });
    expect(rig.queue.elevator).toBe("none");
    submit(rig, 0, 8);
    const switching = rig.queue.setElevator(mqDeadline());
    const ends = [900, 100, 500].map((sector) => submit(rig, sector, 8));
    rig.driver.completeNext();
    await switching;
    expect([rig.queue.elevator, rig.queue.nrRequests]).toEqual(["mq-deadline", 2]);
    rig.driver.completeAll();
    expect(rig.driver.log[0]).toBe("READ 0+8");
    expect(ends).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
    await rig.queue.setElevator(noneElevator);
    expect([rig.queue.elevator, rig.queue.nrRequests]).toEqual(["none", 1]);
    expectNoLeaks(rig);
  });

  it.each<[string, Partial<ElevatorType>, string]>([
    ["cannot be made", { create: () => expect.fail("no") }, "no"],
    ["wants no requests", { defaultNrRequests: () => 0 }, "nrRequests is 0"],
  ])("to one that %s leaves the queue as it was", async (_what, broken, message) => {
    const rig = makeRig();
    await expect(rig.queue.setElevator({ ...noneElevator, name: "broken", ...broken })).rejects.toThrow(message);
    submit(rig, 0, 8);
    rig.driver.completeAll();
    expect([rig.queue.elevator, rig.queue.nrRequests, rig.driver.log]).toEqual(["none", 128, ["READ 0+8"]]);
    expectNoLeaks(rig);
  });
});

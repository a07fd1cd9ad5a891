import { ReqOp, Timer, WorkItem } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { describe, expect, it } from "vitest";
import { expectAtRest, findLeaks, runUntilSettled } from "../src/index.js";
import { blocks, makeRig, submit } from "./support.js";

describe("expectAtRest", () => {
  const rest = { slotTable: () => [{ slotIndex: 0, references: 0 }] };

  it("finds nothing when nothing is held", () => {
    const { layer, disk } = makeRig(1);
    expectAtRest({ layer, queues: [disk.queue], pools: [layer.cryptCtxs], profiles: [rest] });
    expectAtRest({ layer });
  });

  it("names everything that is held", () => {
    const rig = makeRig(1);
    const { layer, disk } = rig;
    submit(rig, ReqOp.READ, 0, blocks(0));
    expect(layer.cryptCtxs.tryTake()).toBe(true);
    const payload = layer.integrityPool.tryGet()!;
    const pools = [{ name: "things", inUse: 4 }];
    const profiles = [rest, { slotTable: () => [{ slotIndex: 3, references: 2 }] }];
    expect(findLeaks({ layer, queues: [disk.queue], pools, profiles })).toEqual([
      "1 bios were not put back",
      "1 encryption contexts were not put back",
      "1 integrity payloads were not put back",
      "the executor has work or timers left",
      "a queue has 1 bios or requests that have not ended",
      "pool things misses 4 objects",
      "keyslot 3 has 2 references",
    ]);
    expect(() => expectAtRest({ layer })).toThrow(/^not at rest: 1 bios .*; 1 encryption contexts .*; the executor /);
    layer.cryptCtxs.giveBack();
    layer.integrityPool.put(payload);
    rig.executor.runUntilIdle();
    expect(findLeaks({ layer, queues: [disk.queue] })).toEqual([]);
  });
});

describe("runUntilSettled", () => {
  it("lets awaits go on at the time at which they were resolved", async () => {
    const { executor, disk } = makeRig(1, { latency: { minMs: 5, maxMs: 5 } });
    const times: number[] = [];
    const other = new Timer(() => times.push(executor.nowMs()));
    executor.addTimer(other, 7);
    const work = async (): Promise<string> => {
      for (let index = 0; index < 3; index++) {
        await disk.bdev.write(0, blocks(1));
        times.push(executor.nowMs());
      }
      return "done";
    };
    expect(await runUntilSettled(executor, work())).toBe("done");
    expect(times).toEqual([5, 7, 10, 15]);
  });

  it("passes a rejection on, and what is thrown inside the simulation", async () => {
    const executor = new SimExecutor();
    await expect(runUntilSettled(executor, Promise.reject(new Error("refused")))).rejects.toThrow("refused");
    executor.queueWork(
      new WorkItem(() => {
        throw new Error("broken");
      }),
    );
    await expect(runUntilSettled(executor, new Promise(() => {}))).rejects.toThrow("broken");
  });

  it("notices a promise that nothing will settle", async () => {
    const lost = new Promise(() => {});
    await expect(runUntilSettled(new SimExecutor(), lost)).rejects.toThrow(/nothing left to run .* still pending/);
  });
});

import { HostExecutor, Timer, WorkItem } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { afterEach, describe, expect, it, vi } from "vitest";

describe("SimExecutor", () => {
  it("runs work first in first out, queued twice once", () => {
    const executor = new SimExecutor();
    const ran: string[] = [];
    const a = new WorkItem(() => ran.push("a"));
    const b = new WorkItem(() => {
      ran.push("b");
      executor.queueWork(a);
    });
    executor.queueWork(a);
    executor.queueWork(b);
    executor.queueWork(a);
    expect(ran).toEqual([]);
    executor.runUntilIdle();
    expect(ran).toEqual(["a", "b", "a"]);
    expect(executor.isIdle).toBe(true);
  });

  it("fires timers by deadline, first armed first on a tie, and moves the clock", () => {
    const executor = new SimExecutor();
    const fired: string[] = [];
    const timer = (name: string): Timer => new Timer(() => fired.push(`${name}@${executor.nowMs()}`));
    executor.addTimer(timer("late"), 20);
    executor.addTimer(timer("tie1"), 10);
    executor.addTimer(timer("tie2"), 10);
    const cancelled = timer("cancelled");
    executor.addTimer(cancelled, 5);
    executor.cancelTimer(cancelled);
    executor.cancelTimer(cancelled);
    executor.advance(10);
    expect(fired).toEqual(["tie1@10", "tie2@10"]);
    executor.advance(5);
    expect(executor.nowMs()).toBe(15);
    executor.runUntilIdle();
    expect(fired).toEqual(["tie1@10", "tie2@10", "late@20"]);
  });

  it("goes one step at a time, work before timers", () => {
    const executor = new SimExecutor();
    const ran: string[] = [];
    executor.addTimer(new Timer(() => ran.push(`timer@${executor.nowMs()}`)), 7);
    executor.queueWork(new WorkItem(() => ran.push("work")));
    expect([executor.step(), ran.length]).toEqual([true, 1]);
    expect([executor.step(), executor.step()]).toEqual([true, false]);
    expect(ran).toEqual(["work", "timer@7"]);
  });

  it("re-arms a timer from its own callback and moves a pending one", () => {
    const executor = new SimExecutor();
    let count = 0;
    const timer: Timer = new Timer(() => {
      expect(timer.pending).toBe(false);
      if (++count < 3) executor.addTimer(timer, 1);
    });
    executor.addTimer(timer, 100);
    executor.addTimer(timer, 1);
    executor.runUntilIdle();
    expect([count, executor.nowMs()]).toEqual([3, 3]);
  });

  it("notices a simulation that never comes to rest, and a timer of another executor", () => {
    const executor = new SimExecutor();
    const work: WorkItem = new WorkItem(() => executor.queueWork(work));
    executor.queueWork(work);
    expect(() => executor.runUntilIdle(100)).toThrow(/still busy after 100 steps/);
    const timer = new Timer(() => {});
    new SimExecutor().addTimer(timer, 1);
    expect(() => executor.cancelTimer(timer)).toThrow(/another executor/);
  });
});

describe("HostExecutor", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("runs work outside the caller's stack, in order, and lets I/O in between batches", async () => {
    const executor = new HostExecutor();
    const ran: string[] = [];
    await new Promise<void>((resolve) => {
      const last = new WorkItem(() => {
        ran.push("nested");
        resolve();
      });
      executor.queueWork(
        new WorkItem(() => {
          ran.push("first");
          executor.queueWork(last);
        }),
      );
      executor.queueWork(new WorkItem(() => ran.push("second")));
      ran.push("caller");
    });
    expect(ran).toEqual(["caller", "first", "second", "nested"]);
  });

  it("fires a timer once, moved ones late, cancelled ones never", async () => {
    const executor = new HostExecutor();
    const fired: string[] = [];
    const cancelled = new Timer(() => fired.push("cancelled"));
    executor.addTimer(cancelled, 1);
    executor.cancelTimer(cancelled);
    const started = executor.nowMs();
    await new Promise<void>((resolve) => {
      const timer = new Timer(() => {
        fired.push("fired");
        resolve();
      });
      executor.addTimer(timer, 10_000);
      executor.addTimer(timer, 2);
    });
    expect(fired).toEqual(["fired"]);
    expect(executor.nowMs()).toBeGreaterThanOrEqual(started + 1);
  });

  it("fires a timer at its deadline, however far that is", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    vi.spyOn(performance, "now").mockImplementation(() => Date.now());
    const executor = new HostExecutor();
    const delayMs = 5 * 2 ** 31 + 7;
    const fired: number[] = [];
    const timer = new Timer(() => fired.push(executor.nowMs()));
    const cancelled = new Timer(() => fired.push(-1));
    const started = executor.nowMs();
    executor.addTimer(timer, delayMs);
    executor.addTimer(cancelled, delayMs);
    vi.advanceTimersByTime(delayMs - 1);
    expect(fired).toEqual([]);
    executor.cancelTimer(cancelled);
    vi.advanceTimersByTime(2 ** 32);
    expect(fired).toEqual([started + delayMs]);
    expect([timer.pending, vi.getTimerCount()]).toEqual([false, 0]);
  });
});

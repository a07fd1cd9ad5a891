import { SkcipherRequest } from "@inlinecrypt/skcipher";
import { describe, expect, it } from "vitest";
import { JOBS_PER_WORKER, JobOp, WorkerJobs } from "../../../src/node/worker-job.js";
import { type PoolThread, WorkerPool } from "../../../src/node/worker-pool.js";
import type { ThreadGone } from "../../../src/node/worker-thread.js";

class FakeThread implements PoolThread {
  isReady = false;
  inFlight = 0;
  readonly memories: Uint8Array[];
  readonly gone: ThreadGone;
  terminated = 0;

  constructor(memories: readonly Uint8Array[], gone: ThreadGone) {
    this.memories = [...memories];
    this.gone = gone;
  }

  addMemory(bytes: Uint8Array): void {
    this.memories.push(bytes);
  }

  post(): void {
    this.inFlight++;
  }

  async terminate(): Promise<void> {
    this.terminated++;
  }
}

function makePool(workerCount: number): { pool: WorkerPool; threads: FakeThread[]; post: () => void } {
  const threads: FakeThread[] = [];
  const pool = new WorkerPool(["xts(aes)"], workerCount, (memories, _names, gone) => {
    threads.push(new FakeThread(memories, gone));
    return threads.at(-1)!;
  });
  const request = new SkcipherRequest(() => {});
  return { pool, threads, post: () => pool.post(JobOp.ENCRYPT, 0, new Uint8Array(64), request) };
}

describe("a pool of threads", () => {
  it("starts one at the first demand, a further one only when all have work, and no more than it may", () => {
    const { pool, threads, post } = makePool(2);
    expect([pool.hasRoom(), threads.length]).toEqual([false, 1]);
    threads[0]!.isReady = true;
    expect([pool.hasRoom(), threads.length]).toEqual([true, 1]);
    post();
    expect([pool.hasRoom(), threads.length]).toEqual([true, 2]);
    post();
    expect([pool.hasRoom(), threads.length]).toEqual([true, 2]);
    expect(threads.map((thread) => thread.inFlight)).toEqual([2, 0]);
    threads[1]!.isReady = true;
    for (let nth = 2; nth < 2 * JOBS_PER_WORKER; nth++) {
      expect(pool.hasRoom()).toBe(true);
      post();
    }
    expect(threads.map((thread) => thread.inFlight)).toEqual([JOBS_PER_WORKER, JOBS_PER_WORKER]);
    expect(pool.hasRoom()).toBe(false);
  });

  it("gives every thread all memory, whichever came first", () => {
    const { pool, threads } = makePool(1);
    const first = pool.allocShared(512);
    pool.hasRoom();
    const second = pool.allocShared(1024);
    expect(threads[0]!.memories).toEqual([first.bytes, second.bytes]);
    expect([first, second].map((memory) => [memory.index, pool.owns(memory)])).toEqual([
      [0, true],
      [1, true],
    ]);
    expect([pool.owns(null), pool.owns({ bytes: first.bytes, index: 0 })]).toEqual([false, false]);
  });

  it("replaces a thread that ended while it worked", () => {
    const { pool, threads } = makePool(1);
    pool.hasRoom();
    threads[0]!.isReady = true;
    threads[0]!.gone(threads[0]!, null);
    expect([pool.hasRoom(), threads.length, pool.closedBecause]).toEqual([false, 2, null]);
  });

  it("gives up when one cannot start, and says why", () => {
    const { pool, threads } = makePool(2);
    pool.hasRoom();
    threads[0]!.gone(threads[0]!, "no such file");
    expect([pool.hasRoom(), threads.length]).toEqual([false, 1]);
    expect(pool.closedBecause).toBe("a thread could not start: no such file");
  });

  it("gives up when the process may have no threads at all", () => {
    const pool = new WorkerPool(["xts(aes)"], 2, () => {
      throw new Error("Access to this API has been restricted");
    });
    expect([pool.hasRoom(), pool.hasRoom()]).toEqual([false, false]);
    expect(pool.closedBecause).toBe("a thread could not start: Access to this API has been restricted");
  });

  it("ends all its threads when closed, and starts none any more", async () => {
    const { pool, threads } = makePool(2);
    pool.hasRoom();
    threads[0]!.isReady = true;
    expect(pool.hasRoom()).toBe(true);
    const closed = pool.close();
    expect(pool.hasRoom(), "a thread that is about to end takes nothing").toBe(false);
    await closed;
    threads[0]!.gone(threads[0]!, null);
    await pool.close();
    expect([threads.map((thread) => thread.terminated), pool.hasRoom(), threads.length]).toEqual([[1], false, 1]);
  });
});

describe("a job in shared memory", () => {
  it("holds its key until it is taken up, and then nowhere", () => {
    const jobs = new WorkerJobs();
    const key = new Uint8Array(64).fill(0x5a);
    jobs.at(3).setKey(key.subarray(0, 32));
    const seen: Uint8Array[] = [];
    new WorkerJobs(jobs.shared).at(3).takeKey((taken) => {
      expect(taken).toEqual(key.subarray(0, 32));
      expect(new Uint8Array(jobs.shared).includes(0x5a)).toBe(false);
      seen.push(taken);
    });
    expect(seen[0]).toEqual(new Uint8Array(32));
    jobs.at(5).setKey(key);
    jobs.wipeKeys();
    expect(new Uint8Array(jobs.shared).includes(0x5a)).toBe(false);
  });

  it("wipes its key even when the cipher refuses it", () => {
    const job = new WorkerJobs().at(0);
    job.setKey(new Uint8Array(64).fill(0x5a));
    let kept: Uint8Array | undefined;
    expect(() =>
      job.takeKey((key) => {
        kept = key;
        throw new Error("weak");
      }),
    ).toThrow("weak");
    expect(kept).toEqual(new Uint8Array(64));
  });

  it("is the same for both sides, for every number, past 2^32", () => {
    const jobs = new WorkerJobs();
    const other = new WorkerJobs(jobs.shared);
    const job = jobs.at(2 ** 32 + 5);
    job.set(JobOp.DECRYPT, 2, 3, 1 << 20, 4096);
    job.dun.fill(9);
    const { op, cipher, memory, bytes, dataUnitBytes, dun } = other.at((2 ** 32 + 5) | 0);
    expect({ op, cipher, memory, bytes, dataUnitBytes }).toEqual({
      op: JobOp.DECRYPT,
      cipher: 2,
      memory: 3,
      bytes: 1 << 20,
      dataUnitBytes: 4096,
    });
    expect([...dun]).toEqual(new Array(8).fill(9));
    expect([...other.at(4).dun, ...other.at(6).dun]).toEqual(new Array(16).fill(0));
  });
});

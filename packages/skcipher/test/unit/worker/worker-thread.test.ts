import { SkcipherRequest } from "@inlinecrypt/skcipher";
import { expect, it } from "vitest";
import { JobOp } from "../../../src/node/worker-job.js";
import { WorkerThread } from "../../../src/node/worker-thread.js";

const memory = { bytes: new Uint8Array(new SharedArrayBuffer(4096)), index: 0 };

function request(ends: (Error | null)[]): SkcipherRequest {
  const made = new SkcipherRequest((error) => ends.push(error));
  made.memory = memory;
  made.bytes = 4096;
  made.dataUnitBytes = 4096;
  return made;
}

it("fails the jobs of a thread that ends, each once, after it has said that it is gone", async () => {
  const ends: (Error | null)[] = [];
  const gone: unknown[] = [];
  const thread = new WorkerThread([memory.bytes], ["xts(aes)"], (which, why) => gone.push(which, why, ends.length));
  for (let nth = 0; nth < 3; nth++) thread.post(JobOp.ENCRYPT, 0, new Uint8Array(64).fill(nth), request(ends));
  // Long before it has loaded its code.
  await thread.terminate();
  expect(gone).toEqual([thread, "it was terminated", 0]);
  expect([thread.isReady, thread.inFlight]).toEqual([false, 0]);
  expect(ends.map((error) => error?.message)).toEqual(new Array(3).fill("worker: the thread ended: it was terminated"));
  expect(ends[0]).toMatchObject({ code: "EIO", errno: -5 });
});

it("passes on what a cipher says, and goes on", async () => {
  const ends: (Error | null)[] = [];
  const key = new Uint8Array(64).map((_, index) => index);
  let resolve = (): void => {};
  const done = new Promise<void>((settle) => {
    resolve = settle;
  });
  const last = new SkcipherRequest(() => resolve());
  Object.assign(last, { memory, bytes: 4096, dataUnitBytes: 4096 });
  const thread = new WorkerThread([memory.bytes], ["xts(aes)", "rot13"], () => {});
  thread.post(JobOp.ENCRYPT, 1, key, request(ends));
  thread.post(JobOp.ENCRYPT, 0, new Uint8Array(64), request(ends));
  thread.post(JobOp.ENCRYPT, 0, key, request(ends));
  thread.post(JobOp.ENCRYPT, 0, key, last);
  await done;
  expect(thread.isReady).toBe(true);
  expect(ends.map((error) => error?.message)).toEqual([
    expect.stringContaining('no cipher "rot13"'),
    expect.stringContaining("halves"),
    undefined,
  ]);
  await thread.terminate();
});

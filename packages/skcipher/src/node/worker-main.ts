/** What a worker thread runs: it waits for jobs in shared memory, without an event loop of its own, until it is terminated. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Skcipher } from "../skcipher.js";
import { createNodeEngineOver, fastestNodeEngineParts } from "./node-engine.js";
import { JobOp, type WorkerJob, WorkerJobs } from "./worker-job.js";
import type { WorkerStart } from "./worker-thread.js";

const port = parentPort!;
const start = workerData as WorkerStart;
const engine = createNodeEngineOver(fastestNodeEngineParts());
const jobs = new WorkerJobs(start.jobs);
const memories = [...start.memories];
const ciphers: Skcipher[] = [];

function cipherOf(job: WorkerJob): Skcipher {
  ciphers[job.cipher] ??= engine.alloc(start.cipherNames[job.cipher]!);
  return ciphers[job.cipher]!;
}

/** Memory made after this thread was started is announced by messages, in order, before the first job that uses it. */
function memoryOf(job: WorkerJob): Uint8Array {
  while (memories.length <= job.memory) memories.push(receiveMessageOnPort(port)!.message as Uint8Array);
  return memories[job.memory]!.subarray(0, job.bytes);
}

/** The thread holds a key only while it computes with it: an evicted key is nowhere. */
function run(job: WorkerJob): void {
  const cipher = cipherOf(job);
  const data = memoryOf(job);
  job.takeKey((key) => cipher.setKey(key));
  try {
    if (job.op === JobOp.ENCRYPT) cipher.encrypt(data, data, job.dataUnitBytes, job.dun);
    else cipher.decrypt(data, data, job.dataUnitBytes, job.dun);
  } finally {
    cipher.clear();
  }
}

/** Null, or why the job failed. */
function reasonOfFailure(job: WorkerJob): string | null {
  try {
    run(job);
    return null;
  } catch (error) {
    job.wipeKey();
    return (error as Error).message;
  }
}

port.postMessage(null);
for (let done = 0; ; done = (done + 1) | 0) {
  while (Atomics.load(jobs.bell, 0) === done) Atomics.wait(jobs.bell, 0, done);
  port.postMessage(reasonOfFailure(jobs.at(done)));
}

import type { BlkMqQueue } from "./blk-mq.js";
import type { BlkRequest } from "./blk-request.js";
import { Timer, WorkItem } from "./executor.js";
import { RequestList } from "./request-list.js";

/**
 * Requests that drivers gave back, until somebody says that it is worth offering them again.
 *
 * @kernel block/blk-mq.c: blk_mq_requeue_work
 */
export class RequeueList {
  readonly #queue: BlkMqQueue;
  readonly #list = new RequestList();
  readonly #work = new WorkItem(() => this.#requeueAll());
  readonly #timer = new Timer(() => this.#requeueAll());

  constructor(queue: BlkMqQueue) {
    this.#queue = queue;
  }

  add(rq: BlkRequest): void {
    this.#list.append(rq);
  }

  /** Soon, never inside the driver's call. @kernel block/blk-mq.c: blk_mq_kick_requeue_list */
  kick(): void {
    this.#queue.layer.executor.queueWork(this.#work);
  }

  /** @kernel block/blk-mq.c: blk_mq_delay_kick_requeue_list */
  kickAfter(delayMs: number): void {
    this.#queue.layer.executor.addTimer(this.#timer, delayMs);
  }

  /** Forgets the timer; the list must be empty. */
  stop(): void {
    this.#queue.layer.executor.cancelTimer(this.#timer);
  }

  /** They were sorted once, and go before what never was. */
  #requeueAll(): void {
    for (let rq = this.#list.shift(); rq !== null; rq = this.#list.shift()) this.#queue.insertBypass(rq);
    this.#queue.run();
  }
}

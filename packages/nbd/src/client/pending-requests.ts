import { Pool, PoolWaiter } from "@inlinecrypt/blk-core";

const NO_BYTES = new Uint8Array(0);

/** What waits for one reply. */
export class PendingRequest {
  /** Sent as the cookie's low half, to find the request again. */
  readonly index: number;
  /** Sent as the cookie's high half, to tell the reply to an earlier request of this index from this one's. */
  generation = 0;
  /** Sent and not answered. */
  active = false;
  /** For messages. */
  what = "";
  /** Where the payload goes; empty unless this is a read. */
  into: Uint8Array = NO_BYTES;
  received = 0;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(index: number) {
    this.index = index;
  }

  /** Makes it active; the promise settles with `succeed` or `fail`. */
  start(what: string, into: Uint8Array): Promise<void> {
    this.active = true;
    this.generation = (this.generation + 1) >>> 0;
    this.what = what;
    this.into = into;
    this.received = 0;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  succeed(): void {
    this.active = false;
    this.into = NO_BYTES;
    this.#resolve();
  }

  fail(error: Error): void {
    this.active = false;
    this.into = NO_BYTES;
    this.#reject(error);
  }
}

/** The bounded table of a client's requests in flight; callers beyond the bound wait in order. */
export class PendingRequests {
  readonly #all: PendingRequest[] = [];
  readonly #free: Pool<PendingRequest>;
  #failure: Error | null = null;

  constructor(maxInFlight: number) {
    this.#free = new Pool("nbd_client_request", maxInFlight, () => this.#create());
  }

  get inFlight(): number {
    return this.#free.inUse;
  }

  /** A free request, once there is one. @throws what `failAll` was given. */
  async alloc(): Promise<PendingRequest> {
    for (;;) {
      const request = this.#free.tryGet();
      if (request !== null && this.#failure === null) return request;
      // Giving it back wakes the next waiter, which has to hear of the failure too.
      if (request !== null) this.#free.put(request);
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#free.wait(new PoolWaiter(resolve)));
    }
  }

  release(request: PendingRequest): void {
    this.#free.put(request);
  }

  /** The request a cookie names, or null when none that waits has it. */
  find(cookieHigh: number, cookieLow: number): PendingRequest | null {
    const request = this.#all[cookieLow];
    return request?.active === true && request.generation === cookieHigh ? request : null;
  }

  /** Fails everything that waits and everything to come. */
  failAll(error: Error): void {
    this.#failure ??= error;
    for (const request of this.#all) if (request.active) request.fail(error);
  }

  #create(): PendingRequest {
    const request = new PendingRequest(this.#all.length);
    this.#all.push(request);
    return request;
  }
}

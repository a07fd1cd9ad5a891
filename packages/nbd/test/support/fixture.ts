import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, Volume } from "@inlinecrypt/blk-core";
import { afterEach, expect } from "vitest";
import { type NbdAddress, NbdClient, type NbdEvent, NbdServer, type NbdServerOptions } from "../../src/index.js";
import { ArrayDisk, type ArrayDiskOptions } from "./array-disk.js";
import { ManualTimers } from "./manual-timers.js";
import { RawClient } from "./raw-client.js";
import { XorFallback, xorKey } from "./xor-fallback.js";

export interface FixtureOptions extends Partial<Omit<NbdServerOptions, "exports" | "onEvent">> {
  disk?: Partial<ArrayDiskOptions>;
  /** Encrypts (xors) with data units of this size. */
  dataUnitBytes?: number;
  readOnly?: boolean;
  /** Exports a partition of the disk too, as "part", from this sector on. */
  partitionStart?: number;
}

/** A server on a unix socket over an array, with everything a test may look at. */
export class Fixture {
  readonly executor: ManualTimers = new ManualTimers();
  readonly layer: BlockLayer = new BlockLayer({ executor: this.executor, cryptoFallback: new XorFallback() });
  readonly events: NbdEvent[] = [];
  readonly disk: ArrayDisk;
  readonly volume: Volume;
  readonly server: NbdServer;
  readonly folder: string;
  readonly address: { unix: string };
  readonly #clients: (RawClient | NbdClient)[] = [];
  #eventWaiters: (() => void)[] = [];
  #stopped = false;

  private constructor(folder: string, options: FixtureOptions) {
    const { disk, dataUnitBytes, readOnly, partitionStart, ...serverOptions } = options;
    this.folder = folder;
    this.address = { unix: join(folder, "nbd.sock") };
    this.disk = new ArrayDisk(this.layer, { bytes: 1 << 20, ...disk });
    this.volume = new Volume(this.disk.bdev, dataUnitBytes === undefined ? null : { key: xorKey(dataUnitBytes) });
    this.server = new NbdServer({
      ...serverOptions,
      exports: [
        { name: "disk", volume: this.volume, description: "a test disk", ...(readOnly && { readOnly }) },
        { name: "other", volume: this.volume },
        ...(partitionStart === undefined ? [] : [{ name: "part", volume: this.#partition(partitionStart) }]),
      ],
      onEvent: (event) => {
        this.events.push(event);
        for (const wake of this.#eventWaiters.splice(0)) wake();
      },
    });
  }

  #partition(startSector: number): Volume {
    const { disk, sectorCount } = this.disk.bdev;
    return new Volume(disk.partition("array0p1", startSector, sectorCount - startSector));
  }

  static async start(options: FixtureOptions = {}): Promise<Fixture> {
    const fixture = new Fixture(await mkdtemp(join(tmpdir(), "nbd-test-")), options);
    open.push(fixture);
    await fixture.server.listen(fixture.address);
    return fixture;
  }

  /** A raw client in the transmission phase. */
  async raw(name = ""): Promise<RawClient> {
    const client = await RawClient.transmission(this.address, name);
    this.#clients.push(client);
    return client;
  }

  /** A raw client that has been greeted and has said nothing. */
  async greeted(address: NbdAddress = this.address): Promise<RawClient> {
    const client = new RawClient(address);
    this.#clients.push(client);
    await client.read(18);
    return client;
  }

  async client(exportName = "disk", maxInFlight = 64): Promise<NbdClient> {
    const client = await NbdClient.connect(this.address, { exportName, maxInFlight });
    this.#clients.push(client);
    return client;
  }

  /** The first event of a type, once there is one. */
  async event<T extends NbdEvent["type"]>(type: T): Promise<Extract<NbdEvent, { type: T }>> {
    for (;;) {
      const found = this.events.find((event) => event.type === type);
      if (found !== undefined) return found as Extract<NbdEvent, { type: T }>;
      await new Promise<void>((resolve) => this.#eventWaiters.push(resolve));
    }
  }

  /** Lets the event loop turn until `condition` holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20_000; turn++) {
      if (condition()) return;
      await turnLoop();
    }
    throw new Error("the condition did not come true");
  }

  /** Closes everything and checks that nothing was left behind. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.disk.manual = false;
    this.disk.releaseAll();
    for (const client of this.#clients) client.destroy();
    await this.server.close();
    await this.until(() => this.server.inFlightBytes === 0 && this.layer.bioSet.inUse === 0);
    expect(this.server.connectionCount).toBe(0);
    expect(this.layer.cryptCtxs.inUse).toBe(0);
    expect(this.executor.armedCount).toBe(0);
    await this.disk.disk.close();
    await rm(this.folder, { recursive: true });
  }
}

/** One turn of the event loop. */
export function turnLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Enough turns for everything that does not wait for something else to happen. */
export async function settle(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await turnLoop();
}

const open: Fixture[] = [];

/** Stops every fixture of a test file after each test. */
export function stopFixturesAfterEach(): void {
  afterEach(async () => {
    for (const fixture of open.splice(0)) await fixture.stop();
  });
}

/** Bytes that differ from place to place. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) data[at] = (at * 31 + (at >>> 8) * 17 + seed * 101) & 0xff;
  return data;
}

import { ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fixture, pattern, settle, stopFixturesAfterEach, turnLoop } from "../support/fixture.js";
import { hex, replyHex, requestHex } from "../support/raw-client.js";
import { padOf } from "../support/xor-fallback.js";

stopFixturesAfterEach();

const BLOCK = 4096;
const [READ, WRITE, TRIM, WRITE_ZEROES] = [0, 1, 4, 6] as const;

function writeBytes(offset: number, data: Uint8Array, cookie = "0000000000000001"): Buffer {
  return Buffer.concat([hex(requestHex({ type: WRITE, offset, bytes: data.length, cookie })), data]);
}

/** What the test cipher makes of the medium. */
function decrypted(fixture: Fixture): Uint8Array {
  return fixture.disk.medium.map((byte, at) => byte ^ padOf(Math.floor(at / BLOCK)));
}

describe("requests that are no multiple of the data unit", () => {
  it.each([
    ["inside a block", 100, 200],
    ["the head of a block", BLOCK, 1],
    ["the tail of a block", BLOCK - 1, 1],
    ["over a border", BLOCK - 10, 20],
    ["a head, blocks and a tail", 512, 3 * BLOCK],
    ["blocks and a tail", BLOCK, BLOCK + 1],
    ["a head and blocks", BLOCK - 1, BLOCK + 1],
    ["more than one bio", 5, (1 << 20) + 7],
  ])("write %s without touching the neighbours", async (_what, offset, bytes) => {
    const fixture = await Fixture.start({ dataUnitBytes: BLOCK, disk: { bytes: 2 << 20 } });
    const before = pattern(2 << 20, 9);
    await fixture.volume.write(0, before);
    const client = await fixture.raw();
    const data = pattern(bytes, 4);
    client.send(writeBytes(offset, data));
    expect(await client.readHex(16)).toBe(replyHex(0));
    const expected = before.slice();
    expected.set(data, offset);
    expect(Buffer.compare(decrypted(fixture), expected)).toBe(0);
    const read = await client.request({ type: READ, offset, bytes }, undefined, bytes);
    expect(Buffer.compare(read.data, data)).toBe(0);
  });

  it.each([
    ["inside a block", 100, 200],
    ["the head of a block", BLOCK, 1],
    ["the tail of a block", BLOCK - 1, 1],
    ["over a border", BLOCK - 10, 20],
    ["a head, blocks and a tail", 512, 3 * BLOCK],
    ["blocks", BLOCK, 2 * BLOCK],
  ])("zero %s: the medium holds the ciphertext of zeroes, never a hole", async (_what, offset, bytes) => {
    const fixture = await Fixture.start({ dataUnitBytes: BLOCK, disk: { bytes: 8 * BLOCK } });
    const before = pattern(8 * BLOCK, 9);
    await fixture.volume.write(0, before);
    const client = await fixture.raw();
    expect((await client.request({ type: WRITE_ZEROES, offset, bytes })).error).toBe(0);
    expect(Buffer.compare(decrypted(fixture), before.fill(0, offset, offset + bytes))).toBe(0);
    expect(fixture.disk.seen.some(({ op }) => op === ReqOp.WRITE_ZEROES || op === ReqOp.DISCARD)).toBe(false);
  });

  it("trim an encrypted export by whole data units", async () => {
    const fixture = await Fixture.start({ dataUnitBytes: BLOCK });
    const client = await fixture.raw();
    await client.request({ type: TRIM, offset: 512, bytes: 3 * BLOCK });
    expect(fixture.disk.seen).toEqual([
      expect.objectContaining({ op: ReqOp.DISCARD, offset: BLOCK, bytes: 2 * BLOCK }),
    ]);
  });

  it("make a write of the whole block wait for a cycle in it, on another connection", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const [one, two] = [await fixture.raw(), await fixture.raw("other")];
    one.send(writeBytes(100, pattern(10, 1)));
    await fixture.until(() => fixture.disk.held.length === 1);
    two.send(writeBytes(0, pattern(512, 2)));
    two.send(writeBytes(512, pattern(512, 3), "0000000000000002"));
    await fixture.until(() => fixture.disk.held.length === 2);
    expect(fixture.disk.seen.map(({ op, offset }) => [op, offset])).toEqual([
      [ReqOp.READ, 0],
      [ReqOp.WRITE, 512],
    ]);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    expect(await one.readHex(16)).toBe(replyHex(0));
    await two.read(32);
    expect(fixture.disk.medium.subarray(0, 512)).toEqual(pattern(512, 2));
  });

  it("make a write of the block through the whole disk wait for a cycle in a partition", async () => {
    const fixture = await Fixture.start({ disk: { manual: true }, partitionStart: 8 });
    const [whole, part] = [await fixture.raw(), await fixture.raw("part")];
    part.send(writeBytes(100, pattern(10, 1)));
    await fixture.until(() => fixture.disk.held.length === 1);
    whole.send(writeBytes(BLOCK, pattern(512, 2)));
    whole.send(writeBytes(0, pattern(512, 3)));
    await fixture.until(() => fixture.disk.held.length === 2);
    await settle();
    expect(fixture.disk.seen.map(({ op, offset }) => [op, offset])).toEqual([
      [ReqOp.READ, BLOCK],
      [ReqOp.WRITE, 0],
    ]);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await Promise.all([part.read(16), whole.read(32)]);
    expect(fixture.disk.medium.subarray(BLOCK, BLOCK + 512)).toEqual(pattern(512, 2));
  });

  it("make a cycle in a partition wait for a write of its block through the whole disk", async () => {
    const fixture = await Fixture.start({ disk: { manual: true }, partitionStart: 8 });
    const [whole, part] = [await fixture.raw(), await fixture.raw("part")];
    whole.send(writeBytes(BLOCK, pattern(512, 2)));
    await fixture.until(() => fixture.disk.held.length === 1);
    part.send(writeBytes(100, pattern(10, 1)));
    await settle();
    expect(fixture.disk.seen.map(({ op }) => op)).toEqual([ReqOp.WRITE]);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await part.read(16);
    const expected = pattern(512, 2);
    expected.set(pattern(10, 1), 100);
    expect(fixture.disk.medium.subarray(BLOCK, BLOCK + 512)).toEqual(expected);
  });

  it("make a cycle wait for a write of its block that is under way", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const [one, two] = [await fixture.raw(), await fixture.raw()];
    one.send(writeBytes(0, pattern(512, 2)));
    await fixture.until(() => fixture.disk.held.length === 1);
    two.send(writeBytes(100, pattern(10, 1)));
    await settle();
    expect(fixture.disk.seen.map(({ op }) => op)).toEqual([ReqOp.WRITE]);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    await two.read(16);
    const expected = pattern(512, 2);
    expected.set(pattern(10, 1), 100);
    expect(fixture.disk.medium.subarray(0, 512)).toEqual(expected);
  });

  it("keep reads of a block away from a cycle in it", async () => {
    const fixture = await Fixture.start({ disk: { manual: true } });
    const [one, two] = [await fixture.raw(), await fixture.raw()];
    one.send(writeBytes(100, pattern(10, 1)));
    await fixture.until(() => fixture.disk.held.length === 1);
    two.send(requestHex({ type: READ, offset: 0, bytes: 50 }));
    await settle();
    expect(fixture.disk.seen).toHaveLength(1);
    fixture.disk.manual = false;
    fixture.disk.releaseAll();
    expect(await two.readHex(16)).toBe(replyHex(0));
  });

  it("agree with a plain array, over two connections, whatever the device's order", async () => {
    const bytes = 4 * BLOCK;
    const operation = fc.record({
      kind: fc.constantFrom("write", "write", "zero", "read"),
      offset: fc.nat(bytes - 1),
      bytes: fc.integer({ min: 1, max: 2 * BLOCK }),
      connection: fc.nat(1),
      seed: fc.nat(255),
    });
    const round = fc.record({
      operations: fc.array(operation, { minLength: 1, maxLength: 12 }),
      order: fc.array(fc.nat(100), { maxLength: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(undefined, BLOCK),
        fc.array(round, { minLength: 1, maxLength: 4 }),
        async (dataUnitBytes, rounds) => {
          const fixture = await Fixture.start({
            disk: { bytes, manual: true, limits: { logicalBlockBytes: dataUnitBytes ?? BLOCK } },
            ...(dataUnitBytes !== undefined && { dataUnitBytes }),
          });
          const model = new Model(bytes);
          const clients = [await fixture.client(), await fixture.client("other")];
          fixture.disk.manual = false;
          await clients[0]!.write(0, new Uint8Array(bytes));
          fixture.disk.manual = true;
          for (const { operations, order } of rounds) {
            const ends = operations.map((op) => model.run(op, clients[op.connection]!));
            await drive(fixture, order, Promise.all(ends));
            model.check(await readAll(fixture));
          }
          await fixture.stop();
        },
      ),
      { seed: 42, numRuns: 60 },
    );
  }, 60_000);

  async function drive(fixture: Fixture, order: readonly number[], ends: Promise<unknown>): Promise<void> {
    let done = false;
    const finished = ends.finally(() => {
      done = true;
    });
    for (let turn = 0; !done; turn++) {
      await turnLoop();
      if (turn > 20_000) throw new Error("the requests do not end");
      if (turn % 3 !== 2 || fixture.disk.held.length === 0) continue;
      fixture.disk.release((order[turn % Math.max(order.length, 1)] ?? 0) % fixture.disk.held.length);
    }
    await finished;
  }

  async function readAll(fixture: Fixture): Promise<Uint8Array> {
    fixture.disk.manual = false;
    const all = new Uint8Array(fixture.volume.bytes);
    await fixture.volume.read(0, all);
    fixture.disk.manual = true;
    return all;
  }
});

interface Operation {
  kind: string;
  offset: number;
  bytes: number;
  seed: number;
}

interface Client {
  read(offset: number, bytes: number): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array): Promise<void>;
  writeZeroes(offset: number, bytes: number): Promise<void>;
}

/**
 * What every byte may be. Writes in flight together may end in any order where they overlap, so a byte may have the
 * value of any of them; a byte that none touches keeps its value, whatever happens to its neighbours.
 */
class Model {
  readonly #value: number[];
  #possible: (Set<number> | null)[];

  constructor(bytes: number) {
    this.#value = new Array<number>(bytes).fill(0);
    this.#possible = new Array<null>(bytes).fill(null);
  }

  run(operation: Operation, client: Client): Promise<unknown> {
    const { kind, offset, seed } = operation;
    const bytes = Math.min(operation.bytes, this.#value.length - offset);
    if (kind === "read") return this.#read(offset, bytes, client);
    const data = kind === "zero" ? new Uint8Array(bytes) : pattern(bytes, seed);
    for (let at = 0; at < bytes; at++) {
      this.#possible[offset + at] ??= new Set();
      this.#possible[offset + at]!.add(data[at]!);
    }
    return kind === "zero" ? client.writeZeroes(offset, bytes) : client.write(offset, data);
  }

  /** The end of a round: nothing is in flight, every byte has one value. */
  check(actual: Uint8Array): void {
    actual.forEach((byte, at) => {
      const possible = this.#possible[at];
      if (possible == null ? byte !== this.#value[at] : !possible.has(byte)) {
        throw new Error(`byte ${at} is ${byte}, expected ${possible == null ? this.#value[at] : [...possible]}`);
      }
      this.#value[at] = byte;
    });
    this.#possible = this.#possible.map(() => null);
  }

  async #read(offset: number, bytes: number, client: Client): Promise<void> {
    const data = await client.read(offset, bytes);
    data.forEach((byte, at) => {
      const possible = this.#possible[offset + at];
      const old = this.#value[offset + at];
      if (byte !== old && possible?.has(byte) !== true) throw new Error(`byte ${offset + at} was read as ${byte}`);
    });
  }
}

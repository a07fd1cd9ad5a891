import { BlkError, BlkStatus, newDun, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MapResult } from "../src/index.js";
import { CryptoRig, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { HoldingTarget } from "./holding-target.js";
import { pattern, Rig } from "./support.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const fail = (message: string) => () => {
  throw new BlkError("EIO", "holding", message);
};

describe("removal", () => {
  let rig: CryptoRig;
  let holding: HoldingTarget;
  beforeEach(() => {
    rig = new CryptoRig();
    holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
  });
  afterEach(() => rig.close());

  it("waits for an eviction under way before it lets the devices below go", async () => {
    let endEviction = () => {};
    const evictEnds = new Promise<void>((resolve) => {
      endEviction = resolve;
    });
    cryptoDisk(rig, "ufs", { evictEnds });
    const low = await rig.create("0 64 linear ufs 0", "low");
    const device = await rig.create("0 64 linear low 0");
    const key = newKey();
    cryptBio(rig, device.bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    const evicted = blkCryptoEvictKey(device.bdev, key);
    const removed = device.remove();
    await turn();
    expect([rig.dm.devices(), low.openCount]).toEqual([[low, device], 1]);
    endEviction();
    await rig.run(removed);
    await evicted;
    expect([rig.dm.devices(), low.openCount]).toEqual([[low], 0]);
    await rig.create("0 64 linear low 0");
  });

  it("goes on whatever targets say to its beginning", async () => {
    rig.ram("sda");
    const low = await rig.create("0 64 linear sda 0", "low");
    const device = await rig.create("0 64 holding low 0\n64 64 holding low 0");
    const event = device.waitEvent(0);
    const refused = expect(event).rejects.toMatchObject({ code: "ENXIO" });
    holding.presuspend = fail("not now");
    holding.calls.length = 0;
    await expect(rig.run(device.remove())).rejects.toThrow(/not now/);
    await refused;
    expect(holding.calls).toEqual(["presuspend", "presuspend", "postsuspend", "postsuspend", "dtr", "dtr"]);
    expect([rig.dm.devices(), low.openCount]).toEqual([[low], 0]);
    await expect(device.remove()).rejects.toMatchObject({ code: "ENXIO" });
    await rig.create("0 64 linear low 0");
  });

  it("no table takes a device that is being removed", async () => {
    rig.ram("sda");
    const low = await rig.create("0 64 holding sda 0", "low");
    holding.answer = MapResult.SUBMITTED;
    rig.submit(low.bdev, ReqOp.WRITE, 0, pattern(512));
    const removed = low.remove();
    await turn();
    await expect(rig.create("0 64 linear low 0")).rejects.toThrow(/low: the device is being removed \(ENXIO\)/);
    holding.held.pop()!.end(BlkStatus.OK);
    await rig.run(removed);
    expect(rig.dm.devices()).toEqual([]);
  });
});

describe("disposal of all mapped devices", () => {
  const ciphers: Skcipher[] = [];
  let rig: Rig;
  let holding: HoldingTarget;
  beforeEach(() => {
    ciphers.length = 0;
    const engine = createNodeEngine();
    const alloc = engine.alloc.bind(engine);
    vi.spyOn(engine, "alloc").mockImplementation((name) => {
      ciphers.push(alloc(name));
      return ciphers.at(-1)!;
    });
    rig = new Rig({}, { skcipherEngine: engine });
    holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
  });
  afterEach(() => rig.close());

  const create = (name: string, table: string) => rig.run(rig.dm.create({ name, table }));

  it("ends I/O that waits in a suspended device below others", async () => {
    rig.ram("sda");
    const low = await create("low", "0 64 linear sda 0");
    const top = await create("top", "0 64 linear low 0");
    await rig.run(low.suspend());
    const write = rig.submit(top.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([]);
    await rig.run(rig.dm[Symbol.asyncDispose]());
    expect([write.ends, rig.dm.devices()]).toEqual([[BlkStatus.IOERR], []]);
  });

  it("ends I/O that waits for a path below other devices", async () => {
    rig.sim("sda");
    const low = await create("low", "0 64 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 sda");
    const top = await create("top", "0 64 linear low 0");
    low.message(0, "fail_path sda");
    const write = rig.submit(top.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.advance(1000);
    expect(write.ends).toEqual([]);
    await rig.run(rig.dm[Symbol.asyncDispose]());
    expect([write.ends, rig.dm.devices()]).toEqual([[BlkStatus.IOERR], []]);
  });

  it("lets I/O end well that is under way", async () => {
    rig.sim("sda");
    await create("low", "0 64 linear sda 0");
    const top = await create("top", "0 64 linear low 0");
    const write = rig.submit(top.bdev, ReqOp.WRITE, 0, pattern(512));
    await rig.run(rig.dm[Symbol.asyncDispose]());
    expect(write.ends).toEqual([BlkStatus.OK]);
  });

  it("goes on to the devices below one that fails, and says what failed first", async () => {
    rig.ram("sda");
    const key = Buffer.from(pattern(64)).toString("hex");
    await create("low", `0 64 crypt aes-xts-plain64 ${key} 0 sda 0`);
    await create("top", "0 64 holding low 0\n64 64 holding sda 0");
    let failures = 0;
    holding.dtr = () => fail(`failure ${++failures}`)();
    await expect(rig.run(rig.dm[Symbol.asyncDispose]())).rejects.toThrow(/failure 1/);
    expect([rig.dm.devices(), failures, ciphers.length]).toEqual([[], 2, 1]);
    expect(() => ciphers[0]!.encrypt(pattern(512), new Uint8Array(512), 512, newDun(0n))).toThrow(/no key set/);
  });

  it("takes devices from the top, in whatever order they were made", async () => {
    rig.ram("sda");
    const top = await create("top", "0 64 linear sda 0");
    await create("low", "0 64 linear sda 0");
    await create("middle", "0 32 linear low 0\n32 32 linear low 32");
    await top.load("0 32 linear low 0\n32 32 linear middle 0");
    await rig.run(rig.dm[Symbol.asyncDispose]());
    expect(rig.dm.devices()).toEqual([]);
  });
});

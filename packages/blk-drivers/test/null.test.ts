import {
  type Bio,
  BlkStatus,
  BlockLayer,
  type CryptoKeyRef,
  type CryptoProfile,
  type KeyslotWaiter,
  newDun,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { describe, expect, it } from "vitest";
import { NullDisk, type NullDiskOptions } from "../src/null.js";

const MODES = [
  { mode: "mq", completion: "sync" },
  { mode: "bio", completion: "sync" },
  { mode: "mq", completion: "timer" },
  { mode: "bio", completion: "timer" },
] as const;

interface Rig {
  executor: SimExecutor;
  layer: BlockLayer;
  disk: NullDisk;
  ended: BlkStatus[];
}

function newRig(options: Partial<NullDiskOptions> = {}): Rig {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor });
  return { executor, layer, disk: new NullDisk(layer, { bytes: 2 ** 20, ...options }), ended: [] };
}

function newBio({ layer, disk, ended }: Rig, op: number, sector: number, memory: Uint8Array): Bio {
  const bio = layer.bioSet.tryAlloc(disk.bdev, op)!;
  bio.sector = sector;
  if (op <= ReqOp.WRITE) bio.addBuffer(memory);
  else bio.bytes = memory.length;
  bio.onEndIo = () => {
    ended.push(bio.status);
    bio.put();
  };
  return bio;
}

describe.each(MODES)("NullDisk $mode $completion", (options) => {
  it("ends all operations well; what was written reads as zeroes", () => {
    const rig = newRig(options);
    const memory = new Uint8Array(8192).fill(7);
    for (const op of [ReqOp.WRITE, ReqOp.READ, ReqOp.DISCARD, ReqOp.WRITE_ZEROES]) {
      rig.layer.submitBio(newBio(rig, op, 8, memory));
      rig.executor.runUntilIdle();
      expect(memory.every((byte) => byte === (op === ReqOp.WRITE ? 7 : 0))).toBe(true);
    }
    expect(rig.ended).toEqual([0, 0, 0, 0]);
    expect(rig.layer.bioSet.inUse).toBe(0);
  });

  it("takes its time, or none", () => {
    const rig = newRig({ ...options, delayMs: 5 });
    rig.layer.submitBio(newBio(rig, ReqOp.WRITE, 0, new Uint8Array(512)));
    if (options.completion === "timer") {
      rig.executor.advance(4.9);
      expect(rig.ended).toEqual([]);
      rig.executor.advance(0.1);
    }
    expect(rig.ended).toEqual([BlkStatus.OK]);
  });

  it("closes when all it accepted has ended, and then refuses", async () => {
    const rig = newRig(options);
    rig.layer.submitBio(newBio(rig, ReqOp.WRITE, 0, new Uint8Array(512)));
    let closed = false;
    const closing = rig.disk.close().then(() => {
      closed = true;
    });
    if (options.completion === "timer") {
      for (let turn = 0; turn < 10; turn++) await null;
      expect(closed).toBe(false);
    }
    rig.executor.runUntilIdle();
    await closing;
    expect(rig.ended).toEqual([BlkStatus.OK]);
    rig.layer.submitBio(newBio(rig, ReqOp.WRITE, 0, new Uint8Array(512)));
    expect(rig.ended).toEqual([BlkStatus.OK, BlkStatus.IOERR]);
    await rig.disk.close();
  });

  it("may be closed by two at a time", async () => {
    const rig = newRig(options);
    rig.layer.submitBio(newBio(rig, ReqOp.WRITE, 0, new Uint8Array(512)));
    const closing = [rig.disk.close(), rig.disk.close()];
    for (let turn = 0; turn < 10; turn++) await null;
    rig.executor.runUntilIdle();
    await Promise.all(closing);
    expect(rig.ended).toEqual([BlkStatus.OK]);
  });
});

describe("NullDisk", () => {
  it.each(["mq", "bio"] as const)("does queueDepth at a time, the rest afterwards: %s", (mode) => {
    const rig = newRig({ mode, completion: "timer", queueDepth: 2 });
    for (const sector of [0, 100, 200]) rig.layer.submitBio(newBio(rig, ReqOp.WRITE, sector, new Uint8Array(512)));
    rig.executor.advance(1);
    expect(rig.ended).toHaveLength(2);
    rig.executor.advance(1);
    expect(rig.ended).toHaveLength(3);
  });

  it.each([
    ["bytes", { bytes: 1000 }],
    ["delayMs", { delayMs: -1 }],
    ["queueDepth", { queueDepth: 0 }],
    ["queueDepth", { queueDepth: 20000, mode: "bio" as const }],
  ])("refuses %s out of range", (what, options) => {
    expect(() => newRig(options)).toThrow(expect.objectContaining({ code: "EINVAL", op: "nullb0" }));
    expect(() => newRig(options)).toThrow(what);
  });

  it("takes encrypted I/O when it has a profile, with a keyslot for each request", () => {
    const key: CryptoKeyRef = { modeNum: 1, keyType: "raw", dataUnitBytes: 512, dataUnitBits: 9, dunBytes: 8 };
    const log: string[] = [];
    const cryptoProfile: CryptoProfile = {
      supports: () => true,
      getKeyslot(waiter: KeyslotWaiter) {
        waiter.slot = { slotIndex: 3 };
        log.push("get");
        return BlkStatus.OK;
      },
      putKeyslot: ({ slotIndex }) => log.push(`put ${slotIndex}`),
      evictKey: async () => {},
    };
    const rig = newRig({ cryptoProfile });
    const bio = newBio(rig, ReqOp.WRITE, 0, new Uint8Array(512));
    bio.setCryptCtx(key, newDun(0n));
    rig.layer.submitBio(bio);
    expect(rig.ended).toEqual([BlkStatus.OK]);
    expect(log).toEqual(["get", "put 3"]);
  });
});

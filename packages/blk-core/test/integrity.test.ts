import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { bioIntegrityPrep } from "../src/bio-integrity.js";
import { bitwiseCrc, type IntegrityDisk, rfc1071 } from "./integrity-disk.js";
import { IntegrityRig, noise } from "./integrity-rig.js";

let rig: IntegrityRig;

function protectedRig(...options: ConstructorParameters<typeof IntegrityRig>): IntegrityRig {
  rig = new IntegrityRig(...options);
  return rig;
}

afterEach(() => rig.expectAtRest());

describe("generating on write", () => {
  it("type 1, CRC: guard of each block, no application tag, the block's number", () => {
    const { device } = protectedRig();
    const data = noise(1536);
    expect(rig.write(7, data)).toBe(BlkStatus.OK);
    for (const [index, interval] of [7, 8, 9].entries()) {
      const guard = bitwiseCrc(data.subarray(index * 512, (index + 1) * 512));
      expect(device.tupleOf(interval)).toEqual({ guard, app: 0, ref: interval });
    }
  });

  it("type 3 leaves the reference tag 0; IP has the Internet checksum for a guard", () => {
    const { device } = protectedRig({ integrity: { csum: "ip", type: 3 } });
    const data = noise(512);
    rig.write(5, data);
    expect(device.tupleOf(5)).toEqual({ guard: rfc1071(data), app: 0, ref: 0 });
  });

  it("counts intervals, not sectors", () => {
    const { device } = protectedRig({ logicalBlockBytes: 4096 });
    const data = noise(8192);
    rig.write(24, data);
    expect(device.tupleOf(4)).toEqual({ guard: bitwiseCrc(data.subarray(4096)), app: 0, ref: 4 });
  });

  it("protects intervals smaller than the logical block", () => {
    const { device } = protectedRig({
      logicalBlockBytes: 4096,
      integrity: { csum: "crc", type: 1, intervalBytes: 1024 },
    });
    const data = noise(4096);
    rig.write(8, data);
    expect(device.tupleOf(7)).toEqual({ guard: bitwiseCrc(data.subarray(3072)), app: 0, ref: 7 });
  });

  it.each(["crc", "ip"] as const)("intervals may span memory runs of any length: %s", (csum) => {
    const { device } = protectedRig({ integrity: { csum, type: 1 } });
    const data = noise(1024);
    const bio = rig.newBio(ReqOp.WRITE, 0);
    for (const [start, end] of [
      [0, 101],
      [101, 102],
      [102, 613],
      [613, 1024],
    ] as const) {
      bio.addBuffer(data, start, end - start);
    }
    expect(rig.run(bio)).toBe(BlkStatus.OK);
    const guardOf = csum === "crc" ? bitwiseCrc : rfc1071;
    expect(device.tupleOf(0).guard).toBe(guardOf(data.subarray(0, 512)));
    expect(device.tupleOf(1).guard).toBe(guardOf(data.subarray(512)));
  });

  it("reference tags on a partition are those of the disk", () => {
    const { device, disk } = protectedRig();
    const part = disk.partition("pi0p1", 100, 50);
    expect(rig.transfer(ReqOp.WRITE, 3, noise(512), part)).toBe(BlkStatus.OK);
    expect(device.tupleOf(103).ref).toBe(103);
    expect(rig.transfer(ReqOp.READ, 3, new Uint8Array(512), part)).toBe(BlkStatus.OK);
  });

  it("survives splits and merges", () => {
    const { device, layer } = protectedRig({ maxSectors: 4 });
    const data = noise(16 * 512);
    layer.startPlug();
    const bios = [0, 2, 4].map((at) => {
      const bio = rig.newBio(ReqOp.WRITE, at);
      bio.addBuffer(data, at * 512, (at === 4 ? 12 : 2) * 512);
      bio.onEndIo = (ended) => ended.put();
      layer.submitBio(bio);
      return bio;
    });
    layer.finishPlug();
    expect(bios).toHaveLength(3);
    expect(device.log).toEqual(["WRITE 0+4", "WRITE 4+4", "WRITE 8+4", "WRITE 12+4"]);
    for (let interval = 0; interval < 16; interval++) {
      const guard = bitwiseCrc(data.subarray(interval * 512, (interval + 1) * 512));
      expect(device.tupleOf(interval)).toEqual({ guard, app: 0, ref: interval });
    }
  });

  it("a request that is offered again part by part keeps data and tuples together", () => {
    const { device } = protectedRig();
    device.partBytes = 1024;
    const data = noise(2560);
    expect(rig.write(6, data)).toBe(BlkStatus.OK);
    expect(device.log).toEqual(["WRITE 6+5", "WRITE 8+3", "WRITE 10+1"]);
    expect(device.tupleOf(10)).toEqual({ guard: bitwiseCrc(data.subarray(2048)), app: 0, ref: 10 });
    const back = new Uint8Array(2560);
    expect(rig.read(6, back)).toBe(BlkStatus.OK);
    expect(back).toEqual(data);
  });

  it("discards and flushes have none", () => {
    const { layer } = protectedRig({ maxDiscardSectors: 8, writeCache: true });
    for (const op of [ReqOp.DISCARD, ReqOp.WRITE]) {
      const bio = rig.newBio(op, 0);
      if (op === ReqOp.DISCARD) bio.bytes = 512;
      expect(bioIntegrityPrep(bio, rig.queue.limits.integrity!)).toBe(true);
      expect(bio.integrity).toBeNull();
      bio.put();
    }
    expect(layer.integrityPool.inUse).toBe(0);
  });
});

describe("verifying on read", () => {
  it.each([
    ["data", (device: IntegrityDisk) => device.intervalData(4)],
    ["guard tag", (device: IntegrityDisk) => device.tuples.subarray(32, 34)],
  ])("a flipped bit of the %s ends the read with PROTECTION, and is traced", (_what, spot) => {
    const { device, traced } = protectedRig();
    rig.write(3, noise(1536));
    spot(device)[1]! ^= 4;
    expect(rig.read(3, new Uint8Array(1536))).toBe(BlkStatus.PROTECTION);
    expect(traced).toEqual([{ event: "blk_integrity_verify", disk: "pi0", interval: 4, mismatch: "guard tag" }]);
    expect(rig.read(5, new Uint8Array(512))).toBe(BlkStatus.OK);
  });

  it("type 1: data that belongs elsewhere ends with PROTECTION; type 3 does not look", () => {
    for (const [type, status] of [
      [1, BlkStatus.PROTECTION],
      [3, BlkStatus.OK],
    ] as const) {
      const { device, traced } = protectedRig({ integrity: { csum: "crc", type } });
      rig.write(3, noise(512));
      device.intervalData(4).set(device.intervalData(3));
      device.tuples.copyWithin(32, 24, 32);
      expect(rig.read(4, new Uint8Array(512))).toBe(status);
      expect(traced).toEqual(
        type === 3 ? [] : [{ event: "blk_integrity_verify", disk: "pi0", interval: 4, mismatch: "reference tag" }],
      );
    }
  });

  it("the application tag FFFF says that nothing is protected", () => {
    const { device } = protectedRig();
    device.tuples.fill(0xff, 0, 16);
    device.data.fill(0x33, 0, 1024);
    expect(rig.read(0, new Uint8Array(1024))).toBe(BlkStatus.OK);
    device.tuples[2] = 0;
    expect(rig.read(0, new Uint8Array(512))).toBe(BlkStatus.PROTECTION);
  });

  it("with type 3 only together with the reference tag FFFFFFFF", () => {
    const { device } = protectedRig({ integrity: { csum: "crc", type: 3 } });
    device.tuples.fill(0xff, 0, 8);
    device.data.fill(0x33, 0, 512);
    expect(rig.read(0, new Uint8Array(512))).toBe(BlkStatus.OK);
    device.tuples[7] = 0;
    expect(rig.read(0, new Uint8Array(512))).toBe(BlkStatus.PROTECTION);
  });

  it("happens in a work item, outside the driver's completion", () => {
    const { executor, layer } = protectedRig();
    rig.write(0, noise(512));
    const bio = rig.newBio(ReqOp.READ, 0);
    bio.addBuffer(new Uint8Array(512));
    let ended = false;
    bio.onEndIo = () => {
      ended = true;
      bio.put();
    };
    layer.submitBio(bio);
    expect(ended).toBe(false);
    executor.runUntilIdle();
    expect(ended).toBe(true);
  });

  it("a read that failed is not checked", () => {
    const { queue, device } = protectedRig();
    device.queueRq = (rq) => {
      rq.complete(BlkStatus.MEDIUM);
      return BlkStatus.OK;
    };
    expect(queue.limits.integrity).not.toBeNull();
    expect(rig.read(0, new Uint8Array(512))).toBe(BlkStatus.MEDIUM);
  });

  it("a split read fails as a whole when one part does", () => {
    const { device } = protectedRig({ maxSectors: 2 });
    rig.write(0, noise(4096));
    device.intervalData(1)[0]! ^= 1;
    expect(rig.read(0, new Uint8Array(4096))).toBe(BlkStatus.PROTECTION);
  });
});

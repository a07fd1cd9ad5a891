import { BlkMqQueue, type BlkRequest, BlkStatus, GenDisk, ReqOp } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pattern, Rig, read, type SubmittedBio } from "./support.js";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

/** A disk that keeps the requests it is given, for the test to end. */
function heldPath(name: string): BlkRequest[] {
  const held: BlkRequest[] = [];
  const queueRq = (rq: BlkRequest): BlkStatus => {
    held.push(rq);
    return BlkStatus.OK;
  };
  const queue = new BlkMqQueue(rig.layer, { ops: { queueRq } });
  rig.devices.set(name, new GenDisk({ name, queue, sectorCount: 4096 }).part0);
  return held;
}

/** Three writes of 4 KiB that travel as one request. */
async function writeThree(paths: string): Promise<SubmittedBio[]> {
  const table = `0 1024 multipath 0 0 1 1 round-robin 0 ${paths.split(" ").length} 0 ${paths}`;
  const { bdev } = await rig.run(rig.dm.create({ name: "mp", table }));
  rig.layer.startPlug();
  const bios = [0, 8, 16].map((sector) => rig.submit(bdev, ReqOp.WRITE, sector, pattern(4096, sector + 1)));
  rig.layer.finishPlug();
  return bios;
}

const ends = (bios: readonly SubmittedBio[]) => bios.map((bio) => bio.ends.map(Number).join());

describe("a request of several bios, of which a path ends parts", () => {
  it("bios that are done before the path fails are not done again, and no others are left out", async () => {
    const b = rig.sim("b");
    const [partly, not] = [heldPath("partly"), heldPath("not")];
    const bios = await writeThree("partly not b");
    partly[0]!.update(BlkStatus.OK, 4096 + 512);
    partly[0]!.complete(BlkStatus.TRANSPORT);
    rig.executor.runUntilIdle();
    not[0]!.complete(BlkStatus.TRANSPORT);
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0", "0"]);
    expect(read(b, 0, 4096)).toEqual(new Uint8Array(4096));
    expect(read(b, 8, 4096)).toEqual(pattern(4096, 9));
    expect(read(b, 16, 4096)).toEqual(pattern(4096, 17));
  });

  it("a bio that is done after one that failed does not stand for it", async () => {
    const b = rig.sim("b");
    const held = heldPath("first");
    const bios = await writeThree("first b");
    held[0]!.update(BlkStatus.TRANSPORT, 4096);
    held[0]!.update(BlkStatus.OK, 4096);
    held[0]!.complete(BlkStatus.TRANSPORT);
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual(["0", "0", "0"]);
    for (const sector of [0, 8, 16]) expect(read(b, sector, 4096)).toEqual(pattern(4096, sector + 1));
  });

  it("a part that failed is not forgotten because the rest ends well", async () => {
    const held = heldPath("first");
    const bios = await writeThree("first");
    held[0]!.update(BlkStatus.OK, 4096);
    held[0]!.update(BlkStatus.MEDIUM, 4096);
    held[0]!.complete(BlkStatus.OK);
    rig.executor.runUntilIdle();
    expect(ends(bios)).toEqual([BlkStatus.OK, BlkStatus.MEDIUM, BlkStatus.MEDIUM].map(String));
  });
});

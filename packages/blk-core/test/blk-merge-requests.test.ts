import { BlkStatus, mqDeadline, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BioOptions, expectNoLeaks, FakeProfile, fakeKey, makeBio, makeRig, type Rig, submit } from "./support.js";

let rig: Rig;
let profile: FakeProfile;
const key = fakeKey(512);
const crypt = (dun: number, withKey = key): BioOptions => ({ key: withKey, dun: BigInt(dun) });

function fresh(options: Parameters<typeof makeRig>[0] = {}): void {
  rig = makeRig(options);
  profile = new FakeProfile();
  rig.queue.registerCryptoProfile(profile);
}

beforeEach(() => fresh());
afterEach(() => {
  rig.driver.completeAll();
  expect(profile.held).toBe(0);
  expectNoLeaks(rig);
});

function plugged(...bios: [sector: number, sectors: number, options?: BioOptions][]): BlkStatus[][] {
  rig.layer.startPlug();
  const ends = bios.map(([sector, sectors, options]) => submit(rig, sector, sectors, options));
  rig.layer.finishPlug();
  return ends;
}

/** Submits while the driver takes nothing, so that all is left to the elevator. */
function quiesced(...bios: [sector: number, sectors: number, options?: BioOptions][]): BlkStatus[][] {
  rig.queue.quiesce();
  const ends = bios.map(([sector, sectors, options]) => submit(rig, sector, sectors, options));
  rig.queue.unquiesce();
  return ends;
}

describe("two requests in a plug", () => {
  it("[CORE-24] become one when a bio closes the gap", () => {
    const ends = plugged([0, 8, crypt(0)], [16, 8, crypt(16)], [8, 8, crypt(8)]);
    expect(rig.driver.log).toEqual(["READ 0+24"]);
    rig.driver.completeAll();
    expect(ends).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
  });

  it("[CORE-24] also when the later one comes first on the disk", () => {
    plugged([16, 8, crypt(16)], [0, 8, crypt(0)], [8, 8, crypt(8)]);
    expect(rig.driver.log).toEqual(["READ 0+24"]);
  });

  it("[CORE-24] not when the DUNs do not continue, nor with another key, nor encrypted with plain", () => {
    plugged([0, 8, crypt(100)], [16, 8, crypt(16)], [8, 8, crypt(8)]);
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+8", "READ 8+16"]);
    plugged([0, 8, crypt(0, fakeKey())], [16, 8, crypt(16)], [8, 8, crypt(8)]);
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+8", "READ 8+16"]);
    plugged([0, 8], [16, 8, crypt(16)], [8, 8, crypt(8)]);
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+8", "READ 8+16"]);
  });

  it("[CORE-30] the absorbed one's keyslot goes at once, its context once, and it can be used again", () => {
    rig.layer.startPlug();
    submit(rig, 0, 8, crypt(0));
    submit(rig, 16, 8, crypt(16));
    expect([profile.held, rig.queue.inFlight]).toEqual([2, 2]);
    submit(rig, 8, 8, crypt(8));
    expect([profile.held, rig.queue.inFlight]).toEqual([1, 1]);
    rig.layer.finishPlug();
    const [rq] = rig.driver.taken;
    expect([rq!.cryptCtx!.key, rq!.cryptCtx!.dun[0], rq!.segmentCount]).toEqual([key, 0, 3]);
  });

  it("stay two at max sectors and max segments, and across devices", () => {
    fresh({ limits: { maxSectors: 16 } });
    plugged([0, 8], [16, 8], [8, 8]);
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 8+16"]);
    rig.driver.completeAll();
    fresh({ limits: { maxSegments: 2 } });
    plugged([0, 8], [16, 8], [8, 8]);
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 8+16"]);
  });

  it("make room for a bio that waited for a request", () => {
    fresh({ nrRequests: 2 });
    rig.queue.quiesce();
    submit(rig, 0, 8);
    submit(rig, 16, 8);
    const waiting = submit(rig, 500, 8);
    expect(waiting).toEqual([]);
    rig.queue.unquiesce();
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 16+8", "READ 500+8"]);
  });
});

describe("two requests in an elevator", () => {
  beforeEach(() => fresh({ elevator: mqDeadline() }));

  it("[CORE-24] become one when a bio closes the gap from either side", () => {
    quiesced([0, 8, crypt(0)], [16, 8, crypt(16)], [8, 8, crypt(8)]);
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+24"]);
    quiesced([100, 8, crypt(0)], [116, 8, crypt(16)], [107, 1, crypt(50)], [108, 8, crypt(8)]);
    expect(rig.driver.log).toEqual(["READ 100+24", "READ 107+1"]);
  });

  it("[CORE-24] become one when they come from a plug", () => {
    plugged([0, 8, crypt(0)], [100, 8, crypt(100)], [8, 8, crypt(8)]);
    expect(rig.driver.log).toEqual(["READ 0+16", "READ 100+8"]);
    expect(profile.held).toBe(2);
  });

  it("[CORE-24] stay two when DUNs or keys do not fit", () => {
    quiesced([0, 8, crypt(0)], [16, 8, crypt(99)], [8, 8, crypt(8)]);
    expect(rig.driver.log.splice(0)).toEqual(["READ 0+16", "READ 16+8"]);
    quiesced([100, 8, crypt(0)], [116, 8, crypt(16, fakeKey())], [108, 8, crypt(8)]);
    expect(rig.driver.log).toEqual(["READ 100+16", "READ 116+8"]);
  });

  it("[CORE-30] the absorbed one's keyslot goes at once", () => {
    rig.queue.quiesce();
    submit(rig, 0, 8, crypt(0));
    submit(rig, 16, 8, crypt(16));
    submit(rig, 8, 8, crypt(8));
    expect([profile.held, rig.queue.inFlight]).toEqual([1, 1]);
    rig.queue.unquiesce();
  });

  it("a bio that waited takes the absorbed request's place", () => {
    fresh({ elevator: mqDeadline(), nrRequests: 3 });
    rig.queue.quiesce();
    for (const sector of [0, 16, 500]) submit(rig, sector, 8);
    const waiting = submit(rig, 600, 8);
    submit(rig, 8, 8);
    expect(rig.queue.inFlight).toBe(3);
    rig.queue.unquiesce();
    expect(rig.driver.log).toEqual(["READ 0+24", "READ 500+8", "READ 600+8"]);
    rig.driver.completeAll();
    expect(waiting).toEqual([BlkStatus.OK]);
  });
});

describe("discards", () => {
  const limits = { maxDiscardSectors: 64, discardGranularityBytes: 512 };
  beforeEach(() => fresh({ limits }));

  function discard(sector: number, sectors: number, options: BioOptions = {}): void {
    const { bio } = makeBio(rig, sector, 0, { op: ReqOp.DISCARD, ...options });
    bio.bytes = sectors * 512;
    // The block layer refuses contexts on discards, so this goes to the queue itself.
    if (options.key === undefined) rig.layer.submitBio(bio);
    else rig.queue.submitBio(bio);
  }

  it("of adjacent sectors merge into one range, up to their own limit", () => {
    rig.layer.startPlug();
    discard(0, 32);
    discard(32, 16);
    discard(48, 16);
    discard(64, 16);
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["DISCARD 0+64", "DISCARD 64+16"]);
    expect(rig.driver.taken[0]!.segmentCount).toBe(1);
  });

  it("never merge beyond the bytes that a request counts", () => {
    rig = makeRig({ limits: { maxDiscardSectors: 2 ** 32 - 1 } }, {}, 2 ** 40);
    const sectors = (3 * 2 ** 30) / 512;
    rig.layer.startPlug();
    discard(0, sectors);
    discard(sectors, sectors);
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual([`DISCARD 0+${sectors}`, `DISCARD ${sectors}+${sectors}`]);
  });

  it("never merge with writes", () => {
    rig.layer.startPlug();
    submit(rig, 0, 8, { op: ReqOp.WRITE });
    discard(8, 8);
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "DISCARD 8+8"]);
  });

  it("[CORE-32] merge whatever their DUNs are, from both sides and as requests", () => {
    rig.layer.startPlug();
    discard(8, 8, crypt(1000));
    discard(16, 8, crypt(5));
    discard(0, 8, crypt(77));
    rig.layer.finishPlug();
    expect(rig.driver.log.splice(0)).toEqual(["DISCARD 0+24"]);
    rig.layer.startPlug();
    discard(0, 8, crypt(1));
    discard(16, 8, crypt(1));
    discard(8, 8, crypt(1));
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["DISCARD 0+24"]);
  });
});

it("reads never merge beyond the bytes that a request counts", () => {
  rig = makeRig({ limits: { maxSectors: 2 ** 24, maxSegmentBytes: 2 ** 24, maxSegments: 1024 } }, {}, 2 ** 40);
  const memory = new Uint8Array(2 ** 24);
  const sectors = (3 * 2 ** 30) / 512;
  rig.layer.startPlug();
  for (const sector of [0, sectors]) {
    const { bio } = makeBio(rig, sector, 0);
    while (bio.bytes < sectors * 512) bio.addBuffer(memory);
    rig.layer.submitBio(bio);
  }
  rig.layer.finishPlug();
  expect(rig.driver.log).toEqual([`READ 0+${sectors}`, `READ ${sectors}+${sectors}`]);
});

it("a request that reached its limits is not compared again", () => {
  fresh({ limits: { maxSectors: 8 } });
  rig.layer.startPlug();
  submit(rig, 0, 6);
  submit(rig, 6, 6);
  submit(rig, 12, 1);
  rig.layer.finishPlug();
  expect(rig.driver.log).toEqual(["READ 0+6", "READ 6+7"]);
  expect(rig.driver.taken[0]!.opf & ReqFlag.NOMERGE).not.toBe(0);
});

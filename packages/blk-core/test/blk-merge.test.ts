import { BlkStatus, type CryptoKeyRef, dunToBigInt, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BioOptions, expectNoLeaks, FakeProfile, fakeKey, makeRig, type Rig, submit } from "./support.js";

let rig: Rig;
let profile: FakeProfile;
const key = fakeKey(512);

function fresh(options: Parameters<typeof makeRig>[0] = {}): void {
  rig = makeRig(options);
  profile = new FakeProfile();
  rig.queue.registerCryptoProfile(profile);
}

beforeEach(() => fresh());
afterEach(() => {
  expect(profile.held).toBe(0);
  expectNoLeaks(rig);
});

/** Submits bios under one plug and says what the driver then saw. */
function plugged(...bios: [sector: number, sectors: number, options?: BioOptions][]): string[] {
  rig.layer.startPlug();
  const ends = bios.map(([sector, sectors, options]) => submit(rig, sector, sectors, options));
  rig.layer.finishPlug();
  const seen = [...rig.driver.log];
  rig.driver.completeAll();
  expect(ends.flat()).toEqual(bios.map(() => BlkStatus.OK));
  return seen;
}

const crypt = (dun: number | bigint, withKey: CryptoKeyRef = key): BioOptions => ({ key: withKey, dun: BigInt(dun) });

describe("back merge", () => {
  it("[CORE-22] joins adjacent sectors with one key and continuing DUNs", () => {
    expect(plugged([0, 8, crypt(0)], [8, 8, crypt(8)])).toEqual(["READ 0+16"]);
    expect(profile.programmed).toHaveLength(1);
  });

  it("[CORE-20] the merged bio never takes a keyslot", () => {
    plugged([0, 1, crypt(0)], [1, 1, crypt(1)], [2, 1, crypt(2)]);
    expect(profile.programmed).toHaveLength(1);
  });

  it("[CORE-22] not with a gap in the DUNs, though the sectors touch", () => {
    expect(plugged([0, 8, crypt(0)], [8, 8, crypt(9)])).toEqual(["READ 0+8", "READ 8+8"]);
  });

  it("[CORE-25] not with another key, nor encrypted with plain", () => {
    const other = fakeKey(512);
    expect(plugged([0, 8, crypt(0)], [8, 8, crypt(8, other)])).toEqual(["READ 0+8", "READ 8+8"]);
    fresh();
    expect(plugged([0, 8, crypt(0)], [8, 8])).toEqual(["READ 0+8", "READ 8+8"]);
    fresh();
    expect(plugged([0, 8], [8, 8, crypt(8)])).toEqual(["READ 0+8", "READ 8+8"]);
  });

  it("[CORE-26] over a carry, but not over a wrap of all limbs", () => {
    expect(plugged([0, 1, crypt(2n ** 32n - 1n)], [1, 1, crypt(2n ** 32n)])).toEqual(["READ 0+2"]);
    fresh();
    expect(plugged([0, 1, crypt(2n ** 256n - 1n)], [1, 1, crypt(0)])).toEqual(["READ 0+1", "READ 1+1"]);
  });

  it("[CORE-28] frees the merged bio's context; the request keeps the first bio's", () => {
    rig.layer.startPlug();
    submit(rig, 0, 8, crypt(100));
    submit(rig, 8, 8, crypt(108));
    expect(rig.layer.cryptCtxs.inUse).toBe(1);
    rig.layer.finishPlug();
    expect(dunToBigInt(rig.driver.taken[0]!.cryptCtx!.dun)).toBe(100n);
    rig.driver.completeAll();
  });
});

describe("front merge", () => {
  it("[CORE-23] [CORE-29] puts the bio in front and takes its DUN; key and slot stay", () => {
    rig.layer.startPlug();
    submit(rig, 8, 8, crypt(108));
    submit(rig, 0, 8, crypt(100));
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["READ 0+16"]);
    const rq = rig.driver.taken[0]!;
    expect([rq.cryptCtx!.key, dunToBigInt(rq.cryptCtx!.dun), rq.bio!.sector]).toEqual([key, 100n, 0]);
    expect(profile.programmed).toHaveLength(1);
    rig.driver.completeAll();
  });

  it("[CORE-23] not when the DUNs do not meet", () => {
    expect(plugged([8, 8, crypt(108)], [0, 8, crypt(101)])).toEqual(["READ 8+8", "READ 0+8"]);
  });
});

describe("the search for a request to merge with", () => {
  it("[CORE-27] goes on past another key, and stops at a DUN that does not fit", () => {
    // The driver takes nothing, so requests stay in the queue's list.
    rig.queue.quiesce();
    const other = fakeKey(512);
    submit(rig, 0, 8, crypt(0));
    // It touches the next bio, which must pass it by and find the first.
    submit(rig, 16, 8, crypt(16, other));
    submit(rig, 8, 8, crypt(8));
    expect(profile.programmed).toHaveLength(2);
    submit(rig, 24, 8, crypt(700, other));
    expect(profile.programmed).toHaveLength(3);
    // Neither refusal was held against the requests.
    submit(rig, 24, 8, crypt(24, other));
    expect(profile.programmed).toHaveLength(3);
    rig.queue.unquiesce();
    expect(rig.driver.log).toEqual(["READ 0+16", "READ 16+16", "READ 24+8"]);
    rig.driver.completeAll();
  });

  it("never merges different operations, flushes, FUA writes or what says no", () => {
    expect(plugged([0, 8], [8, 8, { op: ReqOp.WRITE }])).toHaveLength(2);
    fresh();
    expect(plugged([0, 8], [8, 8, { op: ReqOp.READ | ReqFlag.NOMERGE }])).toHaveLength(2);
    fresh({ limits: { writeCache: true, fua: true } });
    expect(plugged([0, 8, { op: ReqOp.WRITE }], [8, 8, { op: ReqOp.WRITE | ReqFlag.FUA }])).toHaveLength(2);
  });

  it("respects max sectors and max segments", () => {
    fresh({ limits: { maxSectors: 16 } });
    expect(plugged([0, 8], [8, 8], [16, 8])).toEqual(["READ 0+16", "READ 16+8"]);
    fresh({ limits: { maxSegments: 2 } });
    expect(plugged([0, 8], [8, 8], [16, 8])).toEqual(["READ 0+16", "READ 16+8"]);
  });
});

describe("plug", () => {
  it("nests, and sends a long list on by itself", () => {
    rig.layer.startPlug();
    rig.layer.startPlug();
    for (let index = 0; index < 33; index++) submit(rig, index * 100, 1);
    expect(rig.driver.log).toHaveLength(32);
    rig.layer.finishPlug();
    expect(rig.driver.log).toHaveLength(32);
    rig.layer.finishPlug();
    expect(rig.driver.log).toHaveLength(33);
    expect(() => rig.layer.finishPlug()).toThrow(/not started/);
    rig.driver.completeAll();
  });

  it("does not hold back more behind a large request", () => {
    rig.layer.startPlug();
    submit(rig, 0, 256);
    expect(rig.driver.log).toHaveLength(0);
    submit(rig, 1000, 1);
    expect(rig.driver.log).toEqual(["READ 0+256"]);
    rig.layer.finishPlug();
    rig.driver.completeAll();
  });
});

describe("every merge", () => {
  it("[CORE-22] [CORE-23] [CORE-24] keeps DUN minus sector constant over a request of one key", () => {
    const keys = [fakeKey(512), fakeKey(512)];
    const oneBio = fc.record({
      sector: fc.nat(24),
      sectors: fc.integer({ min: 1, max: 6 }),
      keyIndex: fc.constantFrom(-1, 0, 1),
      skew: fc.constantFrom(0, 0, 0, 5),
    });
    fc.assert(
      fc.property(fc.array(oneBio, { minLength: 1, maxLength: 12 }), (bios) => {
        fresh();
        rig.layer.startPlug();
        for (const { sector, sectors, keyIndex, skew } of bios) {
          submit(rig, sector, sectors, keyIndex < 0 ? {} : crypt(sector + skew + 1000, keys[keyIndex]!));
        }
        rig.layer.finishPlug();
        let total = 0;
        for (const rq of rig.driver.taken) {
          total += rq.sectors;
          const first = rq.cryptCtx === null ? null : dunToBigInt(rq.cryptCtx.dun) - BigInt(rq.sector);
          for (let bio = rq.bio; bio !== null; bio = bio.next) {
            if (bio.cryptCtx === null) continue;
            expect(bio.cryptCtx.key).toBe(rq.cryptCtx!.key);
            expect(dunToBigInt(bio.cryptCtx.dun) - BigInt(bio.sector)).toBe(first);
          }
        }
        expect(total).toBe(bios.reduce((sum, bio) => sum + bio.sectors, 0));
        rig.driver.completeAll();
        expectNoLeaks(rig);
      }),
      { seed: 2026, numRuns: 500 },
    );
  });
});

import { BlkStatus, ReqFlag, ReqOp, Timer } from "@inlinecrypt/blk-core";
import { type BlkCryptoKey, blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { SeededRandom } from "@inlinecrypt/blk-sim";
import { describe, expect, it } from "vitest";
import { DmFeature, type DmTargetIo, type DmTargetType, MapResult } from "../src/index.js";
import { ciphertext, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { pattern, Rig, read, type SubmittedBio } from "./support.js";

const SECTORS = 1024;
const HALF = SECTORS / 2;

/** Keeps some bios for a while; gives them back when the device is suspended without flush. */
function parkingTarget(random: SeededRandom): DmTargetType {
  return {
    name: "parking",
    version: [1, 0, 0],
    features: DmFeature.PASSES_CRYPTO,
    ctr(args, spec) {
      const dev = spec.getDevice(args.word("the device"));
      const start = args.number("the start sector");
      const parked = new Set<DmTargetIo>();
      const letGo = (end: (io: DmTargetIo) => void): void => {
        const all = [...parked];
        parked.clear();
        for (const io of all) end(io);
      };
      const timer = new Timer(() => letGo((io) => io.submit()));
      return {
        numFlushBios: 1,
        maxIoSectors: 24,
        map(bio, io) {
          bio.setDev(dev.bdev);
          bio.sector += start - spec.begin;
          if (!random.oneIn(3)) return MapResult.REMAPPED;
          parked.add(io);
          if (!timer.pending) spec.layer.executor.addTimer(timer, 2);
          return MapResult.SUBMITTED;
        },
        presuspend(noflush) {
          spec.layer.executor.cancelTimer(timer);
          letGo((io) => (noflush ? io.end(BlkStatus.DM_REQUEUE) : io.submit()));
        },
        iterateDevices: (visit) => visit(dev.bdev, start, spec.sectors),
        table: () => `${dev.name} ${start}`,
      };
    },
  };
}

/** A table that maps sector s to sector s of disk `a`, or s - HALF of `b`, cut anywhere and by any target that can. */
function randomTable(random: SeededRandom): string {
  const cuts = new Set([0, HALF, SECTORS]);
  for (let count = random.below(6); count > 0; count--) cuts.add(random.below(SECTORS));
  const places = [...cuts].sort((one, other) => one - other);
  return places
    .slice(1)
    .map((end, index) => {
      const begin = places[index]!;
      const type = random.pick(["linear", "parking", "flakey"]);
      const device = begin < HALF ? random.pick(["a", "through"]) : "b";
      const start = begin < HALF ? begin : begin - HALF;
      return `${begin} ${end - begin} ${type} ${device} ${start}${type === "flakey" ? " 1 0" : ""}`;
    })
    .join("\n");
}

/** Writes that do not overlap what is under way, reads of what was written, and tables that come and go. */
async function play(seed: number, rounds: number): Promise<void> {
  const random = new SeededRandom(seed);
  const rig = new Rig();
  rig.dm.registerTarget(parkingTarget(random.fork("parking")));
  const disks = ["a", "b"].map((name) =>
    cryptoDisk(rig, name, { slotCount: 2, modesSupported: { "AES-256-XTS": 512 } }),
  );
  await rig.run(rig.dm.create({ name: "through", table: `0 ${HALF} linear a 0` }));
  const device = await rig.run(rig.dm.create({ name: "dm", table: randomTable(random) }));
  const keys = [newKey(1), newKey(2), newKey(3)];
  /** Of each sector, what it was written with. */
  const keyOf = new Array<BlkCryptoKey | null>(SECTORS).fill(null);
  const model = new Uint8Array(SECTORS * 512);
  for (let round = 0; round < rounds; round++) {
    const busy = new Set<number>();
    const bios: [SubmittedBio, (() => void) | null][] = [];
    for (let count = 0; count < 12; count++) {
      const sector = random.below(SECTORS);
      const sectors = Math.min(1 + random.below(60), SECTORS - sector);
      const range = Array.from({ length: sectors }, (_, index) => sector + index);
      const key = random.pick(keys);
      if (random.oneIn(2)) {
        if (range.some((each) => busy.has(each))) continue;
        const data = pattern(sectors * 512, random.nextUint32());
        const flags = random.pick([0, 0, ReqFlag.FUA, ReqFlag.PREFLUSH]);
        bios.push([cryptBio(rig, device.bdev, ReqOp.WRITE | flags, sector, data, key, BigInt(sector)).submit(), null]);
        model.set(data, sector * 512);
        for (const each of range) keyOf[each] = key;
      } else {
        if (range.some((each) => busy.has(each) || keyOf[each] !== key)) continue;
        const back = new Uint8Array(sectors * 512);
        const expected = model.slice(sector * 512, sector * 512 + back.length);
        const check = () => expect(Buffer.compare(back, expected), `read of ${sectors} at ${sector}`).toBe(0);
        bios.push([cryptBio(rig, device.bdev, ReqOp.READ, sector, back, key, BigInt(sector)).submit(), check]);
      }
      for (const each of range) busy.add(each);
      if (random.oneIn(3)) rig.executor.advance(random.between(0, 1));
    }
    const noflush = random.oneIn(2);
    const change = random.below(4);
    if (change < 2) {
      await device.load(randomTable(random));
      await rig.run(device.resume({ noflush }));
    } else if (change === 2) {
      await rig.run(device.suspend({ noflush }));
      await rig.run(device.resume());
    }
    rig.executor.runUntilIdle();
    for (const [bio, check] of bios) {
      expect(bio.ends, `seed ${seed} round ${round}`).toEqual([BlkStatus.OK]);
      check?.();
    }
  }
  for (const [index, { disk }] of disks.entries()) {
    // The oracle is slow.
    for (let sector = random.below(13); sector < HALF; sector += 13) {
      const at = index * HALF + sector;
      const key = keyOf[at] ?? null;
      if (key === null) continue;
      const data = model.subarray(at * 512, (at + 1) * 512);
      expect(Buffer.compare(read(disk, sector, 512), ciphertext(data, key, BigInt(at)))).toBe(0);
    }
  }
  await rig.run(blkCryptoEvictKey(device.bdev, keys[0]!));
  await rig.close();
  expect(disks.flatMap(({ slots }) => slots).filter((key) => key !== null)).toEqual([]);
}

describe("random tables under encrypted load", () => {
  it.each([1, 2, 3, 4])("nothing is lost or wrong, no plaintext below, no key left behind (seed %i)", async (seed) => {
    await play(seed, 30);
  });
});

import { BlkStatus, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import type { FaultRule } from "@inlinecrypt/ufshcd-emulator/controller";
import { expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { expectSameBytes, makeKey, pattern } from "./support/keys.js";
import { UfsRig } from "./support/ufs-rig.js";

const KEYS = 6;
const REGION_BLOCKS = 512;
const ROUNDS = 40;
const BIOS = 24;

/** Faults after which a command succeeds when it is tried again. */
const FAULTS: readonly ((skip: number) => FaultRule)[] = [
  (skip) => ({ kind: "lostCompletion", skip }),
  (skip) => ({ kind: "lostInterrupt", skip }),
  (skip) => ({ kind: "engineFault", skip, times: 2 }),
  (skip) => ({ kind: "engineFatal", skip }),
  (skip) => ({ kind: "controllerFatal", skip }),
  (skip) => ({ kind: "deviceFatal", skip }),
  (skip) => ({ kind: "slowCommand", skip, delayNs: 1.5e9 }),
];

/** Numbers below `bound`, the same for the same seed. */
function randomFrom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
}

/** What block `block` held after it was written as generation `generation`. */
const contents = (block: number, generation: number): Uint8Array => pattern(4096, block * 1000 + generation);

for (const seed of [1, 2, 3, 4, 5, 6]) {
  it(`random I/O under random faults and suspends loses nothing (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const rig = await UfsRig.start({ hibernateClearsKeys: seed % 2 === 0 }, { commandTimeoutMs: 1000 }, 2);
    const keys = Array.from({ length: KEYS }, (_, index) => makeKey(index + 1));
    const units = rig.hba.luns.map(({ bdev }) => ({
      bdev,
      // A block always has the same key; the last of them is none.
      volumes: [...keys.map((key) => new Volume(bdev, { key, firstDun: 7n })), new Volume(bdev)],
      generations: new Uint32Array(REGION_BLOCKS),
    }));
    for (let round = 0; round < ROUNDS; round++) {
      if (random(3) === 0) rig.controller.faults.add(FAULTS[random(FAULTS.length)]!(random(BIOS)));
      if (random(5) === 0) await rig.drive(rig.hba.pm.runtimeSuspend());
      const busy = new Set<string>();
      const ended: Promise<void>[] = [];
      for (let count = 0; count < BIOS; count++) {
        const unitIndex = random(2);
        const unit = units[unitIndex]!;
        const block = random(REGION_BLOCKS);
        if (busy.has(`${unitIndex} ${block}`)) continue;
        busy.add(`${unitIndex} ${block}`);
        const volume = unit.volumes[block % unit.volumes.length]!;
        const isWrite = unit.generations[block] === 0 || random(2) === 0;
        if (isWrite) unit.generations[block]!++;
        const expected = contents(block, unit.generations[block]!);
        const buffer = isWrite ? expected.slice() : new Uint8Array(4096);
        const op = isWrite ? ReqOp.WRITE : ReqOp.READ;
        const io = submit(unit.bdev, op, block * 4096, buffer, volume).then((status) => {
          expect(status).toBe(BlkStatus.OK);
          expectSameBytes(buffer, expected);
        });
        ended.push(io);
      }
      await rig.drive(Promise.all(ended));
      if (random(8) === 0) await rig.drive(blkCryptoEvictKey(units[0]!.bdev, keys[random(KEYS)]!));
    }
    rig.controller.faults.clear();
    for (const { bdev, volumes, generations } of units) {
      for (const [block, generation] of generations.entries()) {
        if (generation === 0) continue;
        const back = new Uint8Array(4096);
        const volume = volumes[block % volumes.length]!;
        expect(await rig.drive(submit(bdev, ReqOp.READ, block * 4096, back, volume))).toBe(BlkStatus.OK);
        expectSameBytes(back, contents(block, generation));
      }
    }
    await rig.end();
  });
}

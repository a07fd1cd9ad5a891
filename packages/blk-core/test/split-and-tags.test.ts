import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { expect, it } from "vitest";
import { expectNoLeaks, makeRig, submit } from "./support.js";

// Found by `pnpm sim --seed 19`: parts of split bios held all split bios while they waited for tags behind bios that
// waited for split bios.
it("parts that wait for tags never take the split bios that others wait for", () => {
  const rig = makeRig({ limits: { maxSectors: 8 }, queueDepth: 1 });
  const ends = Array.from({ length: 100 }, (_, index) => submit(rig, index * 64, 24, { op: ReqOp.WRITE }));
  while (rig.driver.taken.length > 0) rig.driver.completeNext();
  expect(ends.flat()).toEqual(ends.map(() => BlkStatus.OK));
  expectNoLeaks(rig);
});

// Splitting from outside a submission (a tag came free) must not go one level deeper with every part.
it("a bio of very many parts does not recurse", () => {
  const rig = makeRig({ limits: { maxSectors: 1 }, queueDepth: 1 }, {}, 1 << 20);
  const first = submit(rig, 0, 1);
  const large = submit(rig, 64, 20_000, { op: ReqOp.WRITE });
  rig.driver.synchronous = BlkStatus.OK;
  rig.driver.completeNext();
  expect([first, large]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
  expectNoLeaks(rig);
});

// Found by `pnpm sim --seed 17`: nothing of the queue was in flight whose end would have tried again.
it("a bio whose split fails for want of memory is tried again, though nothing else is in flight", () => {
  let failures = 1;
  const failAlloc = (pool: { name: string }): boolean => pool.name === "bio_split" && failures-- > 0;
  const rig = makeRig({ limits: { maxSectors: 8 } }, { failAlloc });
  const ends = submit(rig, 0, 24);
  expect(rig.driver.log).toEqual([]);
  rig.executor.runUntilIdle();
  rig.driver.completeAll();
  expect(ends).toEqual([BlkStatus.OK]);
  expectNoLeaks(rig);
});

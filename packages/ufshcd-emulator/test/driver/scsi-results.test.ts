import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { pattern } from "./support/keys.js";
import { drive, Rig } from "./support/rig.js";
import type { ScsiAnswer } from "./support/scripted-host.js";

const CHECK_CONDITION = 0x02;
const sense = (key: number, asc = 0, ascq = 0): ScsiAnswer => ({ status: CHECK_CONDITION, sense: [key, asc, ascq] });

/** Writes one block while the controller answers its first `times` tries as told. */
async function writeWith(answer: ScsiAnswer, times = 1000): Promise<{ status: BlkStatus; tries: number; ms: number }> {
  const rig = new Rig();
  const hba = await rig.probe({ commandTimeoutMs: 1000 });
  let tries = 0;
  rig.host.script = (cdb) => {
    if (cdb[0] !== 0x2a) return undefined;
    tries++;
    return tries <= times ? answer : undefined;
  };
  const started = rig.executor.nowMs();
  const status = await drive(rig.executor, submit(hba.luns[0]!.bdev, ReqOp.WRITE, 0, pattern(4096)));
  const ms = rig.executor.nowMs() - started;
  await drive(rig.executor, hba.close());
  expect(rig.executor.isIdle).toBe(true);
  expect(hba.tagSet.inUse).toBe(0);
  return { status, tries, ms };
}

describe("what becomes of a command", () => {
  for (const [what, answer, status, tries] of [
    ["medium error that may pass", sense(3, 0x0c), BlkStatus.MEDIUM, 6],
    ["unrecovered read error", sense(3, 0x11), BlkStatus.MEDIUM, 1],
    ["hardware error", sense(4, 0x44), BlkStatus.TARGET, 1],
    ["illegal request", sense(5, 0x24), BlkStatus.TARGET, 1],
    ["write protected", sense(7, 0x27), BlkStatus.TARGET, 1],
    ["out of space", sense(7, 0x27, 0x07), BlkStatus.NOSPC, 1],
    ["not ready, for long", sense(2, 0x04, 0x03), BlkStatus.IOERR, 1],
    ["becoming ready, for ever", sense(2, 0x04, 0x01), BlkStatus.IOERR, 6],
    ["unit attention, for ever", sense(6, 0x29), BlkStatus.IOERR, 6],
    ["aborted command, for ever", sense(11), BlkStatus.IOERR, 6],
    ["unknown sense key", sense(0xd), BlkStatus.IOERR, 1],
    ["check condition without sense", { status: CHECK_CONDITION }, BlkStatus.IOERR, 6],
    ["a status nobody knows", { status: 0x77 }, BlkStatus.IOERR, 6],
    ["recovered error", sense(1, 0x17), BlkStatus.OK, 1],
    ["bad PRDT", { ocs: 2 }, BlkStatus.IOERR, 6],
    ["[UFS-14] invalid crypto configuration", { ocs: 9 }, BlkStatus.IOERR, 6],
    ["[UFS-14] general crypto error", { ocs: 0xa }, BlkStatus.IOERR, 6],
    ["not completed", { ocs: 0xf }, BlkStatus.IOERR, 6],
  ] as const) {
    it(`${what}: ${tries} tries`, async () => {
      expect(await writeWith(answer)).toMatchObject({ status, tries });
    });
  }

  it("a unit attention is told once, and the command then succeeds", async () => {
    expect(await writeWith(sense(6, 0x29), 1)).toMatchObject({ status: BlkStatus.OK, tries: 2 });
  });

  it("five failures that pass cost nothing but time", async () => {
    expect(await writeWith({ ocs: 0xa }, 5)).toMatchObject({ status: BlkStatus.OK, tries: 6 });
  });

  for (const status of [0x08, 0x28]) {
    it(`a device without room (status 0x${status.toString(16)}) is asked again in 3 ms, for 6 times the timeout`, async () => {
      expect(await writeWith({ status }, 3)).toEqual({ status: BlkStatus.OK, tries: 4, ms: 9 });
      const { status: ended, ms } = await writeWith({ status }, Number.POSITIVE_INFINITY);
      expect(ended).toBe(BlkStatus.IOERR);
      expect(ms).toBeGreaterThanOrEqual(6000);
      expect(ms).toBeLessThan(6010);
    });
  }

  it("a command that moved less than it should is tried again", async () => {
    expect(await writeWith({ residualBytes: 512 }, 1)).toMatchObject({ status: BlkStatus.OK, tries: 2 });
  });
});

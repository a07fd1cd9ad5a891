import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { HostMemory } from "@inlinecrypt/ufshcd-emulator/driver";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { pattern } from "./support/keys.js";
import { drive, Rig } from "./support/rig.js";

const [IS, IE, HCE, UTRIACR, UTRLBA, UTRLDBR, UTRLRSR, UTMRLBA, UTMRLRSR, UICCMD] = [
  0x20, 0x24, 0x34, 0x4c, 0x50, 0x58, 0x60, 0x70, 0x80, 0x90,
];

describe("probe, against a scripted controller", () => {
  it("resets, enables, starts the link, gives the lists, and lets them run, in this order", async () => {
    const rig = new Rig();
    const hba = await rig.probe();
    const watched = new Set([IS, IE, HCE, UTRIACR, UTRLBA, UTRLRSR, UTMRLBA, UTMRLRSR, UICCMD]);
    const order = rig.host.writes.filter(({ offset }) => watched.has(offset));
    const firstDoorbell = rig.host.writes.findIndex(({ offset }) => offset === UTRLDBR);
    expect(order.slice(0, 3)).toEqual([
      { offset: IE, value: 0 },
      { offset: IS, value: 0 },
      { offset: HCE, value: 1 },
    ]);
    const rest = order.slice(3).filter(({ offset }) => offset !== IS);
    expect(rest.slice(0, 8)).toEqual([
      { offset: IE, value: 0x470 },
      { offset: UICCMD, value: 0x16 },
      { offset: IE, value: 0x470 | 0x1 | 0x4 | 0x200 | 0x70800 },
      { offset: UTRIACR, value: 0 },
      { offset: UTRLBA, value: expect.any(Number) },
      { offset: UTMRLBA, value: expect.any(Number) },
      { offset: UTMRLRSR, value: 1 },
      { offset: UTRLRSR, value: 1 },
    ]);
    expect(firstDoorbell).toBeGreaterThan(rig.host.writes.findIndex(({ offset }) => offset === UTRLRSR));
    expect(rest[4]!.value % 1024).toBe(0);
    expect(rest[5]!.value % 1024).toBe(0);
    await drive(rig.executor, hba.close());
  });

  it("asks in order: NOP, fDeviceInit, descriptors, REPORT LUNS, and what each unit is", async () => {
    const rig = new Rig();
    const hba = await rig.probe();
    const asked = rig.host.commands.map(({ upiu, slot }) => {
      expect(slot).toBe(31);
      if (upiu[0] === 0x00) return "nop";
      if (upiu[0] === 0x16) return `query ${upiu[12]} of ${upiu[13]}`;
      return `unit ${upiu[2]} 0x${upiu[16]!.toString(16)}${upiu[17] === 1 ? ` page 0x${upiu[18]!.toString(16)}` : ""}`;
    });
    expect(asked).toEqual([
      "nop",
      "query 6 of 1",
      "query 5 of 1",
      "query 1 of 0",
      "unit 129 0xa0",
      "query 1 of 2",
      "unit 0 0x12",
      "unit 0 0x0",
      "unit 0 0x9e",
      "unit 0 0x5a",
      "unit 0 0x12 page 0x0",
      "unit 0 0x12 page 0xb2",
      "unit 0 0x12 page 0xb0",
    ]);
    const { bdev, queue } = hba.luns[0]!;
    expect(bdev.name).toBe("ufs0-lun0");
    expect(bdev.bytes).toBe(1024 * 4096);
    expect(queue.limits).toMatchObject({ logicalBlockBytes: 4096, writeCache: true, fua: true, maxSectors: 2048 });
    expect(queue.limits).toMatchObject({ maxDiscardSectors: 256 * 8, discardGranularityBytes: 4096 });
    expect(hba.tagSet.queueDepth).toBe(31);
    await drive(rig.executor, hba.close());
    expect(rig.executor.isIdle).toBe(true);
  });

  it("writes and reads a bio's own memory through the PRDT, in slots of the tag set", async () => {
    const rig = new Rig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    rig.host.commands.length = 0;
    const data = pattern(3 * 4096);
    await drive(rig.executor, bdev.write(5 * 4096, data, { fua: true }));
    const [write] = rig.host.commands;
    expect([...write!.upiu.subarray(16, 26)]).toEqual([0x2a, 0x08, 0, 0, 0, 5, 0, 0, 3, 0]);
    expect([...write!.upiu.subarray(0, 4)]).toEqual([0x01, 0x20, 0, write!.slot]);
    expect([...write!.upiu.subarray(12, 16)]).toEqual([0, 0, 0x30, 0]);
    expect([...write!.header]).toEqual([0, 0, 0, 0x13, 0, 0, 0, 0, 0xf, 0, 0, 0, 0, 0, 0, 0]);
    expect(write!.prdt).toEqual([{ address: expect.any(Number), bytes: 3 * 4096 }]);
    expect(rig.host.medium.subarray(5 * 4096, 8 * 4096)).toEqual(data);
    const back = new Uint8Array(3 * 4096);
    await drive(rig.executor, bdev.read(5 * 4096, back));
    expect(back).toEqual(data);
    expect(rig.host.commands[1]!.header[3]).toBe(0x15);
    expect(rig.memory.mapped, "buffers that are still mapped").toBe(0);
    expect(rig.memory.view(write!.prdt[0]!.address, 4), "what a late DMA access finds").toBeUndefined();
    await drive(rig.executor, hba.close());
  });

  it("turns flush into SYNCHRONIZE CACHE and discard into UNMAP", async () => {
    const rig = new Rig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    rig.host.commands.length = 0;
    await drive(rig.executor, bdev.flush());
    await drive(rig.executor, bdev.discard(7 * 4096, 2 * 4096));
    const [flush, unmap] = rig.host.commands;
    expect([...flush!.upiu.subarray(16, 26)]).toEqual([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(flush!.header[3]).toBe(0x11);
    expect([...unmap!.upiu.subarray(16, 26)]).toEqual([0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0]);
    const list = rig.memory.view(unmap!.prdt[0]!.address, unmap!.prdt[0]!.bytes)!;
    expect([...list]).toEqual([0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0]);
    await drive(rig.executor, hba.close());
  });

  it("rings once for requests that come together", async () => {
    const rig = new Rig();
    const hba = await rig.probe();
    const { bdev } = hba.luns[0]!;
    rig.host.writes.length = 0;
    rig.layer.startPlug();
    const bios = [0, 8, 16].map((block) => submit(bdev, ReqOp.WRITE, block * 4096, pattern(4096)));
    rig.layer.finishPlug();
    expect(await drive(rig.executor, Promise.all(bios))).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK]);
    const rings = rig.host.writesIn(UTRLDBR, UTRLDBR + 4);
    expect(rings).toHaveLength(1);
    expect(rings[0]![1].toString(2).replaceAll("0", "")).toHaveLength(3);
    await drive(rig.executor, hba.close());
  });

  it("asks again, after a while each time, when a unit has no room for the command, but not for ever", async () => {
    const [BUSY, TEST_UNIT_READY] = [0x08, 0x00];
    const rig = new Rig();
    let left = 20;
    rig.host.script = ([opcode]) => (opcode === TEST_UNIT_READY && left-- > 0 ? { status: BUSY } : undefined);
    const hba = await rig.probe();
    expect(rig.executor.nowMs()).toBeGreaterThanOrEqual(20 * 3);
    await drive(rig.executor, hba.close());
    const stuck = new Rig();
    stuck.host.script = ([opcode]) => (opcode === TEST_UNIT_READY ? { status: BUSY } : undefined);
    await expect(stuck.probe({ commandTimeoutMs: 100 })).rejects.toMatchObject({ code: "EIO" });
    expect(stuck.executor.nowMs()).toBeLessThan(1000);
  });

  it("memory for more than lies before the windows is refused", () => {
    for (const coherentBytes of [0, 1.5, (512 << 20) + 1]) {
      expect(() => new HostMemory({ coherentBytes })).toThrow(
        `coherentBytes is ${coherentBytes}, expected 1 to 536870912`,
      );
    }
  });

  it("refuses times that are out of range", async () => {
    const rig = new Rig();
    for (const options of [{ commandTimeoutMs: 0 }, { commandTimeoutMs: 2 ** 31 }, { autosuspendMs: 0.5 }]) {
      const [name, value] = Object.entries(options)[0]!;
      await expect(rig.probe(options)).rejects.toMatchObject({
        code: "EINVAL",
        message: expect.stringContaining(`${name} is ${value}, expected 1 to 2147483647`),
      });
    }
    expect(rig.host.writes).toEqual([]);
  });

  it("gives up, and gives everything back, when the controller does not start", async () => {
    const noSlots = new Rig({ slotCount: 1 });
    await expect(noSlots.probe()).rejects.toMatchObject({ code: "ENODEV" });
    const dead = new Rig();
    dead.host.read32 = () => 0;
    dead.host.read32 = (offset) => (offset === 0 ? 31 : 0);
    await expect(dead.probe()).rejects.toMatchObject({ code: "EIO", op: "ufshcd_hba_enable" });
    expect(dead.executor.isIdle).toBe(true);
    expect(dead.host.writesIn(HCE, HCE + 4).length).toBeGreaterThanOrEqual(3);
  });
});

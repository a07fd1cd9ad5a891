import { BlkError } from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTable } from "../src/dm-table-line.js";
import { DmFeature, type DmTargetType, linearTarget } from "../src/index.js";
import { Rig } from "./support.js";

describe("table lines", () => {
  it("are taken apart as dmsetup does, blank lines and comments skipped, blanks kept by a backslash", () => {
    expect(parseTable("\n# disk\n0 8 linear sda 0\n  8 16  error \n24 1 x a\\ b c\\\\d e\\")).toEqual([
      { begin: 0, sectors: 8, type: "linear", args: ["sda", "0"] },
      { begin: 8, sectors: 16, type: "error", args: [] },
      { begin: 24, sectors: 1, type: "x", args: ["a b", "c\\d", "e\\"] },
    ]);
  });

  it("end where a comment starts; a name may start as one does, behind a backslash", async () => {
    expect(parseTable("0 8 linear sda 0 # the first\n8 8 error #\n16 8 linear a#b 0\n24 8 linear \\#c\\ #d 0")).toEqual(
      [
        { begin: 0, sectors: 8, type: "linear", args: ["sda", "0"] },
        { begin: 8, sectors: 8, type: "error", args: [] },
        { begin: 16, sectors: 8, type: "linear", args: ["a#b", "0"] },
        { begin: 24, sectors: 8, type: "linear", args: ["#c #d", "0"] },
      ],
    );
    const rig = new Rig();
    rig.ram("#c #d");
    const line = "0 8 linear \\#c\\ #d 0";
    const device = await rig.dm.create({ name: "dm", table: line });
    expect(device.table()).toEqual([line]);
    await rig.close();
  });

  it.each([
    "0 8",
    "0 8 # linear sda 0",
    "0 x linear sda 0",
    "-1 8 error",
    "0 99999999999999999 error",
    "17592186044408 8 zero",
  ])("%j names its line", (text) => {
    expect(() => parseTable(`# comment\n${text}`)).toThrow(/line 2: .*\(EINVAL\)/);
  });
});

describe("tables", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
    rig.ram("sda");
    rig.ram("sdb");
  });
  afterEach(() => rig.close());

  const load = (table: string, options: { readOnly?: boolean } = {}) =>
    rig.dm.create({ name: "dm", table, ...options });

  it("print back what was loaded, and a table of the lines maps the same", async () => {
    const lines = ["0 64 linear sda 8", "64 128 striped 2 16 sda 128 sdb 256", "192 8 error ", "200 8 zero "];
    const device = await load(lines.join("\n"));
    expect(device.table()).toEqual(lines);
    await device.load(device.table().join("\n"));
    expect(device.table("inactive")).toEqual(lines);
    expect(device.status()).toEqual(["0 64 linear ", "64 128 striped 2 sda sdb 1 AA", "192 8 error ", "200 8 zero "]);
    expect(device.deps().map(({ name }) => name)).toEqual(["sda", "sdb"]);
    expect(device.bdev.sectorCount).toBe(208);
  });

  it.each([
    ["", "the table is empty"],
    ["8 8 error", "starts at sector 8, expected 0"],
    ["0 8 error\n16 8 error", "starts at sector 16, expected 8"],
    ["0 0 error", "no sectors"],
    ["0 8 nothing", 'unknown target type "nothing", expected one of linear'],
    ["0 8 linear", "the device is missing"],
    ["0 8 linear sda", "the start sector is missing"],
    ["0 8 linear sda 0 0", "1 more arguments than expected"],
    ["0 8 linear sda 0x1", "decimal number, 0 or more"],
    ["0 8 linear sda 32761", "sectors 32761 to 32769 of sda, which has 32768"],
    ["0 8 striped 0 8 sda 0", "the number of stripes is a decimal number, 1 to"],
    ["0 8 striped 2 8 sda 0 sdb 0", "no whole chunks of 8 on 2 stripes"],
    ["0 16 striped 2 8 sda 0 sdb", "3 arguments, expected a device and a start sector for each of 2 stripes"],
    ["0 8 zero x", "1 more arguments"],
  ])("%j is refused: %s", async (table, message) => {
    await expect(load(table)).rejects.toMatchObject({ code: "EINVAL", message: expect.stringContaining(message) });
    expect(rig.dm.devices()).toEqual([]);
  });

  it("an unknown device is ENODEV, and the device itself EINVAL", async () => {
    await expect(load("0 8 linear sdz 0")).rejects.toMatchObject({ code: "ENODEV" });
    await expect(load("0 8 linear dm 0")).rejects.toMatchObject({ code: "EINVAL" });
  });

  it("a failed table lets its devices go and destroys the targets it had made", async () => {
    await rig.dm.create({ name: "below", table: "0 64 linear sda 0" });
    let destroyed = 0;
    rig.dm.registerTarget({
      ...linearTarget,
      name: "noting",
      ctr: (args, spec) => Object.assign(linearTarget.ctr(args, spec), { dtr: () => destroyed++ }),
    });
    await expect(load("0 8 noting below 0\n8 8 nothing")).rejects.toBeInstanceOf(BlkError);
    expect(destroyed).toBe(1);
    expect(rig.dm.get("below").openCount).toBe(0);
  });

  it("a singleton is alone, an immutable target is replaced by its own type or a wildcard only", async () => {
    const type = (name: string, features: number): DmTargetType => ({ ...linearTarget, name, features });
    rig.dm.registerTarget(type("single", DmFeature.SINGLETON));
    rig.dm.registerTarget(type("immutable", DmFeature.IMMUTABLE));
    rig.dm.registerTarget(type("writable", DmFeature.ALWAYS_WRITEABLE));
    await expect(load("0 8 single sda 0\n8 8 error")).rejects.toThrow(/alone in its table/);
    await expect(load("0 8 error\n8 8 single sda 0")).rejects.toThrow(/alone in its table/);
    await expect(load("0 8 writable sda 0", { readOnly: true })).rejects.toThrow(/read-only/);
    const device = await load("0 8 immutable sda 0");
    await expect(device.load("0 8 linear sda 0")).rejects.toThrow(/immutable/);
    await device.load("0 8 immutable sdb 0");
    await device.load("0 8 error");
    await rig.run(device.resume());
    await device.load("0 8 linear sda 0");
  });

  it("limits are those of all devices; targets lie on whole logical blocks", async () => {
    rig.sim("sd4k", { limits: { logicalBlockBytes: 4096, physicalBlockBytes: 4096, maxSectors: 64 } });
    const device = await load("0 16 linear sda 0\n16 16 linear sd4k 8");
    expect(device.bdev.queue.limits).toMatchObject({ logicalBlockBytes: 4096, maxSectors: 64 });
    expect(device.bdev.queue.limits.maxDiscardSectors).toBeGreaterThan(0);
    await expect(device.load("0 12 linear sda 0\n12 20 linear sd4k 8")).rejects.toThrow(/whose logical block has 4096/);
    await expect(device.load("0 12 linear sda 0\n12 16 linear sd4k 8")).rejects.toThrow(
      /table's logical block has 4096/,
    );
    await expect(device.load("0 16 linear sd4k 4")).rejects.toThrow(/logical block has 4096/);
  });

  it("discards and write zeroes need every device to take them", async () => {
    rig.sim("plain", { limits: { maxDiscardSectors: 0, maxWriteZeroesSectors: 0 } });
    const device = await load("0 16 linear sda 0\n16 16 linear plain 0");
    expect(device.bdev.queue.limits).toMatchObject({ maxDiscardSectors: 0, maxWriteZeroesSectors: 0 });
  });

  it("target types are registered by name, once, with a version", () => {
    expect(rig.dm.targets()).toEqual(expect.arrayContaining(["linear v1.5.0", "striped v1.7.0"]));
    expect(() => rig.dm.registerTarget(linearTarget)).toThrow(/linear is registered \(EEXIST\)/);
  });
});

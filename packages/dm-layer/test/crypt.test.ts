import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { failEachAllocation } from "@inlinecrypt/blk-sim";
import { type ReferenceCipherName, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pattern, Rig, read } from "./support.js";

const KEYS = { "xts(aes)": 64, "xts(sm4)": 32, "essiv(cbc(aes),sha256)": 16, "adiantum(xchacha12,aes)": 32 } as const;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const keyOf = (cipher: ReferenceCipherName) => pattern(KEYS[cipher], 7);

let rig: Rig;
const keyring = new Map<string, Uint8Array>();
beforeEach(() => {
  rig = new Rig(
    {},
    { skcipherEngine: createNodeEngine(), keyringKey: (type, name) => keyring.get(`${type}:${name}`) ?? null },
  );
});
afterEach(() => rig.close());

const create = (table: string, name = "dm") => rig.run(rig.dm.create({ name, table }));

describe("crypt", () => {
  it.each<[string, ReferenceCipherName]>([
    ["aes-xts-plain64", "xts(aes)"],
    ["aes-cbc-essiv:sha256", "essiv(cbc(aes),sha256)"],
    ["xchacha12,aes-adiantum-plain64", "adiantum(xchacha12,aes)"],
    ["capi:xts(aes)-plain64", "xts(aes)"],
    ["capi:xts(sm4)-plain64", "xts(sm4)"],
    ["capi:essiv(cbc(aes),sha256)-plain64", "essiv(cbc(aes),sha256)"],
    ["capi:cbc(aes)-essiv:sha256", "essiv(cbc(aes),sha256)"],
    ["capi:adiantum(xchacha12,aes)-plain64", "adiantum(xchacha12,aes)"],
  ])("%s writes what the oracle says, reads it back, and leaves the submitter's memory alone", async (spec, cipher) => {
    const disk = rig.sim("sda");
    const { bdev } = await create(`0 64 crypt ${spec} ${hex(keyOf(cipher))} 5 sda 8`);
    const data = pattern(16 * 512);
    const before = data.slice();
    const write = rig.submit(bdev, ReqOp.WRITE, 3, data);
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(data).toEqual(before);
    expect(read(disk, 11, data.length)).toEqual(referenceEncrypt(cipher, keyOf(cipher), 512, 8n, data));
    const back = new Uint8Array(data.length);
    rig.submit(bdev, ReqOp.READ, 3, back);
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it.each([
    ["2 sector_size:4096 iv_large_sectors", 8n, 1n],
    ["1 sector_size:4096", 64n, 8n],
    ["2 sector_size:1024 iv_large_sectors", 32n, 1n],
    ["1 iv_large_sectors", 64n, 1n],
  ])("%s", async (options, dun, step) => {
    const unitBytes = Number(/sector_size:(\d+)/.exec(options)?.[1] ?? 512);
    const disk = rig.sim("sda");
    const { bdev } = await create(`0 64 crypt aes-xts-plain64 ${hex(keyOf("xts(aes)"))} 48 sda 0 ${options}`);
    expect(bdev.queue.limits.logicalBlockBytes).toBe(unitBytes);
    const data = pattern(16 * 512);
    rig.submit(bdev, ReqOp.WRITE, 16, data);
    rig.executor.runUntilIdle();
    const expected = referenceEncrypt("xts(aes)", keyOf("xts(aes)"), unitBytes, dun, data, step);
    expect(read(disk, 16, data.length)).toEqual(expected);
    const back = new Uint8Array(data.length);
    rig.submit(bdev, ReqOp.READ, 16, back);
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it("IVs count to 2^64 - 1, and memory may be cut anywhere", async () => {
    const disk = rig.sim("sda");
    const { bdev } = await create(`0 8 crypt aes-xts-plain64 ${hex(keyOf("xts(aes)"))} ${2n ** 64n - 8n} sda 0`);
    const data = pattern(8 * 512);
    const write = rig.bio(bdev, ReqOp.WRITE, 0, data.subarray(0, 100));
    write.bio.addBuffer(data, 100, 1000);
    write.bio.addBuffer(data, 1100);
    write.submit();
    rig.executor.runUntilIdle();
    expect(read(disk, 0, data.length)).toEqual(
      referenceEncrypt("xts(aes)", keyOf("xts(aes)"), 512, 2n ** 64n - 8n, data),
    );
    const back = new Uint8Array(data.length);
    const readBio = rig.bio(bdev, ReqOp.READ, 0, back.subarray(0, 4000));
    readBio.bio.addBuffer(back, 4000);
    readBio.submit();
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it("prints its table with the key as zeroes, options in order, and takes keys from the keyring", async () => {
    rig.ram("sda");
    keyring.set("logon:disk", pattern(64));
    const options = "5 allow_discards no_read_workqueue no_write_workqueue sector_size:4096 iv_large_sectors";
    const lines = [
      `0 64 crypt aes-xts-plain64 :64:logon:disk 8 sda 16 ${options}`,
      `64 64 crypt aes-xts-plain64 ${"0".repeat(128)} 0 sda 128`,
    ];
    const given = lines.join("\n").replace("iv_large_sectors", "IV_large_sectors");
    const device = await create(given.replace("0".repeat(128), hex(pattern(64, 3))));
    expect(device.table()).toEqual(lines);
    expect(device.status()).toEqual(["0 64 crypt ", "64 64 crypt "]);
  });

  it("prints a backslash in a key's description as it was given", async () => {
    rig.ram("sda");
    keyring.set("logon:a\\b", pattern(64));
    const line = "0 64 crypt aes-xts-plain64 :64:logon:a\\\\b 0 sda 0";
    expect((await create(line)).table()).toEqual([line]);
  });

  it.each([
    ["aes-ecb-null 00 0 sda 0", "unknown cipher, expected one of aes-xts-plain64"],
    ["KEY KEY 0 sda 0", "unknown cipher"],
    ["constructor KEY 0 sda 0", "unknown cipher"],
    ["capi:constructor-plain64 KEY 0 sda 0", "unknown cipher"],
    ["aes-xts-plain64 0g 0 sda 0", "hexadecimal"],
    ["aes-xts-plain64 000 0 sda 0", "hexadecimal"],
    ["aes-xts-plain64 00 0 sda 0", "the key has 1 bytes, the cipher takes 64"],
    ["aes-xts-plain64 - 0 sda 0", "the key has 0 bytes"],
    ["aes-xts-plain64 :64:logon: 0 sda 0", "in the keyring is"],
    ["aes-xts-plain64 :64:logon:my\\ disk 0 sda 0", "without blanks"],
    ["aes-xts-plain64 KEY x sda 0", "the IV offset is a decimal"],
    ["aes-xts-plain64 KEY 18446744073709551616 sda 0", "the IV offset is a decimal"],
    ["aes-xts-plain64 KEY 18446744073709551615 sda 0", "more than 64 bits"],
    ["aes-xts-plain64 KEY 0 sda 0 1 sector_size:768", "power of two"],
    ["aes-xts-plain64 KEY 0 sda 0 1 sector_size:8192", "512 to 4096"],
    ["aes-xts-plain64 KEY 0 sda 0 1 sector_size:4096:1", "512 to 4096"],
    ["aes-xts-plain64 KEY 0 sda 0 1 sector_size", "unknown optional argument"],
    ["aes-xts-plain64 KEY 4 sda 0 1 sector_size:4096", "IV offset is no multiple"],
    ["aes-xts-plain64 KEY 0 sda 0 1 integrity:28:aead", "unknown optional argument"],
    ["aes-xts-plain64 KEY 0 sda 0 2 allow_discards", "2 optional arguments are announced and 1 given"],
    [`aes-xts-plain64 ${"11".repeat(64)} 0 sda 0`, "does not take this key"],
  ])("%s is refused, without a word of the key", async (args, message) => {
    rig.ram("sda");
    const key = hex(pattern(64, 9));
    const refused = create(`0 64 crypt ${args.replaceAll("KEY", key)}`);
    await expect(refused).rejects.toMatchObject({ code: "EINVAL", message: expect.stringContaining(message) });
    await refused.catch((error) => expect(String(error.stack)).not.toContain(key));
  });

  it("needs an engine, and a key in the keyring", async () => {
    const other = new Rig();
    other.ram("sda");
    const table = `0 64 crypt aes-xts-plain64 ${hex(pattern(64))} 0 sda 0`;
    await expect(other.dm.create({ name: "dm", table })).rejects.toMatchObject({ code: "ENOPKG" });
    rig.ram("sda");
    const missing = rig.dm.create({ name: "dm", table: "0 64 crypt aes-xts-plain64 :64:logon:gone 0 sda 0" });
    await expect(missing).rejects.toMatchObject({ code: "ENOKEY" });
  });

  it("flushes, discards where allowed, and FUA go down", async () => {
    const disk = rig.sim("sda", { writeCache: true, fua: true });
    const key = hex(pattern(64));
    const open = await create(`0 64 crypt aes-xts-plain64 ${key} 0 sda 0 1 allow_discards`, "open");
    const shut = await create(`0 64 crypt aes-xts-plain64 ${key} 0 sda 64`, "shut");
    expect([open, shut].map(({ bdev }) => bdev.queue.limits.maxDiscardSectors > 0)).toEqual([true, false]);
    const bios = [
      rig.submit(open.bdev, ReqOp.DISCARD, 8, 8),
      rig.submit(open.bdev, ReqOp.WRITE | ReqFlag.FUA | ReqFlag.PREFLUSH, 0, pattern(512)),
    ];
    rig.executor.runUntilIdle();
    expect(bios.map(({ ends }) => ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(disk.seen).toMatchObject({ discards: 1, flushes: 1, fuaWrites: 1 });
  });

  it("the key changes by message while suspended, and a device without one does not resume", async () => {
    const disk = rig.sim("sda");
    const device = await create(`0 64 crypt aes-xts-plain64 ${hex(pattern(64, 1))} 0 sda 0`);
    expect(() => device.message(0, `key set ${hex(pattern(64, 2))}`)).toThrow(/not suspended/);
    await rig.run(device.suspend());
    expect(() => device.message(0, "key set 00")).toThrow(/the key has 1 bytes/);
    expect(() => device.message(0, "key burn")).toThrow(/expected: key set/);
    device.message(0, "key wipe");
    await expect(rig.run(device.resume())).rejects.toMatchObject({ code: "EAGAIN" });
    device.message(0, `key set ${hex(pattern(64, 2))}`);
    await rig.run(device.resume());
    rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(read(disk, 0, 512)).toEqual(referenceEncrypt("xts(aes)", pattern(64, 2), 512, 0n, pattern(512)));
  });

  it("after key wipe the table shows a key of zeroes, wherever the key was", async () => {
    rig.ram("sda");
    keyring.set("logon:disk", pattern(64));
    for (const [name, key] of Object.entries({ hex: hex(pattern(64)), keyring: ":64:logon:disk" })) {
      const device = await create(`0 64 crypt aes-xts-plain64 ${key} 0 sda 0`, name);
      await rig.run(device.suspend());
      device.message(0, "key wipe");
      expect(device.table()).toEqual([`0 64 crypt aes-xts-plain64 ${"0".repeat(128)} 0 sda 0`]);
      device.message(0, "key set :64:logon:disk");
      expect(device.table()).toEqual(["0 64 crypt aes-xts-plain64 :64:logon:disk 0 sda 0"]);
    }
  });

  it("more and larger writes than there is memory for wait their turn", async () => {
    rig.sim("sda", { bytes: 64 * 2 ** 20 });
    const { bdev } = await create(`0 ${128 * 1024} crypt aes-xts-plain64 ${hex(pattern(64))} 0 sda 0`);
    const data = pattern(3 * 2 ** 20);
    const writes = Array.from({ length: 16 }, (_, index) => rig.submit(bdev, ReqOp.WRITE, index * 6144 + 8, data));
    rig.executor.runUntilIdle();
    expect(new Set(writes.map(({ ends }) => ends.join()))).toEqual(new Set(["0"]));
    const back = new Uint8Array(data.length);
    rig.submit(bdev, ReqOp.READ, 15 * 6144 + 8, back);
    rig.executor.runUntilIdle();
    expect(Buffer.compare(back, data)).toBe(0);
  });

  it("every allocation may fail: I/O waits and ends well", async () => {
    const failed = await failEachAllocation(async (faults) => {
      const world = new Rig({ failAlloc: faults.failAlloc }, { skcipherEngine: createNodeEngine() });
      world.sim("sda");
      const table = `0 64 crypt aes-xts-plain64 ${hex(pattern(64))} 0 sda 0`;
      const { bdev } = await world.run(world.dm.create({ name: "dm", table }));
      const writes = [0, 8, 16].map((sector) => world.submit(bdev, ReqOp.WRITE, sector, pattern(4096)));
      world.executor.runUntilIdle();
      expect(writes.map(({ ends }) => ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
      await world.close();
    });
    expect(failed).toBeGreaterThan(5);
  });
});

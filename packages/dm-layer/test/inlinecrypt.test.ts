import { BlkError, BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { type BlkCryptoKey, blkCryptoProfileOf } from "@inlinecrypt/blk-crypto-profile";
import { failEachAllocation } from "@inlinecrypt/blk-sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ciphertext, cryptBio, cryptoDisk, newKey, WriteFallback } from "./crypto-support.js";
import { pattern, Rig, read } from "./support.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const KEY = hex(pattern(64, 101));

let rig: Rig;
let fallback: WriteFallback;
beforeEach(() => {
  fallback = new WriteFallback();
  const keyringKey = (type: string, name: string) => (type === "logon" && name === "disk" ? pattern(64, 101) : null);
  rig = new Rig({ cryptoFallback: fallback }, { keyringKey });
});
afterEach(() => rig.close());

const create = (table: string, name = "dm") => rig.run(rig.dm.create({ name, table }));

describe("inlinecrypt", () => {
  it("[DM-26] takes the kernel's arguments, prints them back without the key, and exposes no capability", async () => {
    cryptoDisk(rig, "ufs", { keyTypesSupported: ["raw", "hw-wrapped"] });
    const zeroes = "0".repeat(128);
    const lines = [
      `0 64 inlinecrypt aes-xts-plain64 ${zeroes} 0 ufs 0`,
      "64 64 inlinecrypt aes-xts-plain64 :64:logon:disk 8 ufs 64 4 allow_discards keytype:raw sector_size:4096 iv_large_sectors",
      `128 64 inlinecrypt aes-xts-plain64 ${"0".repeat(80)} 0 ufs 128 1 keytype:hw-wrapped`,
    ];
    const table = lines
      .join("\n")
      .replace(zeroes, KEY)
      .replace("0".repeat(80), hex(pattern(40)));
    const device = await create(table);
    expect(device.table()).toEqual(lines);
    expect(device.status()).toEqual(["0 64 inlinecrypt ", "64 64 inlinecrypt ", "128 64 inlinecrypt "]);
    expect(blkCryptoProfileOf(device.bdev.queue)).toBeNull();
    await device.load(lines.join("\n"));
  });

  it.each([
    ["aes-cbc-essiv:sha256 KEY 0 ufs 0", "unknown cipher"],
    ["constructor KEY 0 ufs 0", "unknown cipher, expected aes-xts-plain64"],
    ["aes-xts-plain64 zz 0 ufs 0", "hexadecimal"],
    ["aes-xts-plain64 KEY00 0 ufs 0", "a raw AES-256-XTS key has 64 bytes"],
    ["aes-xts-plain64 KEY 0 ufs 0 1 keytype:soft", "unknown optional argument"],
    ["aes-xts-plain64 KEY 0 ufs 0 2 keytype:raw keytype:hw-wrapped", "one kind of key"],
    ["aes-xts-plain64 KEY 0 ufs 0 1 sector_size:4096", "needs iv_large_sectors"],
    ["aes-xts-plain64 KEY 4 ufs 0 2 sector_size:4096 iv_large_sectors", "IV offset is no multiple"],
    ["aes-xts-plain64 KEY 0 ufs 0 1 sector_size:8192", "512 to 4096"],
    ["aes-xts-plain64 KEY 0 ufs 0 2 sector_size:4096:1 iv_large_sectors", "512 to 4096"],
  ])("[DM-26] %s is EINVAL, and says nothing of the key", async (args, message) => {
    cryptoDisk(rig, "ufs");
    const refused = create(`0 64 inlinecrypt ${args.replace("KEY", KEY)}`);
    await expect(refused).rejects.toMatchObject({ code: "EINVAL", message: expect.stringContaining(message) });
    await refused.catch((error) => expect(String(error.stack)).not.toContain(KEY.slice(0, 16)));
  });

  it("[DM-26] a wrapped key that no hardware takes is refused, and the device let go", async () => {
    cryptoDisk(rig, "ufs");
    const low = await create("0 64 linear ufs 0", "low");
    const table = `0 64 inlinecrypt aes-xts-plain64 ${hex(pattern(40))} 0 low 0 1 keytype:hw-wrapped`;
    await expect(create(table)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    expect(low.openCount).toBe(0);
  });

  it("[DM-26] a device of one unit with offset 0 can be made", async () => {
    cryptoDisk(rig, "ufs");
    const { bdev } = await create(`0 1 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0`);
    expect(bdev.sectorCount).toBe(1);
  });

  it("[DM-27] hardware encrypts, with the DUN counted in units from the IV offset", async () => {
    const { disk, slots } = cryptoDisk(rig, "ufs");
    const options = "2 sector_size:4096 iv_large_sectors";
    const { bdev } = await create(`0 8 zero\n8 64 inlinecrypt aes-xts-plain64 ${KEY} 80 ufs 128 ${options}`);
    expect(bdev.queue.limits).toMatchObject({
      logicalBlockBytes: 4096,
      physicalBlockBytes: 4096,
      ioMinBytes: 4096,
      dmaAlignmentBytes: 4096,
    });
    const data = pattern(8192);
    const write = rig.submit(bdev, ReqOp.WRITE, 24, data);
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(slots[0]).not.toBeNull();
    expect(fallback.served).toEqual([]);
    const key = newKey(1, { dataUnitBytes: 4096 });
    expect(read(disk, 144, 8192)).toEqual(ciphertext(data, key, 12n));
    const back = new Uint8Array(8192);
    rig.submit(bdev, ReqOp.READ, 24, back);
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it("[DM-27] without hardware the fallback does, from below dm", async () => {
    const disk = rig.sim("plain");
    const { bdev } = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 3 plain 10`);
    const data = pattern(4096);
    const write = rig.submit(bdev, ReqOp.WRITE, 5, data);
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(fallback.served).toEqual(["plain"]);
    expect(read(disk, 15, 4096)).toEqual(ciphertext(data, newKey(), 8n));
  });

  it("[DM-27] kills bios that are misaligned; what has no data is only remapped", async () => {
    const { disk } = cryptoDisk(rig, "ufs", {});
    const options = "3 allow_discards sector_size:4096 iv_large_sectors";
    const device = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 8 ${options}`);
    const { bdev } = device;
    // The block layer refuses misaligned bios of this device: one comes here past its checks, as a clone may.
    const { bio, ends } = rig.bio(bdev, ReqOp.WRITE, 4, pattern(4096));
    bio.remapped = true;
    rig.layer.submitBioNoacct(bio);
    expect(ends).toEqual([BlkStatus.IOERR]);
    const discard = rig.submit(bdev, ReqOp.DISCARD, 8, 8);
    await rig.run(bdev.flush());
    rig.executor.runUntilIdle();
    expect(discard.ends).toEqual([BlkStatus.OK]);
    expect(disk.seen.discards).toBe(1);
  });

  it("[DM-27] kills bios that have a context already: dm passes none to it", async () => {
    const { profile } = cryptoDisk(rig, "ufs");
    const { bdev } = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0`);
    bdev.queue.registerCryptoProfile(profile);
    const killed = cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), newKey(), 0n).submit();
    expect(killed.ends).toEqual([BlkStatus.IOERR]);
  });

  it("[DM-27] encrypts ciphertext of upper layers too", async () => {
    const { disk } = cryptoDisk(rig, "ufs");
    const { bdev } = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0`);
    rig.submit(bdev, ReqOp.WRITE | ReqFlag.SKIP_DM_DEFAULT_KEY, 2, pattern(1024));
    rig.executor.runUntilIdle();
    expect(read(disk, 2, 1024)).toEqual(ciphertext(pattern(1024), newKey(), 2n));
  });

  it("[DM-27] destroying it evicts its key from hardware and fallback", async () => {
    const { slots, log } = cryptoDisk(rig, "ufs");
    const device = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0`);
    rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    const key = slots[0]!;
    await rig.run(device.remove());
    expect([slots[0], log.at(-1)]).toEqual([null, "evict 0"]);
    expect(fallback.evicted).toContain(key);
    expect(() => key.withBytes(() => {})).toThrow(/wiped/);
  });
});

describe("the end of a target", () => {
  it("wipes its key, whatever an eviction ends with", async () => {
    const { slots } = cryptoDisk(rig, "ufs");
    const device = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0`);
    rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    const key = slots[0]!;
    fallback.evictKey = () => Promise.reject(new BlkError("EIO", "test", "no"));
    await expect(rig.run(device.remove())).rejects.toMatchObject({ code: "EIO" });
    expect(() => key.withBytes(() => {})).toThrow(/wiped/);
  });
});

describe("default-key", () => {
  it.each(["hardware", "the fallback"])("encrypts what is plain, and no second time what %s encrypts", async (who) => {
    const disk = who === "hardware" ? cryptoDisk(rig, "sda").disk : rig.sim("sda");
    const { bdev } = await create(`0 64 default-key aes-xts-plain64 ${KEY} 0 sda 0`);
    const own = newKey(2);
    const data = pattern(1024);
    rig.submit(bdev, ReqOp.WRITE, 2, data);
    cryptBio(rig, bdev, ReqOp.WRITE, 8, data, own, 500n).submit();
    rig.executor.runUntilIdle();
    expect(read(disk, 2, 1024)).toEqual(ciphertext(data, newKey(), 2n));
    expect(read(disk, 8, 1024)).toEqual(ciphertext(data, own, 500n));
  });

  it("reads as it is what an upper layer decrypts in software", async () => {
    const { disk } = cryptoDisk(rig, "ufs");
    const { bdev } = await create(`0 64 default-key aes-xts-plain64 ${KEY} 0 ufs 0`);
    rig.submit(bdev, ReqOp.WRITE, 2, pattern(1024));
    const plaintext = new Uint8Array(1024);
    const stored = new Uint8Array(1024);
    rig.submit(bdev, ReqOp.READ, 2, plaintext);
    rig.submit(bdev, ReqOp.READ | ReqFlag.SKIP_DM_DEFAULT_KEY, 2, stored);
    rig.executor.runUntilIdle();
    expect(plaintext).toEqual(pattern(1024));
    expect(stored).toEqual(read(disk, 2, 1024));
  });

  it("knows Adiantum and Android's word for a wrapped key", async () => {
    cryptoDisk(rig, "ufs", {
      modesSupported: { "AES-256-XTS": 4096, Adiantum: 4096 },
      keyTypesSupported: ["raw", "hw-wrapped"],
    });
    const adiantum = `0 64 default-key xchacha12,aes-adiantum-plain64 ${"0".repeat(64)} 0 ufs 0`;
    const wrapped = `64 64 default-key aes-xts-plain64 ${"0".repeat(80)} 0 ufs 64 3 wrappedkey_v0 sector_size:4096 iv_large_sectors`;
    const device = await create(`${adiantum}\n${wrapped}`);
    expect(device.table()).toEqual([adiantum, wrapped]);
  });

  it("[DM-27] uses a fallback of its own: what is encrypted above may hold all that the layer's has", async () => {
    const own = new WriteFallback();
    own.attach(rig.layer);
    Object.assign(fallback, { nested: () => own });
    rig.sim("plain");
    const { bdev } = await create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 plain 0`);
    const write = rig.submit(bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect([fallback.served, own.served]).toEqual([[], ["plain"]]);
    await rig.run(rig.dm.get("dm").remove());
    expect(own.evicted).toHaveLength(1);
  });

  it("[DM-27] wipes its key when its fallback does not take it", async () => {
    const keys: BlkCryptoKey[] = [];
    const own = new WriteFallback();
    own.startUsingKey = (key) => {
      keys.push(key as BlkCryptoKey);
      throw new BlkError("ENOPKG", "test", "no cipher");
    };
    Object.assign(fallback, { nested: () => own });
    rig.sim("plain");
    const refused = create(`0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 plain 0`);
    await expect(refused).rejects.toMatchObject({ code: "ENOPKG" });
    expect(keys).toHaveLength(1);
    expect(() => keys[0]!.withBytes(() => {})).toThrow(/wiped/);
  });

  it("[DM-27] every allocation may fail: I/O waits and ends well", async () => {
    const failed = await failEachAllocation(async (faults) => {
      const world = new Rig({ failAlloc: faults.failAlloc });
      const { disk } = cryptoDisk(world, "ufs");
      const { bdev } = await world.run(
        world.dm.create({ name: "dm", table: `0 64 inlinecrypt aes-xts-plain64 ${KEY} 0 ufs 0` }),
      );
      const writes = [0, 8, 16].map((sector) => world.submit(bdev, ReqOp.WRITE, sector, pattern(4096)));
      world.executor.runUntilIdle();
      expect(writes.map(({ ends }) => ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
      expect(read(disk, 16, 4096)).toEqual(ciphertext(pattern(4096), newKey(1), 16n));
      await world.close();
    });
    expect(failed).toBeGreaterThan(5);
  });
});

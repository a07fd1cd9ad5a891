import { BlkStatus, BlockLayer, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { blkCryptoConfigSupportedNatively, blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { CqhciDisk, CqhciHost, ExecutorClock } from "@inlinecrypt/ufshcd-emulator";
import type { UfsEvent } from "@inlinecrypt/ufshcd-emulator/controller";
import { HostMemory, InterruptLine } from "@inlinecrypt/ufshcd-emulator/driver";
import { expect, it } from "vitest";
import { CqIs, CqReg } from "../../src/cqhci/cqhci-layout.js";
import { buildCryptoConfig } from "../../src/ufshci/index.js";
import { submit } from "./support/bios.js";
import { expectSameBytes, keyBytes, makeKey, pattern } from "./support/keys.js";
import { drive } from "./support/rig.js";

const BYTES = 4 << 20;
const [CFG, TDLBA, TDBR] = [0x08, 0x20, 0x28];

async function makeRig() {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor });
  const memory = new HostMemory();
  const irq = new InterruptLine(executor);
  const medium = new Uint8Array(BYTES);
  const clock = new ExecutorClock(executor);
  const host = new CqhciHost({ dma: memory, irq, clock, engine: createNodeEngine(), medium, keyslots: 2 });
  const writes: [number, number][] = [];
  /** Task descriptors as they were when their doorbell was rung. */
  const tasks: Uint8Array[] = [];
  const mmio = {
    read32: (offset: number) => host.read32(offset),
    write32(offset: number, value: number) {
      writes.push([offset, value]);
      const slot = 31 - Math.clz32(value);
      if (offset === TDBR) tasks.push(memory.view(host.read32(TDLBA) + slot * 32, 16)!.slice());
      host.write32(offset, value);
    },
  };
  const events: UfsEvent[] = [];
  host.events.observe((event) => events.push(event));
  const disk = await drive(executor, CqhciDisk.probe(layer, { mmio, memory, irq, bytes: BYTES }));
  const key = (fill: number) => makeKey(fill, { dunBytes: 4 });
  return { executor, layer, memory, medium, mmio, irq, host, disk, writes, tasks, events, key };
}

it("a host refuses options that are out of range", () => {
  const executor = new SimExecutor();
  const parts = { dma: new HostMemory(), irq: new InterruptLine(executor), clock: new ExecutorClock(executor) };
  const make = (medium: Uint8Array, keyslots: number) =>
    new CqhciHost({ ...parts, engine: createNodeEngine(), medium, keyslots });
  for (const keyslots of [0, 33, 1.5]) {
    expect(() => make(new Uint8Array(512), keyslots)).toThrow(`keyslots is ${keyslots}, expected 1 to 32`);
  }
  expect(() => make(new Uint8Array(1000), 4)).toThrow("the medium has 1000 bytes, expected a multiple of 512");
});

it("[UFS-27] a key with 8-byte DUNs is not supported natively, one with 4 is", async () => {
  const { executor, disk, key } = await makeRig();
  expect(disk.profile!.capabilities.maxDunBytesSupported).toBe(4);
  expect(blkCryptoConfigSupportedNatively(disk.bdev, makeKey())).toBe(false);
  expect(blkCryptoConfigSupportedNatively(disk.bdev, key(1))).toBe(true);
  const volume = new Volume(disk.bdev, { key: makeKey() });
  await expect(drive(executor, volume.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EOPNOTSUPP" });
  await drive(executor, disk.close());
});

it("[UFS-27] keyslot, enable bit and DUN are in word 1 of a 128-bit descriptor", async () => {
  const { executor, disk, tasks, writes, key, medium } = await makeRig();
  expect(writes.filter(([offset]) => offset === CFG).map(([, value]) => value)).toEqual([0, 0x102, 0x103]);
  const keys = [key(1), key(2)];
  for (const [index, each] of keys.entries()) {
    const volume = new Volume(disk.bdev, { key: each, firstDun: 0xfedc_0000n });
    expect(await drive(executor, submit(disk.bdev, ReqOp.WRITE, index * 8192, pattern(8192), volume))).toBe(0);
  }
  const slots = tasks.map((task) => task[12]);
  expect([...slots].sort()).toEqual([0, 1]);
  expect([...tasks[1]!.subarray(8)]).toEqual([0x02, 0x00, 0xdc, 0xfe, slots[1], 0x80, 0, 0]);
  expect([...tasks[1]!.subarray(0, 8)]).toEqual([0x2f, 0x00, 16, 0, 16, 0, 0, 0]);
  const expected = referenceEncrypt("xts(aes)", keyBytes(2), 4096, 0xfedc_0002n, pattern(8192));
  expectSameBytes(medium.subarray(8192, 16384), expected);
  await drive(executor, disk.bdev.write(65536, pattern(4096)));
  expect([...tasks[2]!.subarray(8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  await drive(executor, disk.close());
});

it("[UFS-27] keys are programmed again when the card is initialised, before the engine is enabled", async () => {
  const { executor, disk, host, key, events, writes, memory, layer } = await makeRig();
  const volume = new Volume(disk.bdev, { key: key(1) });
  const data = pattern(1 << 20);
  await drive(executor, volume.write(0, data));
  host.powerCycle();
  events.length = 0;
  writes.length = 0;
  await drive(executor, disk.initCard());
  expect(events).toEqual([expect.objectContaining({ type: "keyslotProgrammed", usable: true })]);
  expect(writes.findIndex(([offset]) => offset >= 0x400)).toBeLessThan(
    writes.findIndex(([offset, value]) => offset === CFG && (value & 1) === 1),
  );
  const back = new Uint8Array(data.length);
  await drive(executor, volume.read(0, back));
  expectSameBytes(back, data);
  await drive(executor, blkCryptoEvictKey(disk.bdev, volume.key as ReturnType<typeof key>));
  await drive(executor, disk.close());
  expect(memory.mapped).toBe(0);
  expect(layer.bioSet.inUse).toBe(0);
  expect(executor.isIdle).toBe(true);
});

it("[UFS-27] a slot that lost its key is an error, and no data moves", async () => {
  const { executor, disk, host, key, medium } = await makeRig();
  const volume = new Volume(disk.bdev, { key: key(1) });
  await drive(executor, volume.write(0, pattern(4096)));
  // Behind the driver's back: cleared, and not programmed again.
  host.write32(0x400 + 16 * 4, 0);
  host.write32(0x480 + 16 * 4, 0);
  const before = medium.slice();
  const failing = [0, 8192].map((at) => submit(disk.bdev, ReqOp.WRITE, at, pattern(4096, 5), volume));
  const plain = submit(disk.bdev, ReqOp.READ, 0, new Uint8Array(4096));
  const statuses = await drive(executor, Promise.all([...failing, plain]));
  expect(statuses).toEqual([BlkStatus.IOERR, BlkStatus.IOERR, BlkStatus.OK]);
  expectSameBytes(medium, before);
  await drive(executor, disk.close());
});

it("[UFS-27] a task that ends within a data unit of its slot is an error, and no data moves", async () => {
  const { executor, disk, host, key, medium, writes } = await makeRig();
  const volume = new Volume(disk.bdev, { key: key(1) });
  await drive(executor, volume.write(0, pattern(4096)));
  // Behind the driver's back: the slots' data units are of 8 KiB now.
  const config = buildCryptoConfig({ dataUnitSize: 16, capIndex: 0, enable: true });
  for (const slot of [0, 1]) host.write32(0x400 + slot * 0x80 + 16 * 4, config);
  const before = medium.slice();
  const cut = submit(disk.bdev, ReqOp.WRITE, 0, pattern(4096, 5), volume);
  const whole = submit(disk.bdev, ReqOp.WRITE, 8192, pattern(8192, 5), volume);
  expect(await drive(executor, Promise.all([cut, whole]))).toEqual([BlkStatus.IOERR, BlkStatus.OK]);
  const acknowledged = writes.filter(([offset]) => offset === CqReg.IS).map(([, value]) => value);
  expect(acknowledged.some((value) => (value & CqIs.ICCE) !== 0)).toBe(true);
  expectSameBytes(medium.subarray(0, 8192), before.subarray(0, 8192));
  await drive(executor, disk.close());
});

it("[UFS-27] TERRI has the number of a failed task in bits 28:24, and in bit 31 that there is one", async () => {
  const { executor, disk, host, key } = await makeRig();
  const volume = new Volume(disk.bdev, { key: key(1) });
  await drive(executor, volume.write(0, pattern(4096)));
  for (const slot of [0, 1]) host.write32(0x400 + slot * 0x80 + 16 * 4, 0);
  const [plain, failing] = [undefined, volume].map((each, index) =>
    submit(disk.bdev, ReqOp.WRITE, index * 8192, pattern(4096), each),
  );
  expect(await drive(executor, Promise.all([plain, failing]))).toEqual([BlkStatus.OK, BlkStatus.IOERR]);
  expect(host.read32(CqReg.TERRI)).toBe(0x8100_0000);
  await drive(executor, disk.close());
});

it("a task that ends and was not sent, or a failure of none, is nobody's", async () => {
  const { executor, disk, irq, mmio } = await makeRig();
  const { read32 } = mmio;
  const stray = new Map<number, number>([
    [CqReg.IS, CqIs.TCC | CqIs.RED],
    [CqReg.TCN, 0xffff_ffff],
  ]);
  mmio.read32 = (offset) => stray.get(offset) ?? read32(offset);
  irq.raise();
  executor.step();
  irq.lower();
  mmio.read32 = read32;
  executor.runUntilIdle();
  expect(await drive(executor, submit(disk.bdev, ReqOp.WRITE, 0, pattern(4096)))).toBe(BlkStatus.OK);
  await drive(executor, disk.close());
});

/**
 * Random lives of keys: init, start, attach, I/O, evict, wipe, and resets of the hardware, on two devices of which each
 * can do something else, with and without a fallback. A model says how each call and each I/O has to end.
 */
import assert from "node:assert/strict"; // In loops that run a million times: vitest's own are slow.
import {
  type Bio,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  BlockLayer,
  type CryptoConfig,
  type CryptoFallback,
  type CryptoKeyRef,
  GenDisk,
  KeyslotWaiter,
  newDun,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import {
  type BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoConfigSupported,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoKeyType,
} from "@inlinecrypt/blk-crypto-profile";
import fc from "fast-check";
import { it } from "vitest";
import { FakeHardware, makeKey } from "./support.ts";

const SEED = Number(process.env.INLINECRYPT_SEED ?? 20261122);
const UNIT_BYTES = 4096;

/** Kinds of keys; two keys of the first kind have the same bytes and are different keys all the same. */
const newKeys = (): BlkCryptoKey[] => [
  makeKey(1),
  makeKey(1),
  makeKey(2, { flags: 0 }),
  makeKey(3, { dataUnitBytes: 512 }),
  makeKey(4, { dunBytes: 16 }),
  makeKey(5, { keyType: "hw-wrapped" }),
];
const KEY_COUNT = newKeys().length;

/** Software with one mode and one slot: what `@inlinecrypt/blk-crypto-fallback` does, as far as keys go. */
class FakeFallback implements CryptoFallback {
  readonly hardware: FakeHardware = new FakeHardware();
  isStarted = false;
  #profile: BlkCryptoProfile | null = null;

  attach(layer: BlockLayer): void {
    const modesSupported = { "AES-256-XTS": 512 | 4096 };
    const options = { slotCount: 1, modesSupported, maxDunBytesSupported: 32, llOps: wipeAware(this.hardware) };
    this.#profile = new BlkCryptoProfile(layer, options);
  }

  prepBio(bio: Bio): boolean {
    bio.endIoWith(this.#serve(bio.cryptCtx!.key!));
    return false;
  }

  supports(config: CryptoConfig): boolean {
    return config.keyType === "raw";
  }

  startUsingKey(): void {
    this.isStarted = true;
  }

  evictKey(key: CryptoKeyRef): Promise<void> {
    return this.#profile!.evictKey(key);
  }

  #serve(key: CryptoKeyRef): BlkStatus {
    if (!this.#profile!.capabilities.match(key)) return BlkStatus.NOTSUPP;
    if (!this.isStarted) return BlkStatus.IOERR;
    const waiter = new KeyslotWaiter(() => {});
    waiter.key = key;
    const status = this.#profile!.getKeyslot(waiter);
    if (waiter.slot !== null) this.#profile!.putKeyslot(waiter.slot);
    return status as BlkStatus;
  }
}

/** Hardware that looks at the bytes it programs: wiped keys have none. */
function wipeAware(hardware: FakeHardware): FakeHardware {
  const program = hardware.keyslotProgram.bind(hardware);
  hardware.keyslotProgram = (key, slotIndex) => {
    key.withBytes((bytes) => assert(bytes.some((byte) => byte !== 0)));
    return program(key, slotIndex);
  };
  return hardware;
}

interface Io {
  readonly key: number;
  readonly expected: BlkStatus;
  readonly ends: BlkStatus[];
}

/** A disk, the hardware that encrypts for it, and the requests its driver works on. */
class TestDevice {
  readonly hardware: FakeHardware = wipeAware(new FakeHardware());
  readonly profile: BlkCryptoProfile;
  readonly disk: GenDisk;
  readonly requests: BlkRequest[] = [];
  /** I/O that has not ended. */
  readonly open: Set<Io> = new Set();
  readonly dataUnits: number;
  readonly keyTypes: readonly CryptoKeyType[];

  constructor(layer: BlockLayer, slotCount: number, dataUnits: number, keyTypes: readonly CryptoKeyType[]) {
    this.dataUnits = dataUnits;
    this.keyTypes = keyTypes;
    this.profile = new BlkCryptoProfile(layer, {
      slotCount,
      modesSupported: { "AES-256-XTS": dataUnits },
      maxDunBytesSupported: 8,
      keyTypesSupported: keyTypes,
      llOps: this.hardware,
    });
    const queue = new BlkMqQueue(layer, { queueDepth: 8, ops: { queueRq: (rq) => this.#take(rq) } });
    queue.registerCryptoProfile(this.profile);
    this.disk = new GenDisk({ name: "test0", queue, sectorCount: 8 });
  }

  /** What the model says of the hardware, in words of the key. */
  isNative(key: BlkCryptoKey): boolean {
    const fits = (this.dataUnits & key.dataUnitBytes) !== 0 && key.dunBytes <= 8;
    return key.flags === 1 && fits && this.keyTypes.includes(key.keyType);
  }

  inFlight(key: number): boolean {
    return [...this.open].some((io) => io.key === key);
  }

  #take(rq: BlkRequest): BlkStatus {
    const key = rq.cryptCtx!.key as BlkCryptoKey;
    assert(this.isNative(key));
    assert.equal(this.hardware.slots.get(rq.cryptKeyslot!.slotIndex), key);
    this.requests.push(rq);
    return BlkStatus.OK;
  }
}

interface Step {
  do: "start" | "write" | "complete" | "evict" | "wipe" | "reset";
  key: number;
  device: number;
  nth: number;
}
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom("start", "write", "write", "write", "complete", "complete", "evict", "wipe", "reset"),
  key: fc.nat({ max: KEY_COUNT - 1 }),
  device: fc.nat({ max: 1 }),
  nth: fc.nat({ max: 7 }),
});

class Life {
  readonly #executor = new SimExecutor();
  readonly #fallback: FakeFallback | null;
  readonly #layer: BlockLayer;
  readonly #devices: readonly TestDevice[];
  readonly #keys = newKeys();
  readonly #wiped = new Set<number>();
  readonly #buffer = new Uint8Array(UNIT_BYTES);

  constructor(slotCount: number, withFallback: boolean) {
    this.#fallback = withFallback ? new FakeFallback() : null;
    const cryptoFallback = this.#fallback;
    this.#layer = new BlockLayer({ executor: this.#executor, ...(cryptoFallback && { cryptoFallback }) });
    this.#devices = [
      new TestDevice(this.#layer, slotCount, 4096, ["raw", "hw-wrapped"]),
      new TestDevice(this.#layer, slotCount, 512 | 1024, ["raw"]),
    ];
  }

  async perform({ do: what, key, device: index, nth }: Step): Promise<void> {
    const device = this.#devices[index]!;
    if (what === "start") this.#start(device, this.#keys[key]!);
    if (what === "write") this.#write(device, key);
    if (what === "complete") this.#complete(device, nth);
    if (what === "evict") await this.#evict(device, key);
    if (what === "wipe") await this.#wipe(key);
    if (what === "reset") await this.#reset(device);
    this.#executor.runUntilIdle();
    this.#checkEnds();
  }

  async finish(): Promise<void> {
    for (const device of this.#devices) {
      while (device.requests.length > 0) {
        this.#complete(device, 0);
        this.#executor.runUntilIdle();
      }
    }
    this.#checkEnds();
    for (const device of this.#devices) {
      assert.equal(device.open.size, 0);
      for (const key of this.#keys.keys()) await this.#evict(device, key);
      assert.equal(device.hardware.slots.size, 0);
      device.profile[Symbol.dispose]();
    }
    assert.equal(this.#fallback?.hardware.slots.size ?? 0, 0);
    assert.deepEqual([this.#executor.isIdle, this.#layer.bioSet.inUse, this.#layer.cryptCtxs.inUse], [true, 0, 0]);
  }

  #start(device: TestDevice, key: BlkCryptoKey): void {
    const bdev = device.disk.part0;
    const native = device.isNative(key);
    const maySoftware = this.#fallback !== null && key.keyType === "raw";
    assert.equal(blkCryptoConfigSupported(bdev, key), native || maySoftware);
    const call = (): void => blkCryptoStartUsingKey(bdev, key);
    if (native || maySoftware) call();
    else assert.throws(call, { code: key.keyType === "raw" ? "ENOPKG" : "EOPNOTSUPP" });
  }

  #write(device: TestDevice, keyIndex: number): void {
    const key = this.#keys[keyIndex]!;
    const io: Io = { key: keyIndex, expected: this.#expectedOf(device, keyIndex), ends: [] };
    device.open.add(io);
    const bio = this.#layer.bioSet.tryAlloc(device.disk.part0, ReqOp.WRITE)!;
    bio.addBuffer(this.#buffer);
    bio.setCryptCtx(key, newDun());
    bio.onEndIo = () => {
      io.ends.push(bio.status);
      bio.put();
    };
    this.#layer.submitBio(bio);
  }

  #expectedOf(device: TestDevice, keyIndex: number): BlkStatus {
    const key = this.#keys[keyIndex]!;
    const isWiped = this.#wiped.has(keyIndex);
    if (device.isNative(key)) return isWiped ? BlkStatus.IOERR : BlkStatus.OK;
    if (this.#fallback === null || key.keyType !== "raw") return BlkStatus.NOTSUPP;
    return isWiped || !this.#fallback.isStarted ? BlkStatus.IOERR : BlkStatus.OK;
  }

  #complete(device: TestDevice, nth: number): void {
    if (device.requests.length === 0) return;
    const [rq] = device.requests.splice(nth % device.requests.length, 1);
    assert.equal(device.hardware.slots.get(rq!.cryptKeyslot!.slotIndex), rq!.cryptCtx!.key);
    rq!.complete(BlkStatus.OK);
  }

  async #evict(device: TestDevice, keyIndex: number): Promise<void> {
    const key = this.#keys[keyIndex]!;
    // Upper layers evict a key when its I/O has ended.
    if (device.inFlight(keyIndex)) return;
    const other = this.#devices.find((each) => each !== device)!;
    const untouched = [...other.hardware.slots];
    assert.equal(await blkCryptoEvictKey(device.disk.part0, key), undefined);
    assert(![...device.hardware.slots.values()].includes(key));
    assert(![...(this.#fallback?.hardware.slots.values() ?? [])].includes(key));
    assert.deepEqual([...other.hardware.slots], untouched);
  }

  /** The end of a key's life: evicted everywhere, then wiped. */
  async #wipe(keyIndex: number): Promise<void> {
    if (this.#devices.some((device) => device.inFlight(keyIndex))) return;
    for (const device of this.#devices) await this.#evict(device, keyIndex);
    this.#keys[keyIndex]!.wipe();
    this.#wiped.add(keyIndex);
  }

  /** The hardware loses its keys and gets back those its profile knows of; nobody reads a key that was wiped. */
  async #reset(device: TestDevice): Promise<void> {
    const before = new Map(device.hardware.slots);
    device.hardware.slots.clear();
    await device.profile.reprogramAllKeys();
    for (const { slotIndex, key } of device.profile.slotTable()) {
      assert.equal(device.hardware.slots.get(slotIndex), key === null ? undefined : before.get(slotIndex));
    }
  }

  /** I/O that has ended since the last look has ended as it had to. */
  #checkEnds(): void {
    for (const device of this.#devices) {
      for (const io of device.open) {
        if (io.ends.length === 0) continue;
        assert.deepEqual(io.ends, [io.expected]);
        device.open.delete(io);
      }
    }
  }
}

it(`[API-9] [API-13] [API-14] [API-15] [API-19] 5,000 lives of keys (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      fc.array(step, { maxLength: 30, size: "max" }),
      async (slotCount, withFallback, steps) => {
        const life = new Life(slotCount, withFallback);
        for (const each of steps) await life.perform(each);
        await life.finish();
      },
    ),
    { seed: SEED, numRuns: Number(process.env.MODEL_RUNS ?? 5000) },
  );
}, 120_000);

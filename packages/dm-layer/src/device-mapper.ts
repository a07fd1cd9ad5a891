import { BlkError, type BlockDevice, type BlockLayer, type CryptoKeyRef } from "@inlinecrypt/blk-core";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import type { OpenDevice } from "./dm-table.js";
import type { DmTargetType } from "./dm-target.js";
import { MappedDevice } from "./mapped-device.js";
import { runAll, throwAfter } from "./run-all.js";
import { allTargets } from "./targets/all-targets.js";

export interface DeviceMapperOptions {
  layer: BlockLayer;
  /** The devices that tables name, mapped ones excepted. Null: there is no such device. */
  device: (name: string) => BlockDevice | null;
  /**
   * The target types that tables name.
   *
   * @default allTargets
   */
  targets?: readonly DmTargetType[];
  /** Ciphers, for targets that encrypt by themselves: `crypt`. */
  skcipherEngine?: SkcipherEngine;
  /** The payload of a key that a table names as `:64:logon:name`; null: there is no such key. */
  keyringKey?: (type: string, description: string) => Uint8Array | null;
  /** 0 to 2^32 - 1, for `flakey`. @default globalThis.crypto.getRandomValues */
  random32?: () => number;
}

export interface CreateOptions {
  /** Unique among the mapped devices. 1 to 127 characters, no slash among them, and neither `control` nor `.` nor `..`. */
  name: string;
  /** Up to 128 characters. @default "" */
  uuid?: string;
  /** @default false */
  readOnly?: boolean;
  /** Loaded and made live at once. */
  table?: string;
}

/** A table of one mapped device uses another. */
interface Hold {
  readonly by: MappedDevice;
  readonly on: MappedDevice;
}

/**
 * All mapped devices of a block layer: what `dmsetup` talks to.
 *
 * @kernel drivers/md/dm-ioctl.c
 */
export class DeviceMapper implements AsyncDisposable {
  readonly #options: DeviceMapperOptions;
  readonly #types = new Map<string, DmTargetType>();
  readonly #devices = new Map<string, MappedDevice>();
  readonly #holds = new Set<Hold>();

  constructor(options: DeviceMapperOptions) {
    this.#options = options;
    for (const type of options.targets ?? allTargets) this.registerTarget(type);
  }

  /** @throws BlkError EEXIST when there is a type of that name. @kernel drivers/md/dm-target.c: dm_register_target */
  registerTarget(type: DmTargetType): void {
    if (this.#types.has(type.name)) throw new BlkError("EEXIST", "dm_register_target", `${type.name} is registered`);
    this.#types.set(type.name, type);
  }

  /** The registered target types, as `dmsetup targets` lists them: `linear v1.5.0`. */
  targets(): string[] {
    return [...this.#types.values()].map(({ name, version }) => `${name} v${version.join(".")}`);
  }

  /** The mapped devices, in order of creation. */
  devices(): MappedDevice[] {
    return [...this.#devices.values()];
  }

  /** @throws BlkError ENXIO when there is no such mapped device. */
  get(name: string): MappedDevice {
    const device = this.#devices.get(name);
    if (device === undefined) throw new BlkError("ENXIO", "device_mapper", `no mapped device ${name}`);
    return device;
  }

  /**
   * Makes a mapped device, and loads and resumes its table if it is given one.
   *
   * @throws BlkError EINVAL for a name or UUID that is none, EBUSY when one is taken, and what `load` and `resume` throw:
   * then there is no device.
   * @kernel drivers/md/dm-ioctl.c: dev_create
   */
  async create(options: CreateOptions): Promise<MappedDevice> {
    const device = this.#newDevice(options);
    if (options.table === undefined) return device;
    try {
      await device.load(options.table);
      await device.resume();
      return device;
    } catch (error) {
      return throwAfter(error, () => device.remove());
    }
  }

  /**
   * Removes all mapped devices, those on top first. I/O that waits for a resume, or because a target keeps it back, fails.
   *
   * @throws what failed first, when all that can be removed are.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const devices = this.devices();
    await runAll([
      // All at once: I/O that waits in one may be what an operation of another waits for.
      () => Promise.all(devices.map((device) => device.failWaiting())),
      ...devices.map((device) => () => this.#removeFromTop(device)),
    ]);
  }

  /** Removes a device, and before it those whose tables use it. */
  #removeFromTop(device: MappedDevice): Promise<void> {
    const users = [...this.#holds].filter(({ on }) => on === device).map(({ by }) => by);
    return runAll([...users.map((user) => () => this.#removeFromTop(user)), () => device[Symbol.asyncDispose]()]);
  }

  #newDevice({ name, uuid = "", readOnly = false }: CreateOptions): MappedDevice {
    checkNames(name, uuid);
    const taken = this.devices().some((device) => device.name === name || (uuid !== "" && device.uuid === uuid));
    if (taken) throw new BlkError("EBUSY", "device_mapper", `the name ${name} or UUID ${uuid} is taken`);
    const { layer, skcipherEngine = null } = this.#options;
    const device: MappedDevice = new MappedDevice({
      uuid,
      tableOwner: {
        name,
        layer,
        skcipherEngine,
        readOnly,
        targetType: (typeName) => this.#targetType(typeName),
        openDevice: (deviceName) => this.#openDevice(deviceName, device),
        keyringKey: (type, description) => this.#keyringKey(type, description),
        random32: this.#options.random32 ?? randomWord,
      },
      othersUseKey: (bdev, key) => this.#othersUseKey(device, bdev, key),
      onRemoved: () => this.#devices.delete(name),
    });
    this.#devices.set(name, device);
    return device;
  }

  /** Of those that `bdev` maps to itself nobody knows whether they would use the key without it: they do not count. */
  #othersUseKey(device: MappedDevice, bdev: BlockDevice, key: CryptoKeyRef): boolean {
    const bdevs = this.#mappedTo(bdev);
    const others = this.devices().filter((other) => other !== device && !bdevs.some((each) => other.isDiskOf(each)));
    return others.some((other) => bdevs.some((each) => other.usesKey(each, key)));
  }

  /** A device, and all that it maps to, at any depth. */
  #mappedTo(bdev: BlockDevice): BlockDevice[] {
    const mapped = this.devices().find((each) => each.isDiskOf(bdev));
    return [bdev, ...(mapped?.deps() ?? []).flatMap((below) => this.#mappedTo(below))];
  }

  #targetType(name: string): DmTargetType {
    const type = this.#types.get(name);
    if (type !== undefined) return type;
    const names = [...this.#types.keys()].join(", ");
    throw new BlkError("EINVAL", "dm_table", `unknown target type ${JSON.stringify(name)}, expected one of ${names}`);
  }

  /** @kernel drivers/md/dm-table.c: dm_get_device */
  #openDevice(name: string, by: MappedDevice): OpenDevice {
    const mapped = this.#devices.get(name.replace(/^\/dev\/mapper\//, ""));
    if (mapped !== undefined) return this.#openMapped(mapped, by);
    const bdev = this.#options.device(name);
    if (bdev === null) throw new BlkError("ENODEV", by.name, `no device ${JSON.stringify(name)}`);
    return { bdev, close: () => {} };
  }

  /** Devices that map to each other would send I/O round for ever, and none could be removed first. */
  #openMapped(on: MappedDevice, by: MappedDevice): OpenDevice {
    if (this.#reaches(on, by)) {
      const way = on === by ? "" : `, which ${on.name} maps to`;
      throw new BlkError("EINVAL", by.name, `the device cannot map to itself${way}`);
    }
    const { bdev, close } = on.open();
    const hold = { by, on };
    this.#holds.add(hold);
    return {
      bdev,
      close: () => {
        this.#holds.delete(hold);
        close();
      },
    };
  }

  #reaches(from: MappedDevice, to: MappedDevice): boolean {
    return from === to || [...this.#holds].some(({ by, on }) => by === from && this.#reaches(on, to));
  }

  #keyringKey(type: string, description: string): Uint8Array {
    const key = this.#options.keyringKey?.(type, description) ?? null;
    if (key === null) throw new BlkError("ENOKEY", "request_key", `no ${type} key ${JSON.stringify(description)}`);
    return key;
  }
}

/** Names are files in `/dev/mapper`, beside one that is called `control`. @kernel drivers/md/dm-ioctl.c: check_name */
function checkNames(name: string, uuid: string): void {
  const refuse = (message: string): never => {
    throw new BlkError("EINVAL", "device_mapper", message);
  };
  const isTaken = name.includes("/") || ["control", ".", ".."].includes(name);
  if (isTaken || name === "" || name.length > 127) {
    refuse(`the name ${JSON.stringify(name)}, expected 1 to 127 characters without "/", not "control", "." or ".."`);
  }
  if (uuid.length > 128) refuse(`a UUID of ${uuid.length} characters, expected at most 128`);
}

/** What browsers and Node have in common. */
const platform = globalThis as unknown as { crypto: { getRandomValues<T extends Uint32Array>(into: T): T } };

function randomWord(): number {
  return platform.crypto.getRandomValues(new Uint32Array(1))[0]!;
}

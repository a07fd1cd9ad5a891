import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type BlockDevice, BlockLayer, HostExecutor } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { LoopDevice, RamDisk } from "@inlinecrypt/blk-drivers";
import { findLeaks } from "@inlinecrypt/blk-sim";
import { MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk, type UfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { Scratch } from "./serve.js";

/** Sectors of the device on the top. */
const TOP_SECTORS = MIN_DEVICE_BYTES / 512;
const DISK_BYTES = 2 * MIN_DEVICE_BYTES;
const READ_10 = 0x28;
const WRITE_10 = 0x2a;

/** What a stack may stand on: UFS disks, two UFS disks with one medium behind them, a loop device in a file, a RAM disk. */
const LEAVES = ["ufs0", "ufs1", "path0", "path1", "file", "ram"] as const;
export type Leaf = (typeof LEAVES)[number];

/** Reads and writes that a UFS host controller was sent. */
export interface DataCommands {
  encrypted: number;
  plain: number;
}

/**
 * Devices on devices. They are described from the bottom up, and called `dev0`, `dev1`...: a table in which `$` stands
 * for the size of the top, or `loop <device>`. What they name and is not one of them is a leaf.
 */
export class DeepStack {
  readonly fallback: BlkCryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
  readonly layer: BlockLayer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback: this.fallback });
  readonly ufsDisks: Map<Leaf, UfsDisk> = new Map();
  /** What each UFS host controller was sent since the stack is complete. */
  readonly dataCommands: Map<Leaf, DataCommands> = new Map();
  readonly #scratch = new Scratch();
  readonly #devices = new Map<string, BlockDevice>();
  readonly #sharedMedium = new MemoryMedium(DISK_BYTES);
  readonly #readLeaf = new Map<Leaf, (byteOffset: number, into: Uint8Array) => void>();
  /** Closes what was opened, the last first. */
  readonly #closing: (() => Promise<unknown>)[] = [];
  readonly #mapper: DeviceMapper;

  private constructor() {
    const device = (name: string) => this.#devices.get(name) ?? null;
    this.#mapper = new DeviceMapper({ layer: this.layer, device, skcipherEngine: createNodeEngine() });
  }

  /** @param readOnly - of the top */
  static async open(descriptions: readonly string[], readOnly = false): Promise<DeepStack> {
    const stack = new DeepStack();
    const words = descriptions.join(" ").split(/\s/);
    for (const leaf of LEAVES.filter((name) => words.includes(name))) await stack.#openLeaf(leaf);
    for (const [index, description] of descriptions.entries()) {
      await stack.#openDevice(`dev${index}`, description, readOnly && index === descriptions.length - 1);
    }
    stack.#countCommands();
    return stack;
  }

  get top(): BlockDevice {
    return [...this.#devices.values()].at(-1)!;
  }

  device(name: string): BlockDevice {
    return this.#devices.get(name)!;
  }

  /** What is on a leaf's medium, past all devices. */
  medium(leaf: Leaf, byteOffset: number, bytes: number): Uint8Array {
    const found = new Uint8Array(bytes);
    this.#readLeaf.get(leaf)!(byteOffset, found);
    return found;
  }

  /** @throws Error when something was not given back, or a key is left on hardware. */
  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    const queues = [...this.#devices.values()].map(({ queue }) => queue);
    const profiles = [...this.ufsDisks.values()].map(({ profile }) => profile!);
    const leaks = findLeaks({ layer: this.layer, queues, profiles: [...profiles, this.fallback] });
    const keys = profiles.flatMap((profile) => profile.slotTable()).filter(({ key }) => key !== null);
    if (keys.length > 0) leaks.push(`${keys.length} keyslots of closed disks have a key`);
    this.fallback[Symbol.dispose]();
    this.#scratch[Symbol.dispose]();
    if (leaks.length > 0) throw new Error(leaks.join("; "));
  }

  async #openLeaf(name: Leaf): Promise<void> {
    if (name === "file") return this.#openFile();
    if (name === "ram") return this.#openRam();
    return this.#openUfs(name);
  }

  async #openFile(): Promise<void> {
    const path = this.#scratch.path("disk.img");
    const loop = await LoopDevice.open(this.layer, { name: "file", file: path, sizeBytes: DISK_BYTES });
    this.#add("file", loop.bdev, () => loop.close());
    const reading: FileHandle = await open(path);
    this.#closing.push(() => reading.close());
    this.#readLeaf.set("file", (at, into) => readSync(reading.fd, into, 0, into.length, at));
  }

  #openRam(): void {
    const ram = new RamDisk(this.layer, { name: "ram", bytes: DISK_BYTES });
    this.#add("ram", ram.bdev, () => ram.close());
    this.#readLeaf.set("ram", (at, into) => ram.readMedium(at, into));
  }

  async #openUfs(name: Leaf): Promise<void> {
    const backing = name.startsWith("path") ? this.#sharedMedium : new MemoryMedium(DISK_BYTES);
    const ufs = await createUfsDisk({ name, layer: this.layer, engine: createNodeEngine(), backing, keyslots: 2 });
    this.ufsDisks.set(name, ufs);
    this.#add(name, ufs.bdev, () => ufs.close());
    this.#readLeaf.set(name, (at, into) => into.set(backing.view(at, into.length)));
  }

  async #openDevice(name: string, description: string, readOnly: boolean): Promise<void> {
    if (description.startsWith("loop ")) {
      const loop = await LoopDevice.open(this.layer, { name, device: this.device(description.slice(5)), readOnly });
      this.#add(name, loop.bdev, () => loop.close());
    } else {
      const table = description.replaceAll("$", `${TOP_SECTORS}`);
      const mapped = await this.#mapper.create({ name, table, readOnly });
      this.#add(name, mapped.bdev, () => mapped.remove());
    }
  }

  #add(name: string, bdev: BlockDevice, close: () => Promise<unknown>): void {
    this.#devices.set(name, bdev);
    this.#closing.push(close);
  }

  #countCommands(): void {
    for (const [name, { controller }] of this.ufsDisks) {
      const counts: DataCommands = { encrypted: 0, plain: 0 };
      this.dataCommands.set(name, counts);
      controller.events.observe((event) => {
        if (event.type !== "commandStarted") return;
        if (event.opcode !== READ_10 && event.opcode !== WRITE_10) return;
        counts[event.slotIndex >= 0 ? "encrypted" : "plain"]++;
      });
    }
  }
}

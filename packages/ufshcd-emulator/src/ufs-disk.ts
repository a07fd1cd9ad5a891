import type { BlockDevice } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { UfsHostController } from "./controller/index.js";
import { HostMemory, InterruptLine, UfsHba, type UfsLun } from "./driver/index.js";
import { ExecutorClock } from "./executor-clock.js";
import { checkCount, cryptoOf, logicalUnitsOf, type UfsDiskOptions } from "./ufs-disk-options.js";

/** A UFS host controller, its device, and the driver that runs them, in one process. */
export class UfsDisk implements AsyncDisposable {
  /** The hardware half: its registers, its events, its faults. */
  readonly controller: UfsHostController;
  /** The driver half. */
  readonly hba: UfsHba;
  #closing: Promise<void> | null = null;

  constructor(controller: UfsHostController, hba: UfsHba) {
    this.controller = controller;
    this.hba = hba;
  }

  /** The first disk; on a device with one logical unit, the disk. */
  get bdev(): BlockDevice {
    return this.hba.luns[0]!.bdev;
  }

  /** One disk for each logical unit. */
  get luns(): readonly UfsLun[] {
    return this.hba.luns;
  }

  /** Null when there is no crypto engine. */
  get profile(): BlkCryptoProfile | null {
    return this.hba.cryptoProfile;
  }

  /** Refuses new I/O, waits for what was accepted, flushes, empties all keyslots, switches off. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.hba.close();
    } finally {
      this.controller[Symbol.dispose]();
    }
  }
}

/**
 * Makes a UFS disk that encrypts inline: a host controller with a crypto engine and a device behind it, and the driver
 * that has found the device's logical units.
 *
 * @throws BlkError EINVAL for options that make no sense; ENOMEM for a disk too large for memory; what `UfsHba.probe`
 * throws when faults keep the device from starting.
 */
export async function createUfsDisk(options: UfsDiskOptions): Promise<UfsDisk> {
  const { layer, name, variant, commandTimeoutMs, autosuspendMs, faults, hibernateClearsKeys } = options;
  const { transferRequests = 32 } = options;
  checkCount("transferRequests", transferRequests, 2, 32);
  const crypto = cryptoOf(options);
  const memory = new HostMemory();
  const irq = new InterruptLine(layer.executor);
  const controller = new UfsHostController({
    dma: memory,
    irq,
    clock: new ExecutorClock(layer.executor),
    logicalUnits: logicalUnitsOf(options),
    transferRequests,
    ...crypto,
    ...(faults && { faults }),
    ...(hibernateClearsKeys !== undefined && { hibernateClearsKeys }),
  });
  try {
    const hba = await UfsHba.probe(layer, {
      mmio: controller,
      memory,
      irq,
      ...(name !== undefined && { name }),
      ...(variant && { variant }),
      ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
      ...(autosuspendMs !== undefined && { autosuspendMs }),
    });
    return new UfsDisk(controller, hba);
  } catch (error) {
    controller[Symbol.dispose]();
    throw error;
  }
}

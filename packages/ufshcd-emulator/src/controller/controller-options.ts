import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import type { CryptoCapEntry, Dma, IrqLine } from "../ufshci/index.js";
import type { ControllerClock } from "./clock.js";
import type { DeviceIdentity } from "./device/device-identity.js";
import type { LogicalUnitOptions } from "./device/scsi-unit.js";
import type { FaultRule } from "./fault-plan.js";

/** The inline crypto engine of a controller. */
export interface ControllerCryptoOptions {
  /** Computes. A capability whose cipher it lacks can be configured; commands that use it end with OCS 0xA. */
  readonly engine: SkcipherEngine;
  /**
   * 1 to 32.
   *
   * @default 8
   */
  readonly keyslots?: number;
  /**
   * The CRYPTOCAP registers, 1 to 32.
   *
   * @default one: AES-256-XTS with data units of 512 to 65536 bytes
   */
  readonly caps?: readonly CryptoCapEntry[];
}

/** What a controller is made of. */
export interface UfsHostControllerOptions {
  readonly dma: Dma;
  readonly irq: IrqLine;
  readonly clock: ControllerClock;
  /** 1 to 8 of them; their index is their number. */
  readonly logicalUnits: readonly LogicalUnitOptions[];
  /** Without it the controller has no crypto engine: CAP.CS is 0. */
  readonly crypto?: ControllerCryptoOptions;
  /**
   * Encrypts with keys that come in the PRDT (Exynos' FMP), instead of a UFSHCI crypto engine: CAP.CS is 1, and there are no
   * keyslots. Not together with `crypto`.
   */
  readonly keysInPrdt?: { readonly engine: SkcipherEngine };
  readonly identity?: Partial<DeviceIdentity>;
  /**
   * Entries of the transfer request list, 1 to 32.
   *
   * @default 32
   */
  readonly transferRequests?: number;
  /**
   * Entries of the task-management request list, 1 to 8.
   *
   * @default 8
   */
  readonly taskRequests?: number;
  /**
   * Whether a host reset clears every keyslot, so that a driver which does not program its keys again is found out.
   *
   * @default true
   */
  readonly resetClearsKeys?: boolean;
  /**
   * Whether the engine loses power with a hibernating link: every keyslot is cleared at DME_HIBERNATE_ENTER.
   *
   * @default false
   */
  readonly hibernateClearsKeys?: boolean;
  /** What goes wrong. */
  readonly faults?: readonly FaultRule[];
}

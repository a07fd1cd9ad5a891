import { type Dma, Reg } from "../ufshci/index.js";
import type { ControllerClock } from "./clock.js";
import type { UfsEvents } from "./events.js";
import type { FaultPlan } from "./fault-plan.js";
import type { Interrupts } from "./interrupts.js";
import type { DataTable } from "./prdt-cursor.js";
import type { RegisterFile } from "./register-file.js";

/** What all parts of the controller share. */
export class HostCore {
  readonly dma: Dma;
  readonly clock: ControllerClock;
  readonly registers: RegisterFile;
  readonly interrupts: Interrupts;
  readonly events: UfsEvents;
  readonly faults: FaultPlan;
  /** Makes what moves the data of one command at a time. */
  readonly newDataTable: () => DataTable;
  /** Rises at every host reset: what was deferred before has nothing to do any more. */
  generation = 0;
  /** Set by a fatal error, until the next host reset: no request is looked at. */
  isHalted = false;

  constructor(
    parts: Pick<HostCore, "dma" | "clock" | "registers" | "interrupts" | "events" | "faults" | "newDataTable">,
  ) {
    this.dma = parts.dma;
    this.clock = parts.clock;
    this.registers = parts.registers;
    this.interrupts = parts.interrupts;
    this.events = parts.events;
    this.faults = parts.faults;
    this.newDataTable = parts.newDataTable;
  }

  /** Defers `run` to after this register access, unless a host reset comes first. */
  defer(run: () => void): void {
    const { generation } = this;
    this.clock.defer(() => {
      if (generation === this.generation) run();
    });
  }

  /** Something broke for good; `is` is the bit of IS that says what. */
  fatal(is: number): void {
    this.isHalted = true;
    if (this.events.isObserved) this.events.emit({ type: "fatalError", is });
    this.interrupts.raise(is);
  }

  /** The base address of a request list, from its two registers. */
  listBase(low: typeof Reg.UTRLBA | typeof Reg.UTMRLBA): number {
    const high = low === Reg.UTRLBA ? Reg.UTRLBAU : Reg.UTMRLBAU;
    return this.registers.get(high) * 0x1_0000_0000 + this.registers.get(low);
  }
}

import { FlagIdn, QueryOpcode, QueryResult } from "../../ufshci/index.js";

/** What a host may do to a flag besides reading it. */
type FlagAccess = "read-only" | "set-only" | "any";

interface FlagSpec {
  readonly access: FlagAccess;
  readonly reset: boolean;
  /** Whether a device reset leaves the value. */
  readonly persistent?: boolean;
}

const FLAGS: ReadonlyMap<number, FlagSpec> = new Map<number, FlagSpec>([
  [FlagIdn.FDEVICEINIT, { access: "set-only", reset: false }],
  [FlagIdn.PERMANENT_WPE, { access: "read-only", reset: true, persistent: true }],
  [FlagIdn.PWR_ON_WPE, { access: "set-only", reset: false }],
  [FlagIdn.BKOPS_EN, { access: "any", reset: true }],
  [FlagIdn.LIFE_SPAN_MODE_ENABLE, { access: "any", reset: false }],
  [FlagIdn.PURGE_ENABLE, { access: "read-only", reset: false }],
  [FlagIdn.FPHYRESOURCEREMOVAL, { access: "any", reset: false, persistent: true }],
  [FlagIdn.BUSY_RTC, { access: "read-only", reset: false }],
  [FlagIdn.PERMANENTLY_DISABLE_FW_UPDATE, { access: "read-only", reset: true, persistent: true }],
]);

/** The device's flags. */
export class Flags {
  readonly #values = new Map<number, boolean>([...FLAGS].map(([idn, { reset }]) => [idn, reset]));

  /** The value, or undefined when there is no such flag. */
  get(idn: number): boolean | undefined {
    return this.#values.get(idn);
  }

  /** The device changes a flag by itself. */
  set(idn: number, value: boolean): void {
    this.#values.set(idn, value);
  }

  /** The host sets, clears or toggles a flag. */
  write(idn: number, opcode: number): QueryResult {
    const spec = FLAGS.get(idn);
    if (spec === undefined) return QueryResult.INVALID_IDN;
    const allowed = spec.access === "any" || (spec.access === "set-only" && opcode === QueryOpcode.SET_FLAG);
    if (!allowed) return QueryResult.NOT_WRITEABLE;
    const value = opcode === QueryOpcode.TOGGLE_FLAG ? !this.#values.get(idn) : opcode === QueryOpcode.SET_FLAG;
    this.#values.set(idn, value);
    return QueryResult.SUCCESS;
  }

  /** A device reset. */
  reset(): void {
    for (const [idn, { reset, persistent }] of FLAGS) if (!persistent) this.#values.set(idn, reset);
  }
}

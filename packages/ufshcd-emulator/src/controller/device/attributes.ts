import { AttributeIdn, QueryResult } from "../../ufshci/index.js";

interface AttributeSpec {
  readonly writable: boolean;
  readonly reset: number;
  /** The largest value that may be written. */
  readonly max: number;
  /** Whether a device reset leaves the value. */
  readonly persistent?: boolean;
}

const readOnly = (reset = 0): AttributeSpec => ({ writable: false, reset, max: 0 });
const writable = (max: number, reset = 0, persistent = false): AttributeSpec => ({
  writable: true,
  reset,
  max,
  persistent,
});

/** Power mode: active. */
const ACTIVE = 0x11;

const ATTRIBUTES: ReadonlyMap<number, AttributeSpec> = new Map([
  [AttributeIdn.BOOT_LU_EN, writable(2, 0, true)],
  [AttributeIdn.POWER_MODE, readOnly(ACTIVE)],
  [AttributeIdn.ACTIVE_ICC_LVL, writable(15)],
  [AttributeIdn.OOO_DATA_EN, readOnly()],
  [AttributeIdn.BKOPS_STATUS, readOnly()],
  [AttributeIdn.PURGE_STATUS, readOnly()],
  [AttributeIdn.MAX_DATA_IN, writable(0x40, 0x40, true)],
  [AttributeIdn.MAX_DATA_OUT, writable(0x40, 0x40, true)],
  [AttributeIdn.DYN_CAP_NEEDED, readOnly()],
  [AttributeIdn.REF_CLK_FREQ, writable(3, 1, true)],
  [AttributeIdn.CONF_DESC_LOCK, readOnly(1)],
  [AttributeIdn.MAX_NUM_OF_RTT, writable(2, 2, true)],
  [AttributeIdn.EE_CONTROL, writable(0xffff)],
  [AttributeIdn.EE_STATUS, readOnly()],
  [AttributeIdn.SECONDS_PASSED, writable(0xffff_ffff)],
  [AttributeIdn.CNTX_CONF, writable(0xffff)],
  [AttributeIdn.CORR_PRG_BLK_NUM, readOnly()],
  [AttributeIdn.FFU_STATUS, readOnly()],
  [AttributeIdn.PSA_STATE, readOnly()],
  [AttributeIdn.PSA_DATA_SIZE, readOnly()],
  [AttributeIdn.REF_CLK_GATING_WAIT_TIME, readOnly(100)],
]);

/** The device's attributes. */
export class Attributes {
  readonly #values = new Map<number, number>([...ATTRIBUTES].map(([idn, { reset }]) => [idn, reset]));

  /** The value, or undefined when there is no such attribute. */
  get(idn: number): number | undefined {
    return this.#values.get(idn);
  }

  /** The device changes a value by itself. */
  set(idn: number, value: number): void {
    this.#values.set(idn, value);
  }

  /** The host writes a value. */
  write(idn: number, value: number): QueryResult {
    const spec = ATTRIBUTES.get(idn);
    if (spec === undefined) return QueryResult.INVALID_IDN;
    if (!spec.writable) return QueryResult.NOT_WRITEABLE;
    if (value > spec.max) return QueryResult.INVALID_VALUE;
    this.#values.set(idn, value);
    return QueryResult.SUCCESS;
  }

  /** A device reset. */
  reset(): void {
    for (const [idn, { reset, persistent }] of ATTRIBUTES) if (!persistent) this.#values.set(idn, reset);
  }
}

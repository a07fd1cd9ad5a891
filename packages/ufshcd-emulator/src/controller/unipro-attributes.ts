import { UicResult, UniproAttr } from "../ufshci/index.js";

/** Lanes of the link, each way. */
const LANES = 2;
const MAX_HS_GEAR = 4;
const MAX_PWM_GEAR = 4;
/** UniPro 1.8. */
const VERSION = 5;
/** Attributes below this are those of an M-PHY lane, which the selector names. */
const FIRST_PA_ATTR = 0x1000;
const SELECTORS = 2 * LANES;
/** Vendor-specific and DME attributes: whatever is written can be read back. */
const FIRST_VENDOR_ATTR = 0xd000;

/** Values after a reset of attributes that can only be read. */
const READ_ONLY: readonly (readonly [attr: number, value: number])[] = [
  [UniproAttr.PA_AVAILTXDATALANES, LANES],
  [UniproAttr.PA_AVAILRXDATALANES, LANES],
  [UniproAttr.PA_CONNECTEDTXDATALANES, LANES],
  [UniproAttr.PA_CONNECTEDRXDATALANES, LANES],
  [UniproAttr.PA_MAXRXPWMGEAR, MAX_PWM_GEAR],
  [UniproAttr.PA_MAXRXHSGEAR, MAX_HS_GEAR],
  [UniproAttr.PA_REMOTEVERINFO, VERSION],
  [UniproAttr.PA_LOCALVERINFO, VERSION],
];

/** Values after a reset of the others, where they are not 0. */
const WRITABLE: readonly (readonly [attr: number, value: number])[] = [
  [UniproAttr.PA_LOCAL_TX_LCC_ENABLE, 1],
  [UniproAttr.PA_ACTIVETXDATALANES, 1],
  [UniproAttr.PA_ACTIVERXDATALANES, 1],
  [UniproAttr.PA_TXGEAR, 1],
  [UniproAttr.PA_RXGEAR, 1],
  [UniproAttr.PA_PWRMODE, 0x55], // slow auto, both ways
  [UniproAttr.PA_HIBERN8TIME, 1],
  [UniproAttr.PA_TACTIVATE, 10],
  [UniproAttr.PA_GRANULARITY, 6],
];

/** The standard ones: M-PHY lanes, PHY adapter, data link, network and transport layer. */
const STANDARD_RANGES: readonly (readonly [first: number, last: number])[] = [
  [0x0000, 0x00ff],
  [0x1500, 0x15ff],
  [0x2000, 0x20ff],
  [0x3000, 0x30ff],
  [0x4000, 0x40ff],
];

/** The UniPro attributes of one end of the link. */
export class UniproAttributes {
  readonly #values = new Map<number, number>();

  constructor() {
    this.reset();
  }

  /** The value of an attribute that passed {@link UniproAttributes.check}. */
  get(attr: number, selector = 0): number {
    return this.#values.get(keyOf(attr, selector)) ?? 0;
  }

  /** A UIC result: why an attribute cannot be read, or SUCCESS. */
  check(attr: number, selector: number): UicResult {
    if (attr < FIRST_PA_ATTR && selector >= SELECTORS) return UicResult.BAD_INDEX;
    const known = attr >= FIRST_VENDOR_ATTR || STANDARD_RANGES.some(([first, last]) => attr >= first && attr <= last);
    return known ? UicResult.SUCCESS : UicResult.INVALID_ATTR;
  }

  /** Sets an attribute as the host asks. */
  set(attr: number, selector: number, value: number): UicResult {
    const result = this.check(attr, selector);
    if (result !== UicResult.SUCCESS) return result;
    if (READ_ONLY.some(([known]) => known === attr)) return UicResult.READ_ONLY_ATTR;
    this.#values.set(keyOf(attr, selector), value);
    return UicResult.SUCCESS;
  }

  /** Whether the gears and lanes that were set are no more than there are. */
  get isPowerModePossible(): boolean {
    const lanes = [UniproAttr.PA_ACTIVETXDATALANES, UniproAttr.PA_ACTIVERXDATALANES];
    const gears = [UniproAttr.PA_TXGEAR, UniproAttr.PA_RXGEAR];
    return (
      lanes.every((attr) => this.get(attr) >= 1 && this.get(attr) <= LANES) &&
      gears.every((attr) => this.get(attr) >= 1 && this.get(attr) <= MAX_HS_GEAR)
    );
  }

  reset(): void {
    this.#values.clear();
    for (const [attr, value] of [...READ_ONLY, ...WRITABLE]) this.#values.set(keyOf(attr, 0), value);
  }
}

/** The selector counts for lanes only. */
function keyOf(attr: number, selector: number): number {
  return attr < FIRST_PA_ATTR ? attr * SELECTORS + selector : attr * SELECTORS;
}

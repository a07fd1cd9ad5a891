/**
 * UIC commands.
 *
 * @kernel include/ufs/ufshci.h: enum uic_cmd_dme
 */
export const UicCommand = {
  DME_GET: 0x01,
  DME_SET: 0x02,
  DME_PEER_GET: 0x03,
  DME_PEER_SET: 0x04,
  DME_POWERON: 0x10,
  DME_POWEROFF: 0x11,
  DME_ENABLE: 0x12,
  DME_RESET: 0x14,
  DME_ENDPOINTRESET: 0x15,
  DME_LINKSTARTUP: 0x16,
  DME_HIBERNATE_ENTER: 0x17,
  DME_HIBERNATE_EXIT: 0x18,
  DME_TEST_MODE: 0x1a,
} as const;

/** Result codes of UIC commands, in the low byte of UCMDARG2. */
export const UicResult = {
  SUCCESS: 0x00,
  INVALID_ATTR: 0x01,
  /** The same number, of the commands that are not about attributes. */
  FAILURE: 0x01,
  INVALID_ATTR_VALUE: 0x02,
  READ_ONLY_ATTR: 0x03,
  WRITE_ONLY_ATTR: 0x04,
  BAD_INDEX: 0x05,
  PEER_COMM_FAILURE: 0x08,
  BUSY: 0x09,
  DME_FAILURE: 0x0a,
} as const;
export type UicResult = (typeof UicResult)[keyof typeof UicResult];

/**
 * UniPro attributes that mean something here.
 *
 * @kernel include/ufs/unipro.h
 */
export const UniproAttr = {
  PA_AVAILTXDATALANES: 0x1520,
  PA_AVAILRXDATALANES: 0x1540,
  PA_LOCAL_TX_LCC_ENABLE: 0x155e,
  PA_ACTIVETXDATALANES: 0x1560,
  PA_CONNECTEDTXDATALANES: 0x1561,
  PA_TXGEAR: 0x1568,
  PA_TXTERMINATION: 0x1569,
  PA_HSSERIES: 0x156a,
  PA_PWRMODE: 0x1571,
  PA_ACTIVERXDATALANES: 0x1580,
  PA_CONNECTEDRXDATALANES: 0x1581,
  PA_RXGEAR: 0x1583,
  PA_RXTERMINATION: 0x1584,
  PA_MAXRXPWMGEAR: 0x1586,
  PA_MAXRXHSGEAR: 0x1587,
  PA_REMOTEVERINFO: 0x15a0,
  PA_HIBERN8TIME: 0x15a7,
  PA_TACTIVATE: 0x15a8,
  PA_LOCALVERINFO: 0x15a9,
  PA_GRANULARITY: 0x15aa,
  PA_PWRMODEUSERDATA0: 0x15b0,
  PA_PWRMODEUSERDATA11: 0x15bb,
  PA_TXHSADAPTTYPE: 0x15d4,
} as const;

/** PA power modes, a nibble each for receiver and transmitter in PA_PWRMODE. */
export const PaPowerMode = { FAST: 1, SLOW: 2, FASTAUTO: 4, SLOWAUTO: 5, UNCHANGED: 7 } as const;

/** Bits of UCMDARG1: the attribute, and which of its instances (M-PHY lanes). */
export function uicAttr(arg1: number): number {
  return arg1 >>> 16;
}

/** GenSelectorIndex of UCMDARG1. */
export function uicSelector(arg1: number): number {
  return arg1 & 0xffff;
}

/** UCMDARG1 of the commands that get and set attributes. */
export function uicMib(attr: number, selector = 0): number {
  return ((attr << 16) | selector) >>> 0;
}

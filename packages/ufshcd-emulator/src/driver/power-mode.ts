import { PaPowerMode, UniproAttr } from "../ufshci/index.js";
import type { UfsHba } from "./ufs-hba.js";

/** @kernel include/ufs/unipro.h: PA_HS_MODE_B */
const HS_SERIES_B = 2;

/**
 * Brings the link to the fastest gear both ends have, on all connected lanes.
 *
 * @throws BlkError EIO, ETIMEDOUT.
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_get_max_pwr_mode, ufshcd_change_power_mode
 */
export async function changeToFastestMode(hba: UfsHba): Promise<void> {
  const { uic } = hba;
  const rxLanes = await uic.get(UniproAttr.PA_CONNECTEDRXDATALANES);
  const txLanes = await uic.get(UniproAttr.PA_CONNECTEDTXDATALANES);
  const rxGear = await uic.get(UniproAttr.PA_MAXRXHSGEAR);
  const txGear = await uic.peerGet(UniproAttr.PA_MAXRXHSGEAR);
  await uic.set(UniproAttr.PA_RXGEAR, rxGear);
  await uic.set(UniproAttr.PA_ACTIVERXDATALANES, rxLanes);
  await uic.set(UniproAttr.PA_RXTERMINATION, 1);
  await uic.set(UniproAttr.PA_TXGEAR, txGear);
  await uic.set(UniproAttr.PA_ACTIVETXDATALANES, txLanes);
  await uic.set(UniproAttr.PA_TXTERMINATION, 1);
  await uic.set(UniproAttr.PA_HSSERIES, HS_SERIES_B);
  await uic.changePowerMode((PaPowerMode.FAST << 4) | PaPowerMode.FAST);
}

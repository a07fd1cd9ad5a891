import { BlkError } from "@inlinecrypt/blk-core";
import { FlagIdn, Hce, Hcs, QueryOpcode, Reg } from "../ufshci/index.js";
import { pollUntil, sleep } from "./completion.js";
import { changeToFastestMode } from "./power-mode.js";
import type { UfsHba } from "./ufs-hba.js";

/** @kernel drivers/ufs/core/ufshcd.c: HBA_ENABLE_RETRIES */
const ENABLE_TRIES = 3;
/** @kernel drivers/ufs/core/ufshcd.c: ufshcd_hba_execute_hce, 50 looks at HCE */
const ENABLE_TIMEOUT_MS = 50;
const STOP_TIMEOUT_MS = 10;
/** @kernel drivers/ufs/core/ufshcd.c: DME_LINKSTARTUP_RETRIES */
const LINK_STARTUP_TRIES = 3;
/** @kernel drivers/ufs/core/ufshcd.c: NOP_OUT_RETRIES */
const NOP_TRIES = 10;
/** @kernel drivers/ufs/core/ufshcd.c: FDEVICEINIT_COMPL_TIMEOUT */
const DEVICE_INIT_TIMEOUT_MS = 1500;
/** @kernel drivers/ufs/core/ufshcd.c: QUERY_REQ_RETRIES */
const QUERY_TRIES = 3;

const LIST_READY = Hcs.UTRLRDY | Hcs.UTMRLRDY | Hcs.UCRDY;

/** Resets and enables the controller: keys first, then HCE. @throws BlkError EIO. @kernel drivers/ufs/core/ufshcd.c: ufshcd_hba_enable */
export async function hbaEnable(hba: UfsHba): Promise<void> {
  for (let tries = 1; ; tries++) {
    if (isEnabled(hba)) await hbaStop(hba);
    hba.variant.hceEnableNotify?.(hba, "pre");
    hba.mmio.write32(Reg.HCE, Hce.HCE | (await cryptoEnable(hba)));
    if (await pollUntil(hba.layer.executor, () => isEnabled(hba), 1, ENABLE_TIMEOUT_MS)) break;
    if (tries === ENABLE_TRIES) throw failure("EIO", "ufshcd_hba_enable", "the controller does not enable itself");
  }
  hba.enableUicInterrupts();
  hba.variant.hceEnableNotify?.(hba, "post");
}

/** Disables the controller, which forgets all it was doing. @throws BlkError EIO. @kernel drivers/ufs/core/ufshcd.c: ufshcd_hba_stop */
export async function hbaStop(hba: UfsHba): Promise<void> {
  hba.mmio.write32(Reg.HCE, 0);
  if (await pollUntil(hba.layer.executor, () => !isEnabled(hba), 1, STOP_TIMEOUT_MS)) return;
  throw failure("EIO", "ufshcd_hba_stop", "the controller does not disable itself");
}

/**
 * From an enabled controller to a device that takes commands.
 *
 * @throws BlkError ENODEV, EIO, ETIMEDOUT.
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_device_init
 */
export async function deviceInit(hba: UfsHba): Promise<void> {
  await linkStartup(hba);
  makeOperational(hba);
  await retried(NOP_TRIES, () => hba.reserved.nop());
  await completeDeviceInit(hba);
  await changeToFastestMode(hba);
}

/**
 * Programs every key again, because a controller that was off or reset has lost them. Returns HCE's crypto bit, if it is
 * to be set.
 *
 * @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_crypto_enable
 */
async function cryptoEnable(hba: UfsHba): Promise<number> {
  if (hba.cryptoProfile === null) return 0;
  await hba.cryptoProfile.reprogramAllKeys();
  return hba.variant.brokenCryptoEnable ? 0 : Hce.CGE;
}

/** @kernel drivers/ufs/core/ufshcd.c: ufshcd_link_startup */
async function linkStartup(hba: UfsHba): Promise<void> {
  await retried(LINK_STARTUP_TRIES, async () => {
    await hba.uic.linkStartup();
    if ((hba.mmio.read32(Reg.HCS) & Hcs.DP) !== 0) return;
    throw failure("ENODEV", "ufshcd_link_startup", "no device is connected to the controller");
  });
}

/** Gives the controller its lists and lets them run. @kernel drivers/ufs/core/ufshcd.c: ufshcd_make_hba_operational */
function makeOperational(hba: UfsHba): void {
  const { mmio, transfers, tasks } = hba;
  hba.enableAllInterrupts();
  // Interrupts need no aggregation: the handler takes all that has ended in one go.
  mmio.write32(Reg.UTRIACR, 0);
  mmio.write32(Reg.UTRLBA, transfers.address);
  mmio.write32(Reg.UTRLBAU, 0);
  mmio.write32(Reg.UTMRLBA, tasks.address);
  mmio.write32(Reg.UTMRLBAU, 0);
  if ((mmio.read32(Reg.HCS) & LIST_READY) !== LIST_READY) {
    throw failure("EIO", "ufshcd_make_hba_operational", "the controller is not ready to process requests");
  }
  mmio.write32(Reg.UTMRLRSR, 1);
  mmio.write32(Reg.UTRLRSR, 1);
}

/** @kernel drivers/ufs/core/ufshcd.c: ufshcd_complete_dev_init */
async function completeDeviceInit(hba: UfsHba): Promise<void> {
  const { executor } = hba.layer;
  await retried(QUERY_TRIES, () => hba.reserved.flag(QueryOpcode.SET_FLAG, FlagIdn.FDEVICEINIT));
  const until = executor.nowMs() + DEVICE_INIT_TIMEOUT_MS;
  const readFlag = (): Promise<boolean> => hba.reserved.flag(QueryOpcode.READ_FLAG, FlagIdn.FDEVICEINIT);
  while (await retried(QUERY_TRIES, readFlag)) {
    if (executor.nowMs() >= until) {
      throw failure(
        "EIO",
        "ufshcd_complete_dev_init",
        `fDeviceInit was not cleared within ${DEVICE_INIT_TIMEOUT_MS} ms`,
      );
    }
    await sleep(executor, 1);
  }
}

function isEnabled(hba: UfsHba): boolean {
  return (hba.mmio.read32(Reg.HCE) & Hce.HCE) !== 0;
}

async function retried<T>(tries: number, run: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await run();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

function failure(code: "EIO" | "ENODEV", op: string, message: string): BlkError {
  return new BlkError(code, op, message);
}

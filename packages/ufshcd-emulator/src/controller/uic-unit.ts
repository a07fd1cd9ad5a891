import {
  Hce,
  Hcs,
  Is,
  PaPowerMode,
  PowerModeStatus,
  Reg,
  UicCommand,
  UicResult,
  UniproAttr,
  uicAttr,
  uicSelector,
} from "../ufshci/index.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { HostCore } from "./host-core.js";
import type { TransferList } from "./transfer-list.js";
import { UniproAttributes } from "./unipro-attributes.js";

const LINK_BITS = Hcs.DP | Hcs.UTRLRDY | Hcs.UTMRLRDY;

/** UIC commands: the link to the device, its attributes, its power mode. One command at a time. */
export class UicUnit {
  readonly #core: HostCore;
  readonly #device: UfsDevice;
  readonly #transfers: TransferList;
  readonly #onHibernate: () => void;
  readonly #local = new UniproAttributes();
  readonly #peer = new UniproAttributes();
  #isLinkStarting = false;

  /** @param onHibernate - called when the link begins to hibernate */
  constructor(core: HostCore, device: UfsDevice, transfers: TransferList, onHibernate: () => void) {
    this.#core = core;
    this.#device = device;
    this.#transfers = transfers;
    this.#onHibernate = onHibernate;
  }

  /** Software writes UICCMD: ignored while a command is under way, and only stored while the controller is off. */
  start(command: number): void {
    const { registers } = this.#core;
    const isOn = (registers.get(Reg.HCE) & Hce.HCE) !== 0;
    if (isOn && (registers.get(Reg.HCS) & Hcs.UCRDY) === 0) return;
    registers.write(Reg.UICCMD, command);
    if (!isOn) return;
    registers.clearBits(Reg.HCS, Hcs.UCRDY);
    this.#core.defer(() => this.#execute());
  }

  /** A host reset: the link is down. */
  reset(): void {
    this.#isLinkStarting = false;
    this.#local.reset();
    this.#peer.reset();
  }

  /** Ends a link start-up that waits for the medium: a device must not be overtaken by writes of its former life. */
  finishLinkStartup(): void {
    if (!this.#isLinkStarting || !this.#transfers.isQuiet) return;
    this.#isLinkStarting = false;
    this.#resetDevice();
    this.#core.registers.setBits(Reg.HCS, LINK_BITS);
    this.#end(UicResult.SUCCESS);
  }

  get #isLinkUp(): boolean {
    return (this.#core.registers.get(Reg.HCS) & Hcs.DP) !== 0;
  }

  #execute(): void {
    const { registers } = this.#core;
    const command = registers.get(Reg.UICCMD);
    switch (command) {
      case UicCommand.DME_LINKSTARTUP:
        return this.#linkStartup();
      case UicCommand.DME_GET:
      case UicCommand.DME_PEER_GET:
        return this.#get(command === UicCommand.DME_GET ? this.#local : this.#peer);
      case UicCommand.DME_SET:
      case UicCommand.DME_PEER_SET:
        return this.#set(command === UicCommand.DME_SET ? this.#local : this.#peer);
      case UicCommand.DME_HIBERNATE_ENTER:
      case UicCommand.DME_HIBERNATE_EXIT:
        return this.#hibernate(command === UicCommand.DME_HIBERNATE_ENTER);
      case UicCommand.DME_RESET:
      case UicCommand.DME_POWEROFF:
        this.#linkDown();
        return this.#end(UicResult.SUCCESS);
      case UicCommand.DME_ENDPOINTRESET:
        return this.#endPointReset();
      case UicCommand.DME_ENABLE:
      case UicCommand.DME_POWERON:
        return this.#end(UicResult.SUCCESS);
      default:
        return this.#end(UicResult.FAILURE);
    }
  }

  /** Ends the command; `more` are bits of IS besides UCCS. */
  #end(result: UicResult, more = 0): void {
    const { registers, interrupts, events } = this.#core;
    const arg1 = registers.get(Reg.UCMDARG1);
    registers.set(Reg.UCMDARG2, (registers.get(Reg.UCMDARG2) & ~0xff) | result);
    registers.setBits(Reg.HCS, Hcs.UCRDY);
    interrupts.raise(Is.UCCS | more);
    if (!events.isObserved) return;
    const command = registers.get(Reg.UICCMD);
    events.emit({ type: "uicCommand", command, attr: uicAttr(arg1), value: registers.get(Reg.UCMDARG3), result });
  }

  #linkStartup(): void {
    this.#isLinkStarting = true;
    this.finishLinkStartup();
  }

  #endPointReset(): void {
    if (!this.#isLinkUp) return this.#end(UicResult.FAILURE);
    this.#transfers.abortAll();
    this.#linkStartup();
  }

  #resetDevice(): void {
    this.#peer.reset();
    this.#device.reset();
    if (this.#core.events.isObserved) this.#core.events.emit({ type: "deviceReset" });
  }

  #linkDown(): void {
    this.#transfers.abortAll();
    this.#core.registers.clearBits(Reg.HCS, LINK_BITS);
    this.reset();
  }

  #get(attributes: UniproAttributes): void {
    const arg1 = this.#core.registers.get(Reg.UCMDARG1);
    const result = this.#reach(attributes, attributes.check(uicAttr(arg1), uicSelector(arg1)));
    const value = result === UicResult.SUCCESS ? attributes.get(uicAttr(arg1), uicSelector(arg1)) : 0;
    this.#core.registers.set(Reg.UCMDARG3, value);
    this.#end(result);
  }

  #set(attributes: UniproAttributes): void {
    const { registers } = this.#core;
    const arg1 = registers.get(Reg.UCMDARG1);
    const value = registers.get(Reg.UCMDARG3);
    if (uicAttr(arg1) === UniproAttr.PA_PWRMODE && attributes === this.#local) return this.#changePowerMode(value);
    const reachable = this.#reach(attributes, UicResult.SUCCESS);
    if (reachable !== UicResult.SUCCESS) return this.#end(reachable);
    this.#end(attributes.set(uicAttr(arg1), uicSelector(arg1), value));
  }

  /** The peer cannot be asked anything while there is no link to it. */
  #reach(attributes: UniproAttributes, result: UicResult): UicResult {
    return attributes === this.#peer && !this.#isLinkUp ? UicResult.PEER_COMM_FAILURE : result;
  }

  #changePowerMode(mode: number): void {
    if (!isPowerMode(mode & 0xf) || !isPowerMode(mode >>> 4)) return this.#end(UicResult.INVALID_ATTR_VALUE);
    if (!this.#isLinkUp) return this.#end(UicResult.DME_FAILURE);
    const possible = this.#local.isPowerModePossible;
    if (possible) this.#local.set(UniproAttr.PA_PWRMODE, 0, mode);
    this.#setPowerModeStatus(possible ? PowerModeStatus.LOCAL : PowerModeStatus.ERROR_CAP);
    this.#end(UicResult.SUCCESS, Is.UPMS);
  }

  #hibernate(enter: boolean): void {
    if (!this.#isLinkUp) return this.#end(UicResult.FAILURE);
    this.#device.isHibernating = enter;
    if (enter) this.#onHibernate();
    this.#setPowerModeStatus(PowerModeStatus.LOCAL);
    this.#end(UicResult.SUCCESS, enter ? Is.UHES : Is.UHXS);
  }

  #setPowerModeStatus(status: number): void {
    this.#core.registers.clearBits(Reg.HCS, Hcs.UPMCRS_MASK);
    this.#core.registers.setBits(Reg.HCS, status << Hcs.UPMCRS_LSB);
  }
}

function isPowerMode(nibble: number): boolean {
  return Object.values<number>(PaPowerMode).includes(nibble);
}

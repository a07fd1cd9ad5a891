/** Which commands a fault befalls. */
interface FaultMatch {
  /** Only this SCSI operation code. */
  readonly opcode?: number;
  /** Only commands (or programming) of this keyslot. */
  readonly slotIndex?: number;
  /** How many that match are let through first. */
  readonly skip?: number;
  /**
   * How many are hit after that.
   *
   * @default 1
   */
  readonly times?: number;
}

/** One thing that goes wrong. */
export type FaultRule = FaultMatch &
  (
    | {
        readonly kind: /** A keyslot is written and enabled, and the engine does not take it: its commands end with OCS 9. */
          | "programFails"
          /** The engine fails during an encrypted command: OCS 0xA. */
          | "engineFault"
          /** The engine fails for good during an encrypted command: IS.CEFES. */
          | "engineFatal"
          /** The controller fails for good when a command arrives: IS.HCFES. */
          | "controllerFatal"
          /** The device fails for good when a command arrives: IS.DFES. */
          | "deviceFatal"
          /** A command is executed, but the device never answers: it stays pending until it is aborted or reset. */
          | "lostCompletion"
          /** A command completes, but IS.UTRCS is not set. */
          | "lostInterrupt";
      }
    | {
        /** A command completes late. */
        readonly kind: "slowCommand";
        readonly delayNs: number;
      }
  );

export type FaultKind = FaultRule["kind"];

interface LiveRule {
  readonly rule: FaultRule;
  skip: number;
  left: number;
}

/** The faults still to come. Empty, it costs one comparison a command. */
export class FaultPlan {
  #rules: LiveRule[] = [];

  constructor(rules: readonly FaultRule[] = []) {
    for (const rule of rules) this.add(rule);
  }

  /** Whether nothing will go wrong any more. */
  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** One more fault, from now on. */
  add(rule: FaultRule): void {
    const { skip = 0, times: left = 1 } = rule;
    if (left > 0) this.#rules.push({ rule, skip, left });
  }

  /** Forgets all faults. */
  clear(): void {
    this.#rules = [];
  }

  /** The rule of one of `kinds` that befalls this command, which is then used up once; null when there is none. */
  take(kinds: readonly FaultKind[], opcode: number, slotIndex: number): FaultRule | null {
    for (const live of this.#rules) {
      if (!kinds.includes(live.rule.kind) || !matches(live.rule, opcode, slotIndex)) continue;
      if (live.skip > 0) {
        live.skip--;
        continue;
      }
      live.left--;
      if (live.left <= 0) this.#rules = this.#rules.filter((other) => other !== live);
      return live.rule;
    }
    return null;
  }
}

function matches(rule: FaultRule, opcode: number, slotIndex: number): boolean {
  return (
    (rule.opcode === undefined || rule.opcode === opcode) &&
    (rule.slotIndex === undefined || rule.slotIndex === slotIndex)
  );
}

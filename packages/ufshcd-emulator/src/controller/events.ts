/** What a controller tells observers. Never key or data bytes. */
export type UfsEvent =
  /** CRYPTOCFG entry `slotIndex` was latched; `usable` false: commands that use it get an error. */
  | { type: "keyslotProgrammed"; slotIndex: number; capIndex: number; dataUnitBytes: number; usable: boolean }
  | { type: "keyslotCleared"; slotIndex: number }
  /** A SCSI command was fetched; `slotIndex` is -1 and the DUN 0 when it is not encrypted. */
  | {
      type: "commandStarted";
      tag: number;
      lun: number;
      opcode: number;
      bytes: number;
      slotIndex: number;
      dun: bigint;
    }
  /** A SCSI command left the controller. */
  | { type: "commandEnded"; tag: number; lun: number; opcode: number; ocs: number; status: number }
  /** A NOP (opcode -1) or a query was answered; `result` is the query's response code. */
  | { type: "deviceManagement"; tag: number; opcode: number; idn: number; result: number; ocs: number }
  | { type: "taskManagement"; func: number; lun: number; tag: number; response: number }
  | { type: "uicCommand"; command: number; attr: number; value: number; result: number }
  | { type: "hostEnabled"; cryptoEnabled: boolean }
  | { type: "hostReset" }
  | { type: "deviceReset" }
  /** The controller stopped until the next host reset; `is` is the bit of IS that says why. */
  | { type: "fatalError"; is: number };

export type UfsEventListener = (event: UfsEvent) => void;

/** Whoever listens to a controller. Events are made only while somebody does. */
export class UfsEvents {
  #listeners: readonly UfsEventListener[] = [];

  /** Whether anybody listens. */
  get isObserved(): boolean {
    return this.#listeners.length > 0;
  }

  /**
   * Calls `listener` at every event from now on; it must not throw and should not touch the controller.
   *
   * @returns stops it
   */
  observe(listener: UfsEventListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /** Tells all listeners; ask {@link UfsEvents.isObserved} before making `event`. */
  emit(event: UfsEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

import { BlkError } from "@inlinecrypt/blk-core";

/**
 * What a driver has acquired for one device, and how to undo it: detaching undoes it all, last first.
 *
 * @kernel drivers/base/devres.c
 */
export class Device {
  readonly name: string;
  readonly #undos: (() => void | Promise<void>)[] = [];
  #detached: Promise<void> | null = null;

  /** `name` is for messages: `"ufshcd0"`. */
  constructor(name: string) {
    this.name = name;
  }

  /**
   * Has `undo` called when the device detaches.
   *
   * @throws BlkError ENODEV when it has been: undo it yourself.
   * @kernel include/linux/device/devres.h: devm_add_action
   */
  addAction(undo: () => void | Promise<void>): void {
    if (this.#detached !== null) throw new BlkError("ENODEV", "devm_add_action", `${this.name} is detached`);
    this.#undos.push(undo);
  }

  /**
   * Undoes everything, one after the other. What fails does not keep the rest from being undone; then the first error
   * is thrown. Idempotent.
   *
   * @kernel drivers/base/devres.c: devres_release_all
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#detached ??= this.#undoAll();
    return this.#detached;
  }

  async #undoAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

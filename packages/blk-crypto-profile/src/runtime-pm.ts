/**
 * A device that sleeps while nobody needs it. A profile that knows its device keeps it awake during every low-level op,
 * except while all keys are programmed again: that is part of waking up.
 *
 * @kernel include/linux/pm_runtime.h
 */
export interface RuntimePm {
  /**
   * Wakes the device and keeps it awake until the matching `runtimePut`; calls nest. It may be asynchronous, and may
   * itself reprogram the profile's keys. When it fails, the device is not held, and the I/O or call that wanted it fails
   * with the error's code.
   *
   * @kernel include/linux/pm_runtime.h: pm_runtime_resume_and_get
   */
  runtimeResume(): void | Promise<void>;
  /** Lets the device sleep again, as far as the caller is concerned. @kernel include/linux/pm_runtime.h: pm_runtime_put */
  runtimePut(): void;
}

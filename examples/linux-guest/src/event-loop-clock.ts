import type { ControllerClock } from "@inlinecrypt/ufshcd-emulator/controller";

const NS_PER_MS = 1e6;

/** Time for a controller beside v86, which yields to the event loop every few milliseconds. */
export const eventLoopClock: ControllerClock = {
  defer: (run) => {
    setImmediate(run);
  },
  after: (delayNs, run) => {
    const timer = setTimeout(run, delayNs / NS_PER_MS);
    return () => clearTimeout(timer);
  },
};

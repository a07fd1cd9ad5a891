/**
 * A deterministic world to break block drivers and stacks in: seeded random, a simulated disk with a volatile cache,
 * latency and power cuts, fault plans, allocation failures, and what to check afterwards.
 *
 * @packageDocumentation
 */
export { AllocationFaults, type FailEachAllocationOptions, failEachAllocation } from "./allocation-faults.js";
export { type AtRest, expectAtRest, findLeaks } from "./at-rest.js";
export { type Fault, FaultPlan, type FaultRule } from "./fault-plan.js";
export { runUntilSettled } from "./run-until-settled.js";
export { SeededRandom } from "./seeded-random.js";
export { SimDisk } from "./sim-disk.js";
export type { SimDiskBehaviour, SimDiskCrypt, SimDiskOptions, SimLatency } from "./sim-disk-options.js";
export type { SimDiskSeen } from "./sim-disk-seen.js";
export { type PowerCutOutcome, SimMedium, type SimMediumOptions } from "./sim-medium.js";
export { type RecordedWrite, WriteHistory } from "./write-history.js";

import { BlkBug, type BlockLayer, type RequestQueue } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";

/** What should hold nothing any more. */
export interface AtRest {
  layer: BlockLayer;
  queues?: Iterable<RequestQueue>;
  /** Pools besides the layer's own: `AllocationFaults.pools` are all that a layer used. */
  pools?: Iterable<{ readonly name: string; readonly inUse: number }>;
  /** Crypto profiles, and the crypto fallback. */
  profiles?: Iterable<{ slotTable(): readonly { readonly slotIndex: number; readonly references: number }[] }>;
}

/** Everything that was taken and not given back, a sentence each; empty when there is nothing. */
export function findLeaks(what: AtRest): string[] {
  const { layer, queues = [], pools = [], profiles = [] } = what;
  const leaks: string[] = [];
  if (layer.bioSet.inUse > 0) leaks.push(`${layer.bioSet.inUse} bios were not put back`);
  if (layer.cryptCtxs.inUse > 0) leaks.push(`${layer.cryptCtxs.inUse} encryption contexts were not put back`);
  if (layer.integrityPool.inUse > 0) leaks.push(`${layer.integrityPool.inUse} integrity payloads were not put back`);
  if (layer.executor instanceof SimExecutor && !layer.executor.isIdle) {
    leaks.push("the executor has work or timers left");
  }
  for (const queue of queues) {
    if (queue.inFlight > 0) leaks.push(`a queue has ${queue.inFlight} bios or requests that have not ended`);
  }
  for (const pool of pools) {
    if (pool.inUse > 0) leaks.push(`pool ${pool.name} misses ${pool.inUse} objects`);
  }
  for (const profile of profiles) {
    for (const { slotIndex, references } of profile.slotTable()) {
      if (references > 0) leaks.push(`keyslot ${slotIndex} has ${references} references`);
    }
  }
  return leaks;
}

/** For the end of every test. @throws BlkBug that names everything `findLeaks` found. */
export function expectAtRest(what: AtRest): void {
  const leaks = findLeaks(what);
  if (leaks.length > 0) throw new BlkBug(`not at rest: ${leaks.join("; ")}`);
}

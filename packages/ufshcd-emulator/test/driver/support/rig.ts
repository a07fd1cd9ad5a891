import { BlockLayer, type Tracer } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { HostMemory, InterruptLine, UfsHba, type UfsHbaOptions } from "@inlinecrypt/ufshcd-emulator/driver";
import { ScriptedHost, type ScriptedHostOptions } from "./scripted-host.js";

export class RecordingTracer implements Tracer {
  readonly events: string[] = [];

  trace(event: string, detail: Readonly<Record<string, string | number>>): void {
    this.events.push(`${event} ${JSON.stringify(detail)}`);
  }
}

/** A driver's surroundings with the scripted controller, in simulated time. */
export class Rig {
  readonly executor: SimExecutor = new SimExecutor();
  readonly tracer: RecordingTracer = new RecordingTracer();
  readonly layer: BlockLayer = new BlockLayer({ executor: this.executor, tracer: this.tracer });
  readonly memory: HostMemory = new HostMemory();
  readonly irq: InterruptLine = new InterruptLine(this.executor);
  readonly host: ScriptedHost;

  constructor(options: ScriptedHostOptions = {}) {
    this.host = new ScriptedHost(this.executor, this.memory, this.irq, options);
  }

  probe(options: Partial<UfsHbaOptions> = {}): Promise<UfsHba> {
    const { memory, irq, host: mmio } = this;
    return drive(this.executor, UfsHba.probe(this.layer, { mmio, memory, irq, ...options }));
  }
}

/** Runs work and timers until a promise settles. */
export async function drive<T>(executor: SimExecutor, promise: Promise<T>): Promise<T> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  for (let step = 0; !settled; step++) {
    if (step > 1_000_000) throw new Error("nothing settles it");
    // What promises have to do comes before the clock moves.
    for (let turn = 0; turn < 100 && !settled; turn++) await Promise.resolve();
    if (!settled && !executor.step())
      throw new Error("the simulation has come to rest, and the promise has not settled");
  }
  return promise;
}

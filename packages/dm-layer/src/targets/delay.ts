import { type Bio, opIsWrite, ReqFlag, Timer } from "@inlinecrypt/blk-core";
import type { DmArgs } from "../dm-args.js";
import type { DmTargetIo } from "../dm-io.js";
import { type DmDeviceVisitor, DmFeature, type DmTarget, type DmTargetType, MapResult } from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";

/**
 * Sends I/O on after a while: `delay <device> <start sector> <milliseconds>`, three more for writes, three for flushes.
 *
 * @kernel drivers/md/dm-delay.c
 */
export const delayTarget: DmTargetType = {
  name: "delay",
  version: [1, 4, 0],
  features: DmFeature.PASSES_INTEGRITY,
  ctr: (args, spec) => new DelayTarget(args, spec),
};

/** Where one kind of I/O goes, and when. @kernel drivers/md/dm-delay.c: delay_class */
class DelayClass {
  readonly dev: DmDev;
  readonly start: number;
  readonly delayMs: number;

  constructor(args: DmArgs, spec: DmTargetSpec) {
    const name = args.word("the device");
    this.start = args.number("the start sector");
    this.delayMs = args.number("the delay in milliseconds", 0, 2 ** 32 - 1);
    this.dev = spec.getDevice(name);
  }

  get words(): string {
    return `${this.dev.name} ${this.start} ${this.delayMs}`;
  }
}

/** What of a kind waits. */
const Kind = { READ: 0, WRITE: 1, FLUSH: 2 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/** A bio that waits. @kernel drivers/md/dm-delay.c: dm_delay_info */
class DelayInfo {
  kind: Kind = Kind.READ;
  dueMs = 0;
}

class DelayTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios = 1;
  readonly #spec: DmTargetSpec;
  /** One for all, or one each for reads and for the rest, or one for each kind. */
  readonly #classes: readonly DelayClass[];
  /** Bios that wait, by kind. */
  readonly #waiting: [number, number, number] = [0, 0, 0];
  readonly #timer = new Timer(() => this.#send(false));
  #first: DmTargetIo | null = null;
  #last: DmTargetIo | null = null;
  #mayDelay = true;

  constructor(args: DmArgs, spec: DmTargetSpec) {
    if (![3, 6, 9].includes(args.left)) args.refuse(`${args.left} arguments, expected 3, 6 or 9`);
    this.#spec = spec;
    this.#classes = Array.from({ length: args.left / 3 }, () => new DelayClass(args, spec));
  }

  newIoData(): DelayInfo {
    return new DelayInfo();
  }

  /** @kernel drivers/md/dm-delay.c: delay_map */
  map(bio: Bio, io: DmTargetIo): MapResult {
    const kind = kindOf(bio);
    const { dev, start, delayMs } = this.#classes[Math.min(kind, this.#classes.length - 1)]!;
    bio.setDev(dev.bdev);
    if (bio.bytes > 0) bio.sector += start - this.#spec.begin;
    if (delayMs === 0 || !this.#mayDelay) return MapResult.REMAPPED;
    this.#delay(io, kind, delayMs);
    return MapResult.SUBMITTED;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    for (const { dev, start } of this.#classes) visit(dev.bdev, start, this.#spec.sectors);
  }

  table(): string {
    return this.#classes.map(({ words }) => words).join(" ");
  }

  /** How many reads, writes and flushes wait. */
  status(): string {
    return this.#waiting.join(" ");
  }

  /** What waits goes on at once. @kernel drivers/md/dm-delay.c: delay_presuspend */
  presuspend(): void {
    this.#mayDelay = false;
    this.#spec.layer.executor.cancelTimer(this.#timer);
    this.#send(true);
  }

  presuspendUndo(): void {
    this.#mayDelay = true;
  }

  resume(): void {
    this.#mayDelay = true;
  }

  #delay(io: DmTargetIo, kind: Kind, delayMs: number): void {
    const { executor } = this.#spec.layer;
    const info = io.data as DelayInfo;
    info.kind = kind;
    info.dueMs = executor.nowMs() + delayMs;
    this.#waiting[kind]++;
    this.#append(io);
    if (!this.#timer.pending || info.dueMs < this.#timer.deadlineMs) executor.addTimer(this.#timer, delayMs);
  }

  #append(io: DmTargetIo): void {
    if (this.#last === null) this.#first = io;
    else this.#last.next = io;
    this.#last = io;
  }

  /** Sends on what is due, or all of it. @kernel drivers/md/dm-delay.c: flush_delayed_bios */
  #send(all: boolean): void {
    const now = this.#spec.layer.executor.nowMs();
    let io = this.#first;
    this.#first = null;
    this.#last = null;
    while (io !== null) {
      const next: DmTargetIo | null = io.next;
      io.next = null;
      const { kind, dueMs } = io.data as DelayInfo;
      if (all || dueMs <= now) {
        this.#waiting[kind]--;
        io.submit();
      } else {
        this.#append(io);
      }
      io = next;
    }
    this.#startTimer(now);
  }

  /** For the first of those that wait, those that have come while others were sent included. */
  #startTimer(now: number): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (let io = this.#first; io !== null; io = io.next) dueMs = Math.min(dueMs, (io.data as DelayInfo).dueMs);
    if (this.#first !== null) this.#spec.layer.executor.addTimer(this.#timer, dueMs - now);
  }
}

function kindOf(bio: Bio): Kind {
  if ((bio.opf & ReqFlag.PREFLUSH) !== 0) return Kind.FLUSH;
  return opIsWrite(bio.opf) ? Kind.WRITE : Kind.READ;
}

import type { BlkStatus } from "@inlinecrypt/blk-core";
import { DmFeature, type DmTarget, type DmTargetIo, type DmTargetType, EndIoResult, MapResult } from "../src/index.js";

/** A linear target that does with bios what a test says, and remembers them. */
export class HoldingTarget implements DmTargetType {
  readonly name = "holding";
  readonly version = [1, 0, 0] as const;
  readonly features: number = DmFeature.PASSES_CRYPTO;
  /** What `map` answers; SUBMITTED keeps the bio in `held`. */
  answer: MapResult = MapResult.REMAPPED;
  endAnswer: EndIoResult = EndIoResult.DONE;
  readonly held: DmTargetIo[] = [];
  /** Each bio that came: its sector, and the DUN it had. */
  readonly seen: { sector: number; sectors: number; dun: number | null; data: unknown }[] = [];
  readonly ended: BlkStatus[] = [];
  /** Calls of the life cycle, in order. */
  readonly calls: string[] = [];
  presuspend: () => void = () => {};
  preresume: () => void | Promise<void> = () => {};
  dtr: () => void = () => {};
  maxIoSectors = 0;

  ctr(args: Parameters<DmTargetType["ctr"]>[0], spec: Parameters<DmTargetType["ctr"]>[1]): DmTarget {
    const dev = spec.getDevice(args.word("the device"));
    const start = args.number("the start sector");
    let ioData = 0;
    return {
      numFlushBios: 1,
      numDiscardBios: 1,
      maxIoSectors: this.maxIoSectors,
      newIoData: () => ({ number: ioData++ }),
      map: (bio, io) => {
        const { cryptCtx, sector, sectors } = bio;
        this.seen.push({ sector, sectors, dun: cryptCtx === null ? null : cryptCtx.dun[0]!, data: io.data });
        bio.setDev(dev.bdev);
        bio.sector += start - spec.begin;
        if (this.answer === MapResult.SUBMITTED) this.held.push(io);
        return this.answer;
      },
      endIo: (_bio, io) => {
        this.ended.push(io.status);
        if (this.endAnswer === EndIoResult.INCOMPLETE) this.held.push(io);
        return this.endAnswer;
      },
      iterateDevices: (visit) => visit(dev.bdev, start, spec.sectors),
      table: () => `${dev.name} ${start}`,
      status: () => "fine",
      message: (words) => {
        if (words[0] === "event") spec.event();
        return `heard ${words.join(" ")}`;
      },
      presuspend: () => {
        this.calls.push("presuspend");
        this.presuspend();
      },
      presuspendUndo: () => void this.calls.push("presuspendUndo"),
      postsuspend: () => void this.calls.push("postsuspend"),
      preresume: () => {
        this.calls.push("preresume");
        return this.preresume();
      },
      resume: () => void this.calls.push("resume"),
      dtr: () => {
        this.calls.push("dtr");
        this.dtr();
      },
    };
  }
}

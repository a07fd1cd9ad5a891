import { BlkError, type BlkMqQueue, type BlkRequest, BlkStatus } from "@inlinecrypt/blk-core";
import { DmArgs } from "../dm-args.js";
import { quoteArg } from "../dm-table-line.js";
import {
  type DmDeviceVisitor,
  DmFeature,
  type DmRqIo,
  type DmTarget,
  type DmTargetType,
  EndIoResult,
  MapResult,
} from "../dm-target.js";
import type { DmTargetSpec } from "../dm-target-spec.js";
import { type MultipathArgs, type PriorityGroup, parseMultipath } from "./multipath-table.js";
import type { Path } from "./path-selector.js";

/**
 * Several ways to one device; a request that fails on one is tried on the next. Takes requests, and whole disks that do.
 * Arguments: see `parseMultipath`.
 *
 * Unlike the kernel's it lets encryption contexts through: each path's own queue gives the clone its keyslot.
 *
 * @kernel drivers/md/dm-mpath.c
 */
export const multipathTarget: DmTargetType = {
  name: "multipath",
  version: [1, 14, 0],
  features: DmFeature.SINGLETON | DmFeature.IMMUTABLE | DmFeature.PASSES_INTEGRITY | DmFeature.PASSES_CRYPTO,
  ctr: (args, spec) => new MultipathTarget(parseMultipath(args, spec), spec),
};

/** What ends because of the request itself would end so on every path. @kernel include/linux/blk_types.h: blk_path_error */
const NO_PATH_ERRORS: readonly BlkStatus[] = [
  BlkStatus.NOTSUPP,
  BlkStatus.NOSPC,
  BlkStatus.TARGET,
  BlkStatus.RESV_CONFLICT,
  BlkStatus.MEDIUM,
  BlkStatus.PROTECTION,
  BlkStatus.INVAL,
];

/** Reads the rest of a message, and returns what it asks for. */
type MessageParser = (args: DmArgs) => () => void;

/** The path a request takes, made once for each request of the queue. */
class PathUse {
  group: PriorityGroup | null = null;
  path: Path | null = null;
  bytes = 0;
}

class MultipathTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios = 1;
  readonly numWriteZeroesBios = 1;
  readonly #spec: DmTargetSpec;
  readonly #args: MultipathArgs;
  #group: PriorityGroup | null = null;
  /** The group to go to with the next request. While there is one, none is in use. */
  #nextGroup: PriorityGroup | null;
  #queueIfNoPath: boolean;
  /** What to go back to at `resume`. */
  #savedQueueIfNoPath: boolean;
  #noflushSuspending = false;
  #suspended = false;
  #validPaths = 0;

  readonly #messages: ReadonlyMap<string, MessageParser> = new Map<string, MessageParser>([
    ["queue_if_no_path", () => () => this.#keepQueueIfNoPath(true)],
    ["fail_if_no_path", () => () => this.#keepQueueIfNoPath(false)],
    ["fail_path", (args) => this.#forPathsNamed(args, (path) => this.#failPath(path))],
    ["reinstate_path", (args) => this.#forPathsNamed(args, (path) => this.#reinstatePath(path))],
    ["disable_group", (args) => this.#forGroupNumbered(args, (group) => this.#bypass(group, true))],
    ["enable_group", (args) => this.#forGroupNumbered(args, (group) => this.#bypass(group, false))],
    ["switch_group", (args) => this.#forGroupNumbered(args, (group) => this.#switchTo(group))],
  ]);

  constructor(args: MultipathArgs, spec: DmTargetSpec) {
    this.#args = args;
    this.#spec = spec;
    this.#queueIfNoPath = args.queueIfNoPath;
    this.#savedQueueIfNoPath = args.queueIfNoPath;
    this.#nextGroup = args.groups[args.firstGroup] ?? null;
    for (const { paths } of args.groups) this.#validPaths += paths.length;
  }

  /** @kernel drivers/md/dm-mpath.c: multipath_clone_and_map */
  cloneAndMapRq(rq: BlkRequest, io: DmRqIo): MapResult {
    const path = this.#choosePath(rq.bytes);
    if (path === null) return this.#mustPushBack() ? MapResult.DELAY_REQUEUE : MapResult.KILL;
    const queue = path.dev.bdev.queue as BlkMqQueue;
    const clone = queue.tryAllocRequest(rq.opf);
    if (clone === null) {
      if (queue.isLive) return MapResult.REQUEUE;
      this.#failPath(path);
      return MapResult.DELAY_REQUEUE;
    }
    const use = io.data instanceof PathUse ? io.data : new PathUse();
    use.group = this.#group;
    use.path = path;
    use.bytes = rq.bytes;
    use.group!.selector.startIo(path, rq.bytes);
    io.clone = clone;
    io.data = use;
    return MapResult.REMAPPED;
  }

  /** @kernel drivers/md/dm-mpath.c: multipath_release_clone */
  releaseCloneRq(clone: BlkRequest, io: DmRqIo): void {
    const { group, path, bytes } = io.data as PathUse;
    group!.selector.endIo(path!, bytes);
    clone.queue.freeRequest(clone);
  }

  /** @kernel drivers/md/dm-mpath.c: multipath_end_io */
  rqEndIo(_clone: BlkRequest, io: DmRqIo): EndIoResult {
    if (io.status === BlkStatus.OK || NO_PATH_ERRORS.includes(io.status)) return EndIoResult.DONE;
    this.#failPath((io.data as PathUse).path!);
    if (this.#validPaths === 0 && !this.#mustPushBack()) return EndIoResult.DONE;
    return io.status === BlkStatus.RESOURCE ? EndIoResult.DELAY_REQUEUE : EndIoResult.REQUEUE;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    for (const { paths } of this.#args.groups) for (const { dev } of paths) visit(dev.bdev, 0, this.#spec.sectors);
  }

  /**
   * Without noflush, what is under way and finds no path any more fails. What has been given back waits in the queue.
   *
   * @kernel drivers/md/dm-mpath.c: multipath_presuspend
   */
  presuspend(noflush: boolean): void {
    this.#noflushSuspending = noflush;
    if (!noflush) this.#setQueueIfNoPath(false);
  }

  presuspendUndo(): void {
    this.resume();
  }

  postsuspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    this.#suspended = false;
    this.#noflushSuspending = false;
    this.#setQueueIfNoPath(this.#savedQueueIfNoPath);
  }

  /** @kernel drivers/md/dm-mpath.c: multipath_status */
  table(): string {
    const features = [...(this.#savedQueueIfNoPath ? ["queue_if_no_path"] : []), ...this.#args.others];
    const groups = this.#args.groups.map(({ selector, paths }) => {
      const each = paths.map((path) => `${path.dev.name} ${selector.tableOf(path)}`);
      return `${selector.name} 0 ${paths.length} ${selector.tableArgs} ${each.join(" ")}`;
    });
    return [features.length, ...features, 0, ...this.#groupNumbers(), ...groups].join(" ");
  }

  /** Groups: Active, Enabled, Disabled. Paths: Active, Failed, and how often. @kernel drivers/md/dm-mpath.c: multipath_status */
  status(): string {
    const groups = this.#args.groups.map((group) => {
      const { selector, paths } = group;
      const each = paths.map((path) => {
        const words = [path.dev.name, path.active ? "A" : "F", path.failCount, selector.infoOf(path)];
        return words.filter((word) => word !== "").join(" ");
      });
      return `${this.#stateOf(group)} 0 ${paths.length} ${selector.infoArgs} ${each.join(" ")}`;
    });
    return [2, 0, 0, 0, ...this.#groupNumbers(), ...groups].join(" ");
  }

  /**
   * All of it is understood before anything happens.
   *
   * @throws BlkError EBUSY while the device is suspended.
   * @kernel drivers/md/dm-mpath.c: multipath_message
   */
  message(words: readonly string[]): string {
    if (this.#suspended) throw new BlkError("EBUSY", "dm-multipath", "the device is suspended");
    const args = new DmArgs(multipathTarget.name, words);
    const act = this.#parseMessage(args);
    args.end();
    act();
    return "";
  }

  #parseMessage(args: DmArgs): () => void {
    const parse = this.#messages.get(args.keyword("the message"));
    if (parse === undefined) args.refuse(`unknown message, expected one of ${[...this.#messages.keys()].join(", ")}`);
    return parse(args);
  }

  /** @kernel drivers/md/dm-mpath.c: choose_pgpath */
  #choosePath(bytes: number): Path | null {
    if (this.#validPaths === 0) {
      this.#group = null;
      return null;
    }
    if (this.#nextGroup !== null) {
      const group = this.#nextGroup;
      this.#nextGroup = null;
      const path = this.#choosePathIn(group, bytes);
      if (path !== null) return path;
    }
    if (this.#group !== null) {
      const path = this.#choosePathIn(this.#group, bytes);
      if (path !== null) return path;
    }
    return this.#choosePathInAny(bytes, false) ?? this.#choosePathInAny(bytes, true);
  }

  #choosePathInAny(bytes: number, bypassed: boolean): Path | null {
    const { groups } = this.#args;
    for (let index = 0; index < groups.length; index++) {
      if (groups[index]!.bypassed !== bypassed) continue;
      const path = this.#choosePathIn(groups[index]!, bytes);
      if (path !== null) return path;
    }
    return null;
  }

  #choosePathIn(group: PriorityGroup, bytes: number): Path | null {
    const path = group.selector.select(bytes);
    if (path !== null) this.#group = group;
    return path;
  }

  /** @kernel drivers/md/dm-mpath.c: must_push_back_rq */
  #mustPushBack(): boolean {
    return this.#queueIfNoPath || this.#noflushSuspending;
  }

  /** @kernel drivers/md/dm-mpath.c: fail_path */
  #failPath(path: Path): void {
    if (!path.active) return;
    path.active = false;
    path.failCount++;
    this.#validPaths--;
    this.#spec.event();
  }

  /** @kernel drivers/md/dm-mpath.c: reinstate_path */
  #reinstatePath(path: Path): void {
    if (path.active) return;
    path.active = true;
    this.#validPaths++;
    if (this.#validPaths === 1) this.#spec.runQueue();
    this.#spec.event();
  }

  #keepQueueIfNoPath(queue: boolean): void {
    this.#savedQueueIfNoPath = queue;
    this.#setQueueIfNoPath(queue);
  }

  #setQueueIfNoPath(queue: boolean): void {
    this.#queueIfNoPath = queue;
    if (!queue) this.#spec.runQueue();
  }

  /** @kernel drivers/md/dm-mpath.c: bypass_pg */
  #bypass(group: PriorityGroup, bypassed: boolean): void {
    group.bypassed = bypassed;
    this.#group = null;
    this.#spec.event();
  }

  /** @kernel drivers/md/dm-mpath.c: switch_pg_num */
  #switchTo(group: PriorityGroup): void {
    this.#group = null;
    this.#nextGroup = group;
    for (const each of this.#args.groups) each.bypassed = false;
    this.#spec.event();
  }

  #stateOf(group: PriorityGroup): string {
    if (group.bypassed) return "D";
    return group === this.#group ? "A" : "E";
  }

  /** How many groups, and which one is next. */
  #groupNumbers(): [count: number, next: number] {
    const { groups } = this.#args;
    const group = this.#nextGroup ?? this.#group ?? groups[0];
    return [groups.length, group === undefined ? 0 : groups.indexOf(group) + 1];
  }

  /** A device may be a path of several groups. @kernel drivers/md/dm-mpath.c: action_dev */
  #forPathsNamed(args: DmArgs, act: (path: Path) => void): () => void {
    const name = quoteArg(args.word("the device"));
    const all = this.#args.groups.flatMap(({ paths }) => paths);
    const bdev = all.find((path) => path.dev.name === name)?.dev.bdev;
    if (bdev === undefined) args.refuse(`no path ${name}`);
    const paths = all.filter((path) => path.dev.bdev === bdev);
    return () => paths.forEach(act);
  }

  #forGroupNumbered(args: DmArgs, act: (group: PriorityGroup) => void): () => void {
    const { groups } = this.#args;
    const group = groups[args.number("the group", 1, groups.length) - 1]!;
    return () => act(group);
  }
}

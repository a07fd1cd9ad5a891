import type { DmArgs } from "../dm-args.js";
import type { DmTargetSpec } from "../dm-target-spec.js";
import { newPathSelector, type Path, type PathSelector } from "./path-selector.js";

/** Paths that are as good as each other. @kernel drivers/md/dm-mpath.c: priority_group */
export interface PriorityGroup {
  readonly selector: PathSelector;
  readonly paths: readonly Path[];
  /** Not to be used while there is another. */
  bypassed: boolean;
}

/** What the arguments of a multipath target say. */
export interface MultipathArgs {
  readonly queueIfNoPath: boolean;
  /** Other features, in the order given. */
  readonly others: readonly string[];
  readonly groups: readonly PriorityGroup[];
  /** Index of the group to begin with; -1 without groups. */
  readonly firstGroup: number;
}

/**
 * `<#features> <feature>... <#handler args> <group count> <first group> [<selector> <#selector args> <path count>
 * <#path args> [<device> <arg>...]...]...`
 *
 * @kernel drivers/md/dm-mpath.c: multipath_ctr
 */
export function parseMultipath(args: DmArgs, spec: DmTargetSpec): MultipathArgs {
  const features = parseFeatures(args.group("features", 8));
  if (args.group("hardware handler arguments", 1024).left > 0) args.refuse("there are no hardware handlers here");
  const count = args.number("the number of priority groups", 0, 1024);
  const first = args.number("the first priority group", Math.min(count, 1), count);
  const groups = Array.from({ length: count }, () => parseGroup(args, spec));
  args.end();
  return { ...features, groups, firstGroup: first - 1 };
}

function parseFeatures(group: DmArgs): Pick<MultipathArgs, "queueIfNoPath" | "others"> {
  let queueIfNoPath = false;
  const others = new Set<string>();
  while (group.left > 0) {
    const feature = group.keyword("a feature");
    if (feature === "queue_if_no_path") queueIfNoPath = true;
    else if (feature === "retain_attached_hw_handler") others.add(feature);
    else group.refuse("unknown feature, expected queue_if_no_path or retain_attached_hw_handler");
  }
  return { queueIfNoPath, others: [...others] };
}

function parseGroup(args: DmArgs, spec: DmTargetSpec): PriorityGroup {
  const selector = newPathSelector(args.word("a path selector"), args);
  args.group("path selector arguments", 1024).end();
  const count = args.number("the number of paths", 1, 1024);
  const argCount = args.number("the number of path arguments", 0, selector.tableArgs);
  const paths = Array.from({ length: count }, () => {
    const dev = spec.getDevice(args.word("a device"));
    if (dev.bdev !== dev.bdev.disk.part0) args.refuse(`${dev.name} is a partition, expected a whole disk`);
    const path: Path = { dev, active: true, failCount: 0 };
    const pathArgs = args.take(argCount, "path arguments");
    selector.addPath(path, pathArgs);
    pathArgs.end();
    return path;
  });
  return { selector, paths, bypassed: false };
}

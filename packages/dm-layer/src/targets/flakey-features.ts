import type { DmArgs } from "../dm-args.js";

/** Probabilities are so many in this. @kernel drivers/md/dm-flakey.c: PROBABILITY_BASE */
export const PROBABILITY_BASE = 1_000_000_000;

/** A byte of each bio that is replaced. */
export interface CorruptByte {
  /** 1 for the first. */
  readonly byte: number;
  readonly direction: "r" | "w";
  readonly value: number;
  /** Only bios with all of these flags. */
  readonly flags: number;
}

/** What a flakey device does while it is down. */
export interface FlakeyFeatures {
  readonly errorReads: boolean;
  readonly dropWrites: boolean;
  readonly errorWrites: boolean;
  readonly corrupt: CorruptByte | null;
  /** Of `PROBABILITY_BASE`, for each bio. */
  readonly randomReadCorrupt: number;
  readonly randomWriteCorrupt: number;
}

/** Without any that does something, reads and writes fail. @kernel drivers/md/dm-flakey.c: parse_features */
export function parseFlakeyFeatures(args: DmArgs): FlakeyFeatures {
  const group = args.group("features", 11);
  args.end();
  let features = NONE;
  while (group.left > 0) features = { ...features, ...parseFeature(group, features) };
  checkConflicts(args, features);
  const doSomething = Object.values(features).some((feature) => feature);
  return doSomething ? features : { ...NONE, errorReads: true, errorWrites: true };
}

/** As a table prints them, their number first. */
export function formatFlakeyFeatures(features: FlakeyFeatures): string {
  const { corrupt, randomReadCorrupt, randomWriteCorrupt } = features;
  const words: (string | number)[] = [];
  if (features.errorReads) words.push("error_reads");
  if (features.dropWrites) words.push("drop_writes");
  if (features.errorWrites) words.push("error_writes");
  if (corrupt !== null) words.push("corrupt_bio_byte", corrupt.byte, corrupt.direction, corrupt.value, corrupt.flags);
  if (randomReadCorrupt > 0) words.push("random_read_corrupt", randomReadCorrupt);
  if (randomWriteCorrupt > 0) words.push("random_write_corrupt", randomWriteCorrupt);
  return [words.length, ...words].join(" ");
}

const NONE: FlakeyFeatures = {
  errorReads: false,
  dropWrites: false,
  errorWrites: false,
  corrupt: null,
  randomReadCorrupt: 0,
  randomWriteCorrupt: 0,
};

function parseFeature(group: DmArgs, before: FlakeyFeatures): Partial<FlakeyFeatures> {
  const feature = group.keyword("a feature");
  switch (feature) {
    case "error_reads":
      return { errorReads: once(group, feature, before.errorReads) };
    case "drop_writes":
      return { dropWrites: once(group, feature, before.dropWrites) };
    case "error_writes":
      return { errorWrites: once(group, feature, before.errorWrites) };
    case "corrupt_bio_byte":
      return { corrupt: parseCorruptByte(group) };
    case "random_read_corrupt":
      return { randomReadCorrupt: group.number("the probability", 0, PROBABILITY_BASE) };
    case "random_write_corrupt":
      return { randomWriteCorrupt: group.number("the probability", 0, PROBABILITY_BASE) };
    default:
      group.refuse("unknown feature");
  }
}

function once(group: DmArgs, feature: string, given: boolean): true {
  if (given) group.refuse(`${feature} is given twice`);
  return true;
}

function parseCorruptByte(group: DmArgs): CorruptByte {
  const byte = group.number("the byte", 1, 2 ** 32 - 1);
  const direction = group.keyword("the direction");
  if (direction !== "r" && direction !== "w") group.refuse("the direction is r or w");
  const value = group.number("the value", 0, 255);
  return { byte, direction, value, flags: group.number("the flags", 0, 2 ** 32 - 1) };
}

function checkConflicts(args: DmArgs, features: FlakeyFeatures): void {
  const { dropWrites, errorWrites, errorReads, corrupt, randomReadCorrupt, randomWriteCorrupt } = features;
  const corruptsWrites = corrupt?.direction === "w" || randomWriteCorrupt > 0;
  const corruptsReads = corrupt?.direction === "r" || randomReadCorrupt > 0;
  const writeFates = [dropWrites, errorWrites, corruptsWrites].filter((fate) => fate).length;
  if (writeFates > 1) args.refuse("writes are dropped, failed or corrupted, expected one of them");
  if (errorReads && corruptsReads) args.refuse("reads are failed or corrupted, expected one of them");
}

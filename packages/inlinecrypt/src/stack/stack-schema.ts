import { z } from "zod";
import {
  parseDataUnitBytes,
  parseDiskBytes,
  parseDun,
  parseDunBytes,
  parseKeyslots,
  parseListenAddress,
  parseModeName,
  ValueError,
} from "../values.js";
import type { StackDefinition } from "./stack-definition.js";

/** Something wrong in a stack definition: where, as keys and indices from the top, and what. */
export interface StackProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** Whether the last part of the path is at fault itself: an unknown key, a bad name. */
  readonly atKey: boolean;
}

export type StackParseResult =
  | { readonly definition: StackDefinition; readonly problems: null }
  | { readonly definition: null; readonly problems: readonly StackProblem[] };

const MAX_NAME_CHARACTERS = 64;
const DRIVERS = "loop, ram, ufs or dm";

const fileSchema = z
  .string(expecting("the path of a file"))
  .min(1, "expected the path of a file")
  .refine((path) => !path.includes("\0"), "expected the path of a file, without NUL");
const flagSchema = z.boolean(expecting("true or false"));

const loopSchema = object("a device", {
  driver: z.literal("loop"),
  file: fileSchema.optional(),
  device: z.string(expecting("the name of a device")).optional(),
  size: written(parseDiskBytes, "a size such as 1GiB").optional(),
  readOnly: flagSchema.optional(),
})
  .refine(({ file, device }) => (file === undefined) !== (device === undefined), {
    error: "expected a file (of the host) or a device (of this stack), one of them",
  })
  .refine(({ device, size }) => device === undefined || size === undefined, {
    error: "a loop device on another device is as large as that; size is for files",
    path: ["size"],
  });

const ramSchema = object("a device", {
  driver: z.literal("ram"),
  size: written(parseDiskBytes, "a size such as 256MiB"),
});

const ufsSchema = object("a device", {
  driver: z.literal("ufs"),
  size: written(parseDiskBytes, "a size such as 256MiB").optional(),
  backing: fileSchema.optional(),
  keyslots: written(parseKeyslots, "a number of keyslots from 1 to 32").optional(),
  dataUnitSizes: list("a list of sizes", written(parseDataUnitBytes, "a power of two from 512 to 65536"))
    .min(1, "expected at least one size")
    .optional(),
  readOnly: flagSchema.optional(),
}).refine(({ size, backing }) => size !== undefined || backing !== undefined, {
  error: "expected a size (in memory), a backing (a file), or both",
});

const dmSchema = object("a device", {
  driver: z.literal("dm"),
  table: list("a list of table lines", z.string(expecting('a line such as "0 2048 linear disk 0"'))).min(
    1,
    "expected at least one line",
  ),
  readOnly: flagSchema.optional(),
});

const keySchema = object("a key", {
  mode: written(parseModeName, "the name of a mode, such as AES-256-XTS").optional(),
  dataUnitSize: written(parseDataUnitBytes, "a power of two from 512 to 65536").optional(),
  dunBytes: written(parseDunBytes, "a number of bytes from 1 to 32").optional(),
  file: fileSchema,
});

const volumeSchema = object("a volume", {
  device: z.string(expecting("the name of a device")),
  // One that is longer is no name, and may be the key itself, which no message shows.
  key: z
    .string(expecting("the name of a key"))
    .max(MAX_NAME_CHARACTERS, `expected the name of a key, at most ${MAX_NAME_CHARACTERS} characters`)
    .optional(),
  firstDun: written(parseDun, "a number from 0, decimal or with 0x").optional(),
});

const exportSchema = object("an export", {
  volume: z.string(expecting("the name of a volume")),
  nbd: written(parseListenAddress, "unix:PATH or tcp:HOST:PORT"),
  name: z.string(expecting("the name that clients ask for")).max(255, "expected at most 255 characters").optional(),
  readOnly: flagSchema.optional(),
});

const stackSchema: z.ZodType<StackDefinition, unknown> = object("a stack", {
  version: written((text) => {
    if (text !== "1") throw new ValueError("expected 1, the only version there is");
    return 1 as const;
  }, "1"),
  cryptoFallback: flagSchema.optional(),
  devices: named(
    "devices",
    z.discriminatedUnion("driver", [loopSchema, ramSchema, ufsSchema, dmSchema], { error: deviceMessage }),
  ),
  keys: named("keys", keySchema).optional(),
  volumes: named("volumes", volumeSchema).optional(),
  exports: list("a list of exports", exportSchema).optional(),
});

/** Checks the shape of a stack and turns sizes, numbers and addresses into what they mean. References stay unchecked. */
export function parseStack(input: unknown): StackParseResult {
  const result = stackSchema.safeParse(input);
  if (result.success) return { definition: result.data, problems: null };
  return { definition: null, problems: result.error.issues.flatMap(problemsOf) };
}

function problemsOf(issue: z.core.$ZodIssue): StackProblem[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], message: issue.message, atKey: true }));
  }
  return [{ path, message: issue.message, atKey: issue.code === "invalid_key" }];
}

const NAME_RULE =
  "a name is up to 64 letters, digits, dots, dashes and underscores, starts with a letter or digit, " +
  "and is no whole number";

/** An object with exactly the keys of `shape`; others are answered with the list of those there are. */
function object<Shape extends z.ZodRawShape>(what: string, shape: Shape) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys") return `unknown key; ${what} has ${keys}`;
      return `expected ${what} with the keys ${keys}${foundKind(issue.input)}`;
    },
  });
}

/** A mapping from names to `schema`, in the file's order: JavaScript puts names that are whole numbers before all others. */
function named<Value extends z.ZodType>(what: string, schema: Value) {
  const record = z.record(z.string().regex(/^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/), schema, {
    error: (issue) => (issue.code === "invalid_key" ? NAME_RULE : `expected ${what} by name${foundKind(issue.input)}`),
  });
  // A record passes over this name without a word.
  return z.preprocess((input, context) => {
    if (typeof input === "object" && input !== null && Object.hasOwn(input, "__proto__")) {
      context.addIssue({
        code: "invalid_key",
        origin: "record",
        issues: [],
        path: ["__proto__"],
        message: NAME_RULE,
        input,
      });
    }
    return input;
  }, record);
}

/** A value that `parse` understands in writing; YAML may have made a number of it. */
function written<Value>(parse: (text: string) => Value, expected: string) {
  return z.union([z.string(), z.bigint(), z.number()], expecting(expected)).transform((value, context) => {
    try {
      return parse(String(value));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      context.addIssue({ code: "custom", message: `${error.message}${found(value)}` });
      return z.NEVER;
    }
  });
}

function expecting(expected: string): { error: (issue: z.core.$ZodRawIssue) => string } {
  return { error: (issue) => `expected ${expected}${found(issue.input)}` };
}

function deviceMessage(issue: z.core.$ZodRawIssue): string {
  const driver =
    typeof issue.input === "object" && issue.input !== null && "driver" in issue.input && issue.input.driver;
  if (typeof driver === "string") return `unknown driver "${driver}", expected ${DRIVERS}`;
  return `expected a device with a driver: ${DRIVERS}`;
}

/** A list of `schema`. */
function list<Value extends z.ZodType>(what: string, schema: Value) {
  return z.array(schema, { error: (issue) => `expected ${what}${foundKind(issue.input)}` });
}

function found(input: unknown): string {
  if (typeof input === "string") return `, found ${JSON.stringify(input.slice(0, 80))}`;
  if (typeof input === "object" || input === undefined) return foundKind(input);
  return `, found ${String(input)}`;
}

/** Says no more than the kind, because text in the place of a mapping or a list may be a key. */
function foundKind(input: unknown): string {
  if (input === undefined) return "; it is missing";
  if (input === null) return ", found nothing";
  if (Array.isArray(input)) return ", found a list";
  if (typeof input === "object") return ", found a mapping";
  if (typeof input === "string") return ", found text";
  return `, found a ${typeof input === "bigint" ? "number" : typeof input}`;
}

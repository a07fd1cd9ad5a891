import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { KEY_DEFAULTS } from "../stack/stack-definition.js";
import {
  parseDataUnitBytes,
  parseDiskBytes,
  parseDun,
  parseListenAddress,
  parseModeName,
  ValueError,
} from "../values.js";
import { packageVersion } from "../version.js";
import { type CommandIo, wantsColor } from "./command-io.js";
import type { CryptFlags } from "./crypt.js";
import type { DemoFlags } from "./demo.js";
import type { DmView } from "./dm.js";
import { examples } from "./examples.js";
import type { ServeFlags } from "./serve.js";

/**
 * The command line: what there is, what it takes, and what it calls. A command's code is loaded when it is called, so
 * that `--help` does not wait for it. With `json`, usage errors are left to the caller.
 */
export function createProgram(io: CommandIo, json: boolean): Command {
  const program = new Command("inlinecrypt")
    .description("Encrypted disks over NBD, with the ciphertext the Linux kernel's inline encryption writes.")
    .version(packageVersion())
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => void (json || io.stderr.write(text)),
      outputError: (text, write) => write(text.replace(/^error: /, "inlinecrypt: ")),
      getOutHasColors: () => wantsColor(io.stdout, io.env),
      getErrHasColors: () => wantsColor(io.stderr, io.env),
    })
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText("after", examples.program)
    .exitOverride();
  addServe(program, io);
  addCrypt(program, io);
  addEngines(program, io);
  addSysfs(program, io);
  addDm(program, io);
  addDemo(program, io);
  return program;
}

function addServe(program: Command, io: CommandIo): void {
  program
    .command("serve")
    .summary("serve disks over NBD until SIGINT or SIGTERM")
    .description(
      "Serves the exports of a stack file, or one file given by flags, over NBD until SIGINT or SIGTERM.\n" +
        'Prints "listening URI" on stdout for each export when clients can connect; logs go to stderr.\n' +
        "The signal lets what clients have sent finish, and puts all on the medium; another one, a second or more later, ends " +
        "the process at once.",
    )
    .argument("[stack]", "stack file (YAML); without one, --file and --key-file")
    .option("--file <image>", "file or block device to serve")
    .addOption(value("--size <bytes>", "create the file, sparse, when it does not exist", parseDiskBytes))
    .option("--key-file <key>", "key: raw bytes or hex")
    .addOption(modeOption())
    .addOption(dataUnitSizeOption())
    .addOption(firstDunOption())
    .addOption(
      value("--listen <address>", "unix:PATH or tcp:HOST:PORT (default: unix:inlinecrypt.sock)", parseListenAddress),
    )
    .option("--export <name>", "name that clients ask for (default: the empty name)")
    .option("--read-only", "refuse writes; the file is opened for reading only")
    .option("--no-fallback", "fail unless the device encrypts in hardware")
    .option("--json", "ready lines and logs as JSON")
    .addHelpText("after", examples.serve)
    .action(async (stack: string | undefined, flags: ServeFlags, command: Command) => {
      const { serve } = await import("./serve.js");
      await serve(io, stack, flags, (name) => command.getOptionValueSource(name) === "cli");
    });
}

function addCrypt(program: Command, io: CommandIo): void {
  program
    .command("crypt")
    .summary("encrypt or decrypt stdin to stdout, as the disk would")
    .description(
      "En- or decrypts whole data units from stdin to stdout. Data unit i gets the number FIRST-DUN + i, as on a disk.",
    )
    .addArgument(new Argument("<direction>", "which way").choices(["encrypt", "decrypt"]))
    .requiredOption("--key-file <key>", "key: raw bytes or hex")
    .addOption(modeOption())
    .addOption(dataUnitSizeOption())
    .addOption(firstDunOption())
    .addHelpText("after", examples.crypt)
    .action(async (direction: "encrypt" | "decrypt", flags: CryptFlags) => {
      const { crypt } = await import("./crypt.js");
      await crypt(io, direction, flags);
    });
}

function addEngines(program: Command, io: CommandIo): void {
  program
    .command("engines")
    .summary("show which cipher engines run here, and why one does not")
    .description("Shows the cipher engines, what they compute, and which one serves.")
    .option("--json", "as JSON")
    .action(async (flags: { json?: boolean }) => {
      const { engines } = await import("./engines.js");
      await engines(io, flags.json ?? false);
    });
}

function addSysfs(program: Command, io: CommandIo): void {
  program
    .command("sysfs")
    .summary("show what each device of a stack can encrypt by itself")
    .description(
      "Shows the queue/crypto files of each device of a stack file, as the kernel does in /sys/block. Opens the devices " +
        "for reading, and nothing else: no exports, and no keys but those that tables name.",
    )
    .argument("<stack>", "stack file (YAML)")
    .option("--json", "as JSON")
    .action(async (stack: string, flags: { json?: boolean }) => {
      const { sysfs } = await import("./sysfs.js");
      await sysfs(io, stack, flags.json ?? false);
    });
}

function addDm(program: Command, io: CommandIo): void {
  program
    .command("dm")
    .summary("show the tables or the status of a stack's mapped devices")
    .description(
      "Shows the tables of a stack's mapped devices, or the status of their targets, as dmsetup prints them.",
    )
    .addArgument(new Argument("<view>", "what of them").choices(["table", "status"]))
    .argument("<stack>", "stack file (YAML)")
    .option("--json", "as JSON")
    .action(async (view: DmView, stack: string, flags: { json?: boolean }) => {
      const { dm } = await import("./dm.js");
      await dm(io, view, stack, flags.json ?? false);
    });
}

function addDemo(program: Command, io: CommandIo): void {
  program
    .command("demo")
    .summary("store a file on a throw-away encrypted disk, and look at both sides")
    .description(
      "Makes a key and a disk in a temporary folder, serves it, stores a file through its own NBD connection, reads it " +
        "back, and shows what the client sees beside what the medium holds. Leaves nothing behind.",
    )
    .argument("[path]", "file to store (default: generated text)")
    .option("--image <image>", "file to store when no path is given; unpacked first when it is gzip")
    .addHelpText("after", examples.demo)
    .action(async (path: string | undefined, flags: DemoFlags) => {
      const { demo } = await import("./demo.js");
      await demo(io, path, flags);
    });
}

function modeOption(): Option {
  return value("--mode <mode>", "encryption mode", parseModeName).default(KEY_DEFAULTS.mode);
}

function dataUnitSizeOption(): Option {
  return value("--data-unit-size <bytes>", "power of two, 512 to 65536", parseDataUnitBytes).default(
    KEY_DEFAULTS.dataUnitSize,
  );
}

function firstDunOption(): Option {
  return value("--first-dun <number>", "number of the first data unit, decimal or 0x", parseDun).default(0n, "0");
}

function value(flags: string, description: string, parse: (text: string) => unknown): Option {
  return new Option(flags, description).argParser((text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof ValueError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  });
}

// Boots a Linux kernel in this process, with our UFS host controller as its disk: the kernel's own driver programs the
// keyslots, and what it writes is encrypted inline. `pnpm guest --help` tells how.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FaultRule, LOGICAL_BLOCK_BYTES } from "@inlinecrypt/ufshcd-emulator/controller";
import { Command, InvalidArgumentError, Option } from "commander";
import { describeEvent } from "./describe-event.js";
import { FAULT_HELP, parseFault } from "./fault-spec.js";
import { findBios } from "./find-bios.js";
import type { GuestEnd } from "./guest-machine.js";
import { appendToInitrd } from "./initrd.js";
import type { PciIdentity } from "./pci-slot.js";
import { runUfsGuest } from "./ufs-guest.js";

interface Flags {
  readonly job: string;
  readonly disk: string;
  readonly kernel?: string;
  readonly pci: PciIdentity;
  readonly keyslots: number;
  readonly crypto: boolean;
  readonly fault: readonly FaultRule[];
  readonly timeout: number;
}

const ENDS: Readonly<Record<GuestEnd, string>> = {
  done: "the guest has powered off",
  panic: "the guest has panicked",
  timeout: "time is up",
  "no-job-end": "the guest has powered off before its job was done",
};

function parsePci(text: string): PciIdentity {
  const match = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(text);
  if (match === null) throw new InvalidArgumentError("Expected vendor and device, such as 8086:98fa.");
  return { vendor: Number.parseInt(match[1]!, 16), device: Number.parseInt(match[2]!, 16) };
}

function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= min && count <= max) return count;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

function addFault(spec: string, faults: readonly FaultRule[]): readonly FaultRule[] {
  try {
    return [...faults, parseFault(spec)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** The file, or the end of the program with what is wrong with it. */
async function readInput(program: Command, what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    return program.error(`cannot read the ${what}: ${(error as Error).message}`, { exitCode: 1 });
  }
}

async function boot(flags: Flags, program: Command): Promise<void> {
  const folder = flags.kernel ?? process.env.INLINECRYPT_GUEST_KERNEL;
  if (folder === undefined) program.error("no kernel: give --kernel FOLDER, or set INLINECRYPT_GUEST_KERNEL");
  const biosPath = findBios();
  if (biosPath === undefined) program.error("no BIOS: install SeaBIOS (Debian: apt-get install seabios)");
  const medium = await readInput(program, "disk", flags.disk);
  if (medium.length === 0 || medium.length % LOGICAL_BLOCK_BYTES !== 0) {
    program.error(`the disk has ${medium.length} bytes, expected a multiple of ${LOGICAL_BLOCK_BYTES}`);
  }
  const job = await readInput(program, "job", flags.job);
  const initrd = await readInput(program, "initial RAM disk", join(folder, "initrd-base.cpio.gz"));
  const end = await runUfsGuest({
    bios: await readInput(program, "BIOS", biosPath),
    kernel: await readInput(program, "kernel", join(folder, "bzImage")),
    initrd: appendToInitrd(initrd, [{ path: "job.sh", mode: 0o755, data: job }]),
    medium,
    pci: flags.pci,
    keyslots: flags.crypto ? flags.keyslots : 0,
    faults: flags.fault,
    timeoutMs: flags.timeout * 1000,
    onConsoleLine: (line) => console.log(line),
    onEvent: (event) => {
      const text = describeEvent(event);
      if (text !== undefined) console.error(`ufs: ${text}`);
    },
  });
  await writeFile(flags.disk, medium);
  console.error(`ufs: ${ENDS[end]}`);
  process.exitCode = end === "done" ? 0 : 1;
}

const pci = new Option("--pci <id>", "identity of the controller; 8086:9dfa makes the guest encrypt in software")
  .argParser(parsePci)
  .default(parsePci("8086:98fa"), "8086:98fa");
const fault = new Option("--fault <spec>", `what goes wrong; may be given again. ${FAULT_HELP}`)
  .argParser(addFault)
  .default([], "nothing");
const program = new Command("guest")
  .description("Boots a Linux kernel on our UFS host controller and runs a job in it.")
  .requiredOption("--job <script>", "shell script for the guest to run; its disk is /dev/sda")
  .requiredOption("--disk <image>", "the disk's content; written back at the end")
  .option("--kernel <folder>", "where bzImage and initrd-base.cpio.gz are (default: $INLINECRYPT_GUEST_KERNEL)")
  .addOption(pci)
  .option("--keyslots <count>", "keyslots of the crypto engine, 1 to 32", parseCount(1, 32), 8)
  .option("--no-crypto", "a controller without a crypto engine")
  .addOption(fault)
  .option("--timeout <seconds>", "how long the guest may run", parseCount(1, 3600), 120);
program.action((flags: Flags) => boot(flags, program));
await program.parseAsync();

import { createRequire } from "node:module";
import { V86, type V86Options } from "v86";
import { cpuOf, type V86Cpu } from "./v86-internals.js";

/** Memory of the virtual machine. */
export const GUEST_MEMORY_BYTES: number = 256 << 20;

const COMMAND_LINE = "console=ttyS0 tsc=reliable mitigations=off nowatchdog loglevel=7";
/** What the guest prints last; without ACPI it can only halt. */
const POWERED_OFF = /reboot: (Power down|System halted)/;
const JOB_DONE = "@@DONE";
const PANIC = "Kernel panic";

/** How a guest ended. */
export type GuestEnd = "done" | "panic" | "timeout" | "no-job-end";

export interface GuestMachineOptions {
  readonly bios: Uint8Array;
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  /** How long the guest may run. */
  readonly timeoutMs: number;
  /** Plugs devices in, before the guest starts. */
  readonly plug: (cpu: V86Cpu) => void;
  /** Hears each line that the guest prints on its console, without its end. */
  readonly onConsoleLine: (line: string) => void;
}

/** Boots a kernel in this process and runs it until it powers off, panics, or time is up. */
export async function runGuest(options: GuestMachineOptions): Promise<GuestEnd> {
  const emulator = new V86(machineOptions(options));
  try {
    return await new Promise<GuestEnd>((resolve, reject) => {
      const timer = setTimeout(() => resolve("timeout"), options.timeoutMs);
      const end = (how: GuestEnd): void => {
        clearTimeout(timer);
        resolve(how);
      };
      emulator.add_listener("serial0-output-byte", consoleLines(lineReader(options.onConsoleLine, end)));
      emulator.add_listener("emulator-loaded", () => {
        try {
          options.plug(cpuOf(emulator));
          emulator.run();
        } catch (error) {
          clearTimeout(timer);
          reject(error);
        }
      });
    });
  } finally {
    await emulator.destroy();
  }
}

function machineOptions({ bios, kernel, initrd }: GuestMachineOptions): V86Options {
  return {
    wasm_path: createRequire(import.meta.url).resolve("v86/build/v86.wasm"),
    bios: image(bios),
    bzimage: image(kernel),
    initrd: image(initrd),
    memory_size: GUEST_MEMORY_BYTES,
    autostart: false,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    // "none" is missing in the type.
    net_device: { type: "none" as "ne2k" },
    cmdline: COMMAND_LINE,
  };
}

function image(bytes: Uint8Array): { buffer: ArrayBuffer } {
  return { buffer: new Uint8Array(bytes).buffer };
}

/** Passes lines on, and tells when one of them is the end. */
function lineReader(onLine: (line: string) => void, end: (how: GuestEnd) => void): (line: string) => void {
  let jobDone = false;
  return (line) => {
    onLine(line);
    if (line.startsWith(JOB_DONE)) jobDone = true;
    if (line.includes(PANIC)) end("panic");
    if (POWERED_OFF.test(line)) end(jobDone ? "done" : "no-job-end");
  };
}

function consoleLines(onLine: (line: string) => void): (byte: number) => void {
  let bytes: number[] = [];
  return (byte) => {
    if (byte !== 0x0a) {
      bytes.push(byte);
      return;
    }
    const line = Buffer.from(bytes).toString("utf8").replaceAll("\r", "");
    bytes = [];
    onLine(line);
  };
}

import type { KeyslotInfo } from "@inlinecrypt/blk-crypto-profile";
import Table from "cli-table3";
import type pico from "picocolors";
import { formatBytes } from "../values.js";
import type { Transfer } from "./demo-transfer.js";

/** Bytes of one side of a line. */
const LINE_BYTES = 8;

/** What the demo found out. */
export interface DemoResult {
  readonly name: string;
  readonly bytes: number;
  readonly mode: string;
  readonly stored: Transfer;
  readonly fetched: Transfer;
  /** Where both samples come from. */
  readonly sampleOffset: number;
  /** What a client reads there. */
  readonly clientSample: Uint8Array;
  /** What the file under the disk holds there. */
  readonly mediumSample: Uint8Array;
  readonly slots: readonly KeyslotInfo[];
}

/** The whole result on a screen of 80 columns and 24 lines. */
export function demoScreen(result: DemoResult, colors: ReturnType<typeof pico.createColors>): string {
  const { bold, cyan, dim } = colors;
  return [
    `${bold(result.name)}, ${formatBytes(result.bytes)}: stored over NBD, read back identical ${dim(`(sha256 ${result.fetched.sha256.slice(0, 8)}…)`)}`,
    "",
    ...sampleLines(result, colors),
    "",
    ...slotLines(result.slots, colors),
    "",
    `written at ${rate(result.bytes, result.stored)}, read at ${rate(result.bytes, result.fetched)} ${dim("(client, server and cipher in one process)")}`,
    "",
    bold("A disk of your own (the last three in a second terminal):"),
    ...ownDiskCommands.map((line) => `  ${cyan(line)}`),
  ].join("\n");
}

/** Each works as it stands, in this order. */
const ownDiskCommands = [
  "head -c 64 /dev/urandom > my.key && chmod 600 my.key",
  "npx inlinecrypt serve --file my.img --size 1GiB --key-file my.key",
  "nbdinfo 'nbd+unix:///?socket=inlinecrypt.sock'",
  "nbdcopy README.md 'nbd+unix:///?socket=inlinecrypt.sock'",
  "qemu-img info 'nbd+unix:///?socket=inlinecrypt.sock'",
];

function sampleLines(result: DemoResult, { bold, green, red, dim }: ReturnType<typeof pico.createColors>): string[] {
  const lines = [
    `${"".padEnd(8)}  ${bold("what the client sees".padEnd(34))}${bold(`what the medium holds (${result.mode})`)}`,
  ];
  for (let at = 0; at < result.clientSample.length; at += LINE_BYTES) {
    const offset = (result.sampleOffset + at).toString(16).padStart(8, "0");
    const left = green(hexLine(result.clientSample.subarray(at, at + LINE_BYTES)));
    lines.push(`${dim(offset)}  ${left}  ${red(hexLine(result.mediumSample.subarray(at, at + LINE_BYTES)))}`);
  }
  return lines;
}

function hexLine(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${hex.padEnd(3 * LINE_BYTES - 1)} ${text.padEnd(LINE_BYTES)}`;
}

function slotLines(slots: readonly KeyslotInfo[], { bold }: ReturnType<typeof pico.createColors>): string[] {
  const table = new Table({
    head: ["keyslot", "mode", "data unit", "references", "programmings"].map((title) => bold(title)),
    colAligns: ["right", "left", "right", "right", "right"],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: noBorder,
  });
  const used = slots.filter((slot) => slot.key !== null);
  for (const { slotIndex, key, references, programmings } of used) {
    table.push([slotIndex, key!.mode, `${key!.dataUnitBytes} bytes`, references, programmings]);
  }
  const lines = table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
  return [...lines.slice(0, -1), `${lines.at(-1)}   (${slots.length - used.length} more, empty)`];
}

function rate(bytes: number, { seconds }: Transfer): string {
  return `${formatBytes(bytes / seconds)}/s`;
}

const borderParts = ["top", "mid", "bottom"].flatMap((row) =>
  ["", "-mid", "-left", "-right"].map((part) => row + part),
);
const noBorder = Object.fromEntries(
  [...borderParts, "left", "left-mid", "mid-mid", "right", "right-mid", "middle"].map((part) => [part, ""]),
);

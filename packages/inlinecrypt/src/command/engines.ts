import Table from "cli-table3";
import pico from "picocolors";
import { chooseEngine, createEngines } from "../engines.js";
import { type CommandIo, wantsColor } from "./command-io.js";
import { print } from "./print.js";

/** `inlinecrypt engines`. @throws RequestError, after the table, when no engine runs here */
export async function engines(io: CommandIo, json: boolean): Promise<void> {
  const all = createEngines();
  const firstThatRuns = all.find((engine) => engine.describe().available);
  const rows = all.map((engine) => ({ ...engine.describe(), chosen: engine === firstThatRuns }));
  if (json) await print(io, `${JSON.stringify({ engines: rows })}\n`);
  else await print(io, `${formatTable(rows, wantsColor(io.stdout, io.env))}\n`);
  chooseEngine(all);
}

type EngineRow = ReturnType<ReturnType<typeof createEngines>[number]["describe"]> & { readonly chosen: boolean };

/** A row for each cipher of an engine; the engine's name and state stand beside all of its rows. */
function formatTable(rows: readonly EngineRow[], color: boolean): string {
  const { green, red, bold } = pico.createColors(color);
  const table = new Table({
    head: ["engine", "runs here", "cipher", "computed by"].map((title) => bold(title)),
    style: { head: [], border: [] },
    colWidths: [null, 24, null, 64],
    wordWrap: true,
  });
  for (const row of rows) {
    const state = row.available ? green(row.chosen ? "yes, serves by default" : "yes") : red(`no: ${row.reason}`);
    const rowSpan = row.algorithms.length;
    row.algorithms.forEach((algorithm, index) => {
      const cells = [algorithm.cipher, explain(algorithm)];
      table.push(index > 0 ? cells : [{ rowSpan, content: row.name }, { rowSpan, content: state }, ...cells]);
    });
  }
  return table.toString();
}

/** What computes a cipher, and why it is not what the engine prefers; or why nothing does. */
function explain({ available, computedBy, reason }: EngineRow["algorithms"][number]): string {
  if (!available) return `not at all: ${reason}`;
  return reason === undefined ? computedBy : `${computedBy}\n${reason}`;
}

import Table from "cli-table3";
import pico from "picocolors";
import { chooseEngine, createEngines } from "../engines.js";
import { type CommandIo, wantsColor } from "./command-io.js";

/** `inlinecrypt engines`. @throws RequestError, after the table, when no engine runs here */
export async function engines(io: CommandIo, json: boolean): Promise<void> {
  const all = createEngines();
  const firstThatRuns = all.find((engine) => engine.describe().available);
  const rows = all.map((engine) => ({ ...engine.describe(), chosen: engine === firstThatRuns }));
  if (json) io.stdout.write(`${JSON.stringify({ engines: rows })}\n`);
  else io.stdout.write(`${formatTable(rows, wantsColor(io.stdout, io.env))}\n`);
  chooseEngine(all);
}

type EngineRow = ReturnType<ReturnType<typeof createEngines>[number]["describe"]> & { readonly chosen: boolean };

function formatTable(rows: readonly EngineRow[], color: boolean): string {
  const { green, red, bold } = pico.createColors(color);
  const table = new Table({
    head: ["engine", "runs here", "ciphers", "computes with"].map((title) => bold(title)),
    style: { head: [], border: [] },
    colWidths: [null, 26, 20, null],
    wordWrap: true,
  });
  for (const row of rows) {
    const state = row.available ? green(row.chosen ? "yes, serves by default" : "yes") : red(`no: ${row.reason}`);
    table.push([row.name, state, row.ciphers.join("\n"), row.detail]);
  }
  return table.toString();
}

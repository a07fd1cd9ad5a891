// Protection information and inline encryption on one disk: the controller would make the one from what it gets before
// the other. So a device has either; with protection information the software fallback encrypts.
import { type Findings, type Setup, tryOut } from "./scenario.js";

const SETUPS: readonly Setup[] = [
  { name: "PI, fallback", integrity: true, fallback: true },
  { name: "PI, no fallback", integrity: true, fallback: false },
  { name: "no PI", integrity: false, fallback: false },
];

/** What each of `SETUPS` has to find, row by row. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  "crypto engine": ["refused", "refused", "registered"],
  "protection information, added now": ["OK", "OK", "EINVAL"],
  "start using the key": ["OK", "ENOPKG", "OK"],
  "plain write and read": ["OK", "OK", "OK"],
  "encrypted write and read": ["OK", "EOPNOTSUPP", "OK"],
  "encrypted by": ["the fallback", "nobody", "the engine"],
  "at rest": ["ciphertext", "nothing", "ciphertext"],
  "protection information is made from": ["ciphertext", "nothing", "nothing"],
  "own protection information for encrypted I/O": ["EOPNOTSUPP", "EOPNOTSUPP", "EOPNOTSUPP"],
  "a bit flips at rest": ["EILSEQ", "EOPNOTSUPP", "not noticed"],
};

function printRow(name: string, cells: readonly string[], mark = ""): void {
  console.log(`${name.padEnd(46)}${cells.map((cell) => cell.padEnd(17)).join("")}${mark}`.trimEnd());
}

function printTable(columns: readonly Findings[]): boolean {
  let allExpected = true;
  printRow(
    "",
    SETUPS.map(({ name }) => name),
  );
  for (const [row, expected] of Object.entries(EXPECTED)) {
    const cells = columns.map((column) => column[row]!);
    const isExpected = cells.join() === expected.join();
    printRow(row, cells, isExpected ? "" : `expected ${expected.join(", ")}`);
    allExpected &&= isExpected;
  }
  return allExpected;
}

const columns: Findings[] = [];
for (const setup of SETUPS) columns.push(await tryOut(setup));
process.exitCode = printTable(columns) ? 0 : 1;

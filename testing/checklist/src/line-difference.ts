/** Lines shown of each text. */
const MAX_LINES = 10;

/** The lines that only one of two texts has, for people; empty when the texts are equal. */
export function lineDifference(before: string, after: string): string {
  if (before === after) return "";
  const shown = [...onlyIn(before, after, "-"), ...onlyIn(after, before, "+")];
  return shown.length > 0 ? shown.join("") : "(the same lines in another order)\n";
}

function onlyIn(text: string, other: string, sign: string): string[] {
  const known = new Set(other.split("\n"));
  const lines = text.split("\n").filter((line) => !known.has(line));
  const shown = lines.slice(0, MAX_LINES).map((line) => `${sign} ${line}\n`);
  if (lines.length > MAX_LINES) shown.push(`${sign} and ${lines.length - MAX_LINES} more\n`);
  return shown;
}

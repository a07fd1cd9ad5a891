const ROW_ID = /\[([A-Z]+-\d+)\]/g;
const SEED = /\(seed [^)]*\)/g;

/** The ids in a test's full name, each once, in order: `[CORE-22] [CORE-26] back merges` gives two. */
export function rowIdsIn(fullName: string): string[] {
  return [...new Set(Array.from(fullName.matchAll(ROW_ID), (match) => match[1]!))];
}

/** A title without its ids, and without `(seed …)`, which may differ from run to run. */
export function shownTitle(title: string): string {
  return title.replace(ROW_ID, "").replace(SEED, "").replace(/\s+/g, " ").trim();
}

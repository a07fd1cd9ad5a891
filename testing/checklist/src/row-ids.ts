const ROW_ID = /\[([A-Z]+-\d+)\]/g;

/** The ids in a test's full name, each once, in order: `[CORE-22] [CORE-26] back merges` gives two. */
export function rowIdsIn(fullName: string): string[] {
  return [...new Set(Array.from(fullName.matchAll(ROW_ID), (match) => match[1]!))];
}

/** The name without its ids. */
export function withoutRowIds(name: string): string {
  return name.replace(ROW_ID, "").replace(/\s+/g, " ").trim();
}

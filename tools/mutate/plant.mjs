import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Why a mutation no longer applies to the repository at `folder`, or null when it does.
 *
 * @param {string} folder
 * @param {import("./mutations/index.mjs").Mutation} mutation
 */
export function misfit(folder, mutation) {
  try {
    mutate(folder, mutation);
    return null;
  } catch (error) {
    return error.message;
  }
}

/**
 * Plants a bug in the copy at `folder`. Returns what takes it out again.
 *
 * @param {string} folder
 * @param {import("./mutations/index.mjs").Mutation} mutation
 */
export function plant(folder, mutation) {
  const path = join(folder, mutation.file);
  const before = readFileSync(path, "utf8");
  writeFileSync(path, mutate(folder, mutation));
  return () => writeFileSync(path, before);
}

function mutate(folder, { file, edits }) {
  let text = readFileSync(join(folder, file), "utf8");
  for (const [find, replacement] of edits) {
    const places = text.split(find).length - 1;
    if (places !== 1) throw new Error(`${file} has ${places} places like ${JSON.stringify(find.trim())}, expected 1`);
    text = text.replace(find, () => replacement);
  }
  return text;
}

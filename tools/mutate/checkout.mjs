import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository this script belongs to. It is only read. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Makes a copy of the repository to plant bugs in, and returns its path.
 *
 * @param {boolean} head copy the last commit instead of the files as they are now
 */
export function makeCopy(head) {
  const copy = mkdtempSync(join(tmpdir(), "inlinecrypt-mutate-"));
  try {
    if (head) git(root, "clone", "--quiet", "--local", root, copy);
    else copyWorkingTree(copy);
    copyNodeModules(copy);
  } catch (error) {
    removeCopy(copy);
    throw error;
  }
  return copy;
}

/** @param {string} copy */
export function removeCopy(copy) {
  rmSync(copy, { recursive: true, force: true });
}

/** Everything git knows or would add: no build output, no dependencies. */
function copyWorkingTree(copy) {
  for (const path of git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")) {
    if (path === "" || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(join(root, path), join(copy, path));
  }
}

/**
 * Copies the links in which an installation consists: those between workspaces are relative and lead to the copy's
 * packages; the packages of others stay where they are.
 */
function copyNodeModules(copy) {
  const store = join(root, "node_modules/.pnpm");
  if (!existsSync(store)) throw new Error("dependencies are not installed: run `npm test` or `pnpm install` first");
  for (const workspace of [".", ...workspaces()]) {
    const from = join(root, workspace, "node_modules");
    if (!existsSync(from) || !existsSync(join(copy, workspace))) continue;
    const isCache = (path) => /[\\/]node_modules[\\/]\.(cache|vite|vite-temp)$/.test(path);
    const filter = (path) => path !== store && !isCache(path);
    cpSync(from, join(copy, workspace, "node_modules"), { recursive: true, verbatimSymlinks: true, filter });
  }
  symlinkSync(store, join(copy, "node_modules/.pnpm"), "dir");
}

function workspaces() {
  return ["packages", "testing", "examples"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  );
}

function git(cwd, ...args) {
  const { status, stdout, stderr, error } = spawnSync("git", args, { cwd, encoding: "utf8", maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`git ${args[0]} failed: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

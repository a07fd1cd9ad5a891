import { execFileSync } from "node:child_process";

/** Block size of the file systems here. */
export const FS_BLOCK_BYTES = 4096;

/** The file system's identity goes into keys; a fixed one makes a run repeatable. */
export const FS_UUID = "7b3f2a51-9c04-4e8d-8a66-1f0c5e2d9b47";

/** Makes an empty ext4 file system, for encrypted directories of any policy, in an existing or new file. */
export function makeExt4(file: string, bytes: number): void {
  const features = ["-t", "ext4", "-O", "encrypt,stable_inodes", "-E", `hash_seed=${FS_UUID}`, "-U", FS_UUID];
  const size = `${bytes / FS_BLOCK_BYTES}`;
  execFileSync("mke2fs", ["-q", "-F", ...features, "-b", `${FS_BLOCK_BYTES}`, file, size]);
}

/** The blocks of a file of a file system at rest, in their order; names are encrypted, so it goes by inode. */
export function blocksOf(file: string, inodeNumber: number): number[] {
  const blocks = execFileSync("debugfs", ["-R", `blocks <${inodeNumber}>`, file], { encoding: "utf8", stdio: "pipe" });
  return blocks.trim().split(/\s+/).map(Number);
}

/** Checks a file system at rest. @throws when e2fsck finds anything wrong */
export function checkExt4(file: string): void {
  execFileSync("e2fsck", ["-f", "-n", file], { stdio: "pipe" });
}

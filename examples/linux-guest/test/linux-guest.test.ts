import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { contentOf, type EncryptedFile, encryptedFiles, sha256Of } from "./support/encrypted-files.js";
import { makeExt4 } from "./support/ext4-medium.js";
import { boot, describeWithGuest, type GuestRun, told } from "./support/guest.js";
import { readJob, SYSFS_JOB, tooSlowJob, tryReadJob, writeJob } from "./support/jobs.js";
import { filesOnMedium, problemsOnMedium } from "./support/medium-check.js";

const DISK_BYTES = 32 << 20;
const KEYSLOTS = ["--keyslots", "4"];
/** The guest's driver for this one knows of no crypto engine: the guest encrypts in software. */
const SOFTWARE = ["--pci", "8086:9dfa"];
const TIMEOUT_MS = 180_000;

const files = encryptedFiles(12);
const someFiles = files.slice(0, 4);

function sums(of: readonly EncryptedFile[]): string[][] {
  return of.map((file) => [file.directory, sha256Of(contentOf(file))]);
}

/** Ended well, and no step of the job failed. */
function expectDone(run: GuestRun): void {
  expect(run.console.filter((line) => line.startsWith("@@FAIL"))).toEqual([]);
  expect({ exitCode: run.exitCode, last: run.events.at(-1) }).toEqual({
    exitCode: 0,
    last: "ufs: the guest has powered off",
  });
}

/** Whether a line of each kind comes, in this order. */
function hasInOrder(lines: readonly string[], ...parts: readonly string[]): boolean {
  let from = 0;
  return parts.every((part) => {
    const at = lines.findIndex((line, index) => index >= from && line.includes(part));
    from = at + 1;
    return at >= 0;
  });
}

describeWithGuest("a Linux kernel on our UFS host controller", () => {
  let folder: string;
  let writing: Promise<GuestRun> | undefined;
  const disk = (name: string): string => join(folder, `${name}.img`);

  /** Writes the files to the disk `written`, natively, once for all tests. */
  function writeFiles(): Promise<GuestRun> {
    writing ??= (() => {
      makeExt4(disk("written"), DISK_BYTES);
      return boot(SYSFS_JOB + writeJob(files), disk("written"), KEYSLOTS);
    })();
    return writing;
  }

  /** A disk of the test's own that has the files on it. */
  async function copyOfWritten(name: string): Promise<string> {
    expectDone(await writeFiles());
    await copyFile(disk("written"), disk(name));
    return disk(name);
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "guest-disks-"));
  });

  afterAll(() => rm(folder, { recursive: true }));

  it(
    "[UFS-2] [UFS-11] [UFS-12] [UFS-26] encrypts natively: 12 files of different keys and policies on 4 keyslots",
    async () => {
      const run = await writeFiles();
      expectDone(run);
      expect(run.console.some((line) => line.includes("fscrypt: AES-256-XTS using blk-crypto (native)"))).toBe(true);
      expect(told(run, "SYSFS").sort()).toEqual([
        ["./max_dun_bits", "64"],
        ["./modes/AES-256-XTS", "0x1fe00"],
        ["./num_keyslots", "4"],
      ]);
      expect(told(run, "SUM")).toEqual(sums(files));
      expect(run.events.some((line) => line.includes("keyslot 3 programmed"))).toBe(true);
      expect(await problemsOnMedium(disk("written"), filesOnMedium(told(run, "FILE"), files))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "[FB-20] reads the same with the guest's own software, which writes what our controller reads",
    async () => {
      const both = await copyOfWritten("both");
      const more = encryptedFiles(16).slice(12);
      const software = await boot(readJob(files) + writeJob(more), both, SOFTWARE);
      expectDone(software);
      expect(software.console.some((line) => line.includes("AES-256-XTS using blk-crypto-fallback"))).toBe(true);
      expect(software.events.some((line) => line.includes("keyslot"))).toBe(false);
      expect(told(software, "SUM")).toEqual(sums([...files, ...more]));
      expect(await problemsOnMedium(both, filesOnMedium(told(software, "FILE"), more))).toEqual([]);
      const native = await boot(readJob(more), both, KEYSLOTS);
      expectDone(native);
      expect(native.console.some((line) => line.includes("AES-256-XTS using blk-crypto (native)"))).toBe(true);
      expect(told(native, "SUM")).toEqual(sums(more));
    },
    TIMEOUT_MS,
  );

  it(
    "[UFS-10] [UFS-15] recovers from a fatal error during writes: keys programmed again, nothing lost",
    async () => {
      makeExt4(disk("reset"), DISK_BYTES);
      const run = await boot(writeJob(files), disk("reset"), [...KEYSLOTS, "--fault", "engineFatal,on=write,skip=4"]);
      expectDone(run);
      const story = ["fatal error", "host controller reset", "cleared", "programmed", "enabled, crypto on", "WRITE"];
      expect(hasInOrder(run.events, ...story)).toBe(true);
      expect(told(run, "SUM")).toEqual(sums(files));
      expect(await problemsOnMedium(disk("reset"), filesOnMedium(told(run, "FILE"), files))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "[UFS-14] [UFS-24] an engine that fails ends in retries and an I/O error, not in wrong data",
    async () => {
      const unreadable = await copyOfWritten("unreadable");
      const run = await boot(tryReadJob(files[0]!), unreadable, ["--fault", "engineFault,on=read,times=1000"]);
      expectDone(run);
      expect(run.events.filter((line) => line.includes("READ(10) failed with OCS 0xa")).length).toBeGreaterThan(2);
      expect(run.console.some((line) => line.includes("I/O error, dev sda"))).toBe(true);
      expect(told(run, "READ")).toEqual([[files[0]!.directory, "0", "bytes"]]);
    },
    TIMEOUT_MS,
  );

  it(
    "a lost completion ends in an abort, and then in recovery",
    async () => {
      makeExt4(disk("lost"), DISK_BYTES);
      const job = tooSlowJob(someFiles);
      const run = await boot(job, disk("lost"), [...KEYSLOTS, "--fault", "lostCompletion,on=write,skip=3"]);
      expectDone(run);
      expect(run.events.some((line) => line.includes("task management"))).toBe(true);
      expect(told(run, "SUM")).toEqual(sums(someFiles));
      expect(await problemsOnMedium(disk("lost"), filesOnMedium(told(run, "FILE"), someFiles))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

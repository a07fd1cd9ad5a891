import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

describe("protection information and encryption on one disk", () => {
  const rows = new Map<string, string[]>();

  beforeAll(() => {
    const { status, stdout, stderr } = spawnSync("npm", ["start", "--silent"], {
      cwd: folder,
      encoding: "utf8",
      timeout: 60_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const line of stdout.trimEnd().split("\n")) {
      const [name, ...cells] = line.split(/ {2,}/);
      rows.set(name!, cells);
    }
  }, 120_000);

  const row = (name: string): string[] => rows.get(name)!;

  it("has a column for each disk and as many cells in each row", () => {
    expect(row("")).toEqual(["PI, fallback", "PI, no fallback", "no PI"]);
    for (const cells of rows.values()) expect(cells).toHaveLength(3);
  });

  it("[CORE-42] a crypto engine on a disk with protection information is refused", () => {
    expect(row("crypto engine")).toEqual(["refused", "refused", "registered"]);
  });

  it("[CORE-43] protection information on a disk with a crypto engine is refused", () => {
    expect(row("protection information, added now")[2]).toBe("EINVAL");
  });

  it("[INT-4] with the fallback all I/O completes, without it encrypted I/O fails", () => {
    expect(row("plain write and read")).toEqual(["OK", "OK", "OK"]);
    expect(row("encrypted write and read")).toEqual(["OK", "EOPNOTSUPP", "OK"]);
    expect(row("encrypted by")).toEqual(["the fallback", "nobody", "the engine"]);
    expect(row("start using the key")).toEqual(["OK", "ENOPKG", "OK"]);
  });

  it("[INT-4] protection information is never made from plaintext", () => {
    expect(row("at rest")).toEqual(["ciphertext", "nothing", "ciphertext"]);
    expect(row("protection information is made from")).toEqual(["ciphertext", "nothing", "nothing"]);
  });

  it("[CORE-44] encrypted I/O cannot bring protection information of its own", () => {
    expect(row("own protection information for encrypted I/O")).toEqual(["EOPNOTSUPP", "EOPNOTSUPP", "EOPNOTSUPP"]);
  });

  it("[INT-4] protection information finds a flipped bit of encrypted data; without it nobody does", () => {
    expect(row("a bit flips at rest")).toEqual(["EILSEQ", "EOPNOTSUPP", "not noticed"]);
  });
});

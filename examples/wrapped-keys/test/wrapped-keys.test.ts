import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[SYS-9] [SYS-10] an imported key is used without being seen, and survives a reboot as its long-term blob alone", () => {
  const { status, stdout, stderr } = spawnSync("npm", ["start", "--silent"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ["first boot: a raw key of 32 bytes, blobs of 60 and 60"],
    ["the raw key itself", "ENOPKG"],
    ["the long-term blob for I/O", "EIO"],
    ["writing with the ephemeral blob", "OK"],
    ["reading back", "the same"],
    ["ciphertext, and AES-256-XTS with the derived key", "the same"],
    [""],
    ["second boot"],
    ["reading with the old ephemeral blob", "EIO"],
    ["its software secret", "EBADMSG"],
    ["the long-term blob prepared again: a blob that is", "different"],
    ["reading with it", "the same"],
    ["its software secret", "the same"],
    ["a long-term blob with one bit flipped", "EBADMSG"],
  ]);
}, 120_000);

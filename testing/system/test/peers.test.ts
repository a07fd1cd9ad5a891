import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { expect, it } from "vitest";
import { describeWithPeers, run } from "./support/programs.js";
import { Scratch, Serve } from "./support/serve.js";

const IMAGE_BYTES = 8 * 1024 * 1024;

/** An ext4 image with files in it. */
async function makeExt4(scratch: Scratch): Promise<string> {
  const content = scratch.path("content");
  mkdirSync(`${content}/folder`, { recursive: true });
  writeFileSync(`${content}/hello.txt`, "a file to find again\n".repeat(1000));
  writeFileSync(`${content}/folder/random.bin`, randomBytes(300_000));
  const image = scratch.path("ext4.img");
  await run("mkfs.ext4", ["-q", "-F", "-d", content, image, `${IMAGE_BYTES / 1024}k`]);
  return image;
}

describeWithPeers("nbdcopy and qemu-img", ["mkfs.ext4", "e2fsck", "nbdcopy", "qemu-img"], () => {
  it.each([512, 4096])(
    "[INT-1] [INT-3] store and fetch an ext4 image through the loop device, the medium is the reference cipher's (data unit %i)",
    async (unit) => {
      using scratch = new Scratch();
      const image = await makeExt4(scratch);
      const { path: keyFile, key } = scratch.keyFile();
      const disk = scratch.path("disk.img");
      await using serve = await Serve.start(
        ...["--file", disk, "--size", `${IMAGE_BYTES}`, "--key-file", keyFile],
        ...["--data-unit-size", `${unit}`, "--first-dun", "12345", "--listen", `unix:${scratch.path("s.sock")}`],
      );
      await run("nbdcopy", [image, serve.uri]);
      await run("nbdcopy", [serve.uri, scratch.path("by-nbdcopy.img")]);
      await run("qemu-img", ["convert", "-f", "raw", "-O", "raw", serve.uri, scratch.path("by-qemu.img")]);
      expect(await serve.stop("SIGTERM")).toBe(0);

      const plaintext = readFileSync(image);
      for (const copy of ["by-nbdcopy.img", "by-qemu.img"]) {
        expect(plaintext.equals(readFileSync(scratch.path(copy))), copy).toBe(true);
        await run("e2fsck", ["-fn", scratch.path(copy)]);
      }
      const expected = referenceEncrypt("xts(aes)", key, unit, 12345n, plaintext);
      expect(readFileSync(disk).equals(expected)).toBe(true);
    },
    120_000,
  );
});

describeWithPeers("fio", ["fio"], () => {
  it("verifies random I/O of 4k to 128k at depth 16 over two connections", async () => {
    using scratch = new Scratch();
    await using serve = await Serve.start(
      ...["--file", scratch.path("disk.img"), "--size", "64MiB", "--key-file", scratch.keyFile().path],
      ...["--listen", `unix:${scratch.path("s.sock")}`],
    );
    await run("fio", [
      ...["--name=verify", "--ioengine=nbd", `--uri=${serve.uri}`, "--rw=randrw", "--bsrange=4k-128k"],
      ...[
        "--iodepth=16",
        "--numjobs=2",
        "--size=32m",
        "--offset_increment=32m",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--verify_state_save=0",
      ],
      ...["--randseed=20261122", `--directory=${scratch.folder}`],
    ]);
    expect(await serve.stop("SIGTERM")).toBe(0);
  }, 120_000);
});

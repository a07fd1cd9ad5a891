// Planted bugs of encryption in software.
const src = "packages/blk-crypto-fallback/src";

/** @type {import("./index.mjs").Mutation[]} */
export const blkCryptoFallback = [
  {
    id: "failed-read-never-ends",
    kind: "lost-completion",
    what: "a read that fails at the device never ends",
    file: `${src}/fallback-read.ts`,
    edits: [["    else this.#finish(read, bio.status);\n", ""]],
  },
  {
    id: "bounced-write-ends-twice",
    kind: "double-end",
    what: "a write of several bounce bios ends with each of them",
    file: `${src}/fallback-write.ts`,
    edits: [["    source.holdEnd();\n", ""]],
  },
  {
    id: "second-run-dun",
    kind: "dun-after-split",
    what: "on reading, the second run of memory is decrypted with the first one's DUN",
    file: `${src}/fallback-read.ts`,
    edits: [["      cryptCtx.advance(bytes);\n", ""]],
  },
  {
    id: "bounce-without-fua",
    kind: "early-flush",
    what: "an encrypted write loses its FUA and PREFLUSH",
    file: `${src}/fallback-write.ts`,
    edits: [["tryAlloc(source.bdev, source.opf)", "tryAlloc(source.bdev, source.opf & 0xff)"]],
  },
  {
    id: "plaintext-on-the-medium",
    kind: "data",
    what: "a write goes to the medium as it is",
    file: `${src}/fallback-write.ts`,
    edits: [
      [
        "this.#keyslots.encrypt(bounce.waiter, plaintext, ciphertext, key!.dataUnitBytes, dun);\n",
        "this.#keyslots.encrypt(bounce.waiter, plaintext, ciphertext, key!.dataUnitBytes, dun);\n      ciphertext.set(plaintext);\n",
      ],
    ],
  },
  {
    id: "source-encrypted-in-place",
    kind: "data",
    what: "a write changes its submitter's memory",
    file: `${src}/fallback-write.ts`,
    edits: [
      [
        "this.#keyslots.encrypt(bounce.waiter, plaintext, ciphertext, key!.dataUnitBytes, dun);\n",
        "this.#keyslots.encrypt(bounce.waiter, plaintext, plaintext, key!.dataUnitBytes, dun);\n      ciphertext.set(plaintext);\n",
      ],
    ],
  },
  {
    id: "failed-read-decrypted",
    kind: "data",
    what: "a read that failed is decrypted, and its status replaced",
    file: `${src}/fallback-read.ts`,
    edits: [["    if (bio.status === BlkStatus.OK) this.#layer", "    if (bio.bytes >= 0) this.#layer"]],
  },
  {
    id: "decrypts-where-the-bio-is-now",
    kind: "data",
    what: "a read is decrypted from where lower layers left the bio, not from where it started",
    file: `${src}/fallback-read.ts`,
    edits: [
      [
        "    let left = iter.bytes;\n    for (let index = iter.vecIndex, done = iter.vecDone;",
        "    let left = bio!.bytes;\n    for (let index = bio!.vecIndex, done = bio!.vecDone;",
      ],
    ],
  },
  {
    id: "decrypted-in-interrupt",
    kind: "context",
    what: "a read is decrypted in the device's completion instead of a work item",
    file: `${src}/fallback-read.ts`,
    edits: [["this.#layer.executor.queueWork(read.decryptWork);\n", "read.decryptWork.run();\n"]],
  },
  {
    id: "context-goes-down",
    kind: "context",
    what: "a hooked read goes down with its context",
    file: `${src}/fallback-read.ts`,
    edits: [["    bio.freeCryptCtx();\n", ""]],
  },
  {
    id: "slot-held-over-submission",
    kind: "keyslot-leak",
    what: "the cipher's slot is not given back after a write",
    file: `${src}/fallback-write.ts`,
    edits: [["    this.#keyslots.putCipher(bounce.waiter);\n    if (status", "    if (status"]],
  },
  {
    id: "bounce-error-lost",
    kind: "status",
    what: "a write whose bounce bio failed succeeds",
    file: `${src}/fallback-write.ts`,
    edits: [["privateData as Bounce, bounceBio.status);", "privateData as Bounce, BlkStatus.OK);"]],
  },
  {
    id: "bounce-leaks-on-cipher-failure",
    kind: "leak",
    what: "a cipher failure keeps the bounce memory",
    file: `${src}/fallback-write.ts`,
    edits: [["    this.#bounces.put(bounce);\n", "    if (status === BlkStatus.OK) this.#bounces.put(bounce);\n"]],
  },
  {
    id: "old-cipher-keeps-key",
    kind: "key",
    what: "a slot that changes its mode leaves the old key in the old mode's cipher",
    file: `${src}/fallback-keyslots.ts`,
    edits: [["    if (this.#keyed[slotIndex] !== cipher) this.keyslotEvict(key, slotIndex);\n", ""]],
  },
  {
    id: "mode-allocated-on-io-path",
    kind: "context",
    what: "I/O with a mode that was never started is let in",
    file: `${src}/blk-crypto-fallback.ts`,
    edits: [["    if (!keyslots.isStarted(key.modeNum)) {\n", "    if (keyslots.profile.slotCount === 0) {\n"]],
  },
  {
    id: "backlog-overtaken",
    kind: "waiting",
    what: "a new bio overtakes those that wait for memory",
    file: `${src}/bio-backlog.ts`,
    edits: [
      ["const progress = this.isEmpty ? this.#serve(bio) : Progress.STALLED;", "const progress = this.#serve(bio);"],
    ],
  },
];

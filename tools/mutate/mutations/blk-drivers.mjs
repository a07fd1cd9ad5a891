// Planted bugs of the drivers ram and loop.
const src = "packages/blk-drivers/src";

/** @type {import("./index.mjs").Mutation[]} */
export const blkDrivers = [
  {
    id: "sync-not-awaited",
    kind: "early-flush",
    what: "a flush of a file is acknowledged before fdatasync has answered",
    file: `${src}/loop-file-backing.ts`,
    edits: [
      [
        "    this.io.fdatasync(this.fd, (error) => {\n",
        "    done(BlkStatus.OK);\n    this.io.fdatasync(this.fd, (error) => {\n",
      ],
      ["      done(this.#syncFailure);\n    });\n", "    });\n"],
    ],
  },
  {
    id: "sync-failure-forgotten",
    kind: "early-flush",
    what: "a flush after one that failed succeeds, although pages were lost",
    file: `${src}/loop-file-backing.ts`,
    edits: [
      [
        "    if (this.#syncFailure !== BlkStatus.OK) return done(this.#syncFailure);\n",
        "    this.#syncFailure = BlkStatus.OK;\n",
      ],
    ],
  },
  {
    id: "closed-without-sync",
    kind: "early-flush",
    what: "closing a file does not put on the medium what was written",
    file: `${src}/loop-file-cmd.ts`,
    edits: [["    if (op !== ReqOp.READ) this.#backing.markDirty();\n", ""]],
  },
  {
    id: "written-during-sync-forgotten",
    kind: "early-flush",
    what: "closing a file does not sync what was written while the last sync was on its way",
    file: `${src}/loop-file-backing.ts`,
    edits: [
      [
        "    this.#dirty = false;\n    this.io.fdatasync(this.fd, (error) => {\n",
        "    this.io.fdatasync(this.fd, (error) => {\n      this.#dirty = false;\n",
      ],
    ],
  },
  {
    id: "new-file-not-synced",
    kind: "early-flush",
    what: "a file just created may vanish in a power cut after its first flush",
    file: `${src}/loop-file.ts`,
    edits: [["    await syncFolder(dirname(path));\n", ""]],
  },
  {
    id: "rest-at-the-start",
    kind: "data",
    what: "the rest of a short transfer goes to where the request starts",
    file: `${src}/loop-file-cmd.ts`,
    edits: [
      [
        "    const position = this.byteOffset + this.#doneBytes;\n    if (opOf(this.#rq.opf) === ReqOp.WRITE) io.write(",
        "    const position = this.byteOffset;\n    if (opOf(this.#rq.opf) === ReqOp.WRITE) io.write(",
      ],
    ],
  },
  {
    id: "short-transfer-succeeds",
    kind: "data",
    what: "a request of which only a part was transferred succeeds",
    file: `${src}/loop-file-cmd.ts`,
    edits: [
      [
        "    if (this.#doneBytes === this.#rq.bytes) this.#rq.complete",
        "    if (this.#doneBytes <= this.#rq.bytes) this.#rq.complete",
      ],
    ],
  },
  {
    id: "old-memory-as-data",
    kind: "data",
    what: "a read behind the end of a cut file hands out what its buffer held before",
    file: `${src}/loop-file-cmd.ts`,
    edits: [["        segments.data.fill(0, segments.offset + skip, segments.offset + segments.bytes);\n", ""]],
  },
  {
    id: "interrupted-transfer-fails",
    kind: "status",
    what: "a transfer that a signal interrupts fails",
    file: `${src}/loop-file-cmd.ts`,
    edits: [['error.code !== "EINTR" && error.code !== "EAGAIN"', 'error.code !== "EAGAIN"']],
  },
  {
    id: "interruptions-add-up",
    kind: "status",
    what: "interruptions count over the whole request, not since the last progress",
    file: `${src}/loop-file-cmd.ts`,
    edits: [["      this.#interruptions = 0;\n      this.#doneBytes += bytes;\n", "      this.#doneBytes += bytes;\n"]],
  },
  {
    id: "waiting-hole-never-punched",
    kind: "lost-completion",
    what: "a discard that waits for its turn never ends",
    file: `${src}/loop-punch.ts`,
    edits: [["      this.#startNext();\n", ""]],
  },
  {
    id: "discard-frees-too-much",
    kind: "data",
    what: "a discard of part of a chunk of RAM frees all of it",
    file: `${src}/sparse-memory.ts`,
    edits: [["if (count === CHUNK_BYTES && !keep) this.#free(index);", "if (!keep) this.#free(index);"]],
  },
  {
    id: "ram-second-segment",
    kind: "data",
    what: "all segments of a bio go to the same place of a RAM disk",
    file: `${src}/ram.ts`,
    edits: [["      byteOffset += bytes;\n", ""]],
  },
];

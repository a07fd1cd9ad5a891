// Planted bugs of the NBD server, client and codec.
const src = "packages/nbd/src";

/** @type {import("./index.mjs").Mutation[]} */
export const nbd = [
  {
    id: "fua-dropped",
    kind: "early-flush",
    what: "a write with FUA is acknowledged like any other",
    file: `${src}/server/commands.ts`,
    edits: [["isFua(rq) ? ReqOp.WRITE | ReqFlag.FUA : ReqOp.WRITE", "ReqOp.WRITE"]],
  },
  {
    id: "zeroes-without-fua",
    kind: "early-flush",
    what: "write zeroes and trim with FUA are acknowledged without a flush",
    file: `${src}/server/commands.ts`,
    edits: [
      [
        "  if (isFua(rq)) startIo(rq, FLUSH_OPF, IoSource.NONE, 0, 0, endRequest);\n  else endRequest(rq);\n",
        "  endRequest(rq);\n",
      ],
    ],
  },
  {
    id: "cycle-not-exclusive",
    kind: "data",
    what: "a read-modify-write cycle overwrites what a neighbour wrote meanwhile",
    file: `${src}/server/commands.ts`,
    edits: [["start + rq.coverBytes, writesPartOfBlock)", "start + rq.coverBytes, false)"]],
  },
  {
    id: "partitions-locked-apart",
    kind: "data",
    what: "two exports of one disk do not respect each other's cycles",
    file: `${src}/server/nbd-server.ts`,
    edits: [["const lock = locks.get(disk) ?? new RangeLock();", "const lock = new RangeLock();"]],
  },
  {
    id: "lock-counts-from-the-export",
    kind: "data",
    what: "cycles in partitions of one disk lock other blocks than they write",
    file: `${src}/server/commands.ts`,
    edits: [["const start = diskOffset + rq.coverStart;", "const start = rq.coverStart;"]],
  },
  {
    id: "tail-zeroed-too-far",
    kind: "data",
    what: "write zeroes clears the neighbour's part of the last block",
    file: `${src}/server/commands.ts`,
    edits: [["  rq.scratch.fill(0, 0, blockBytes - rq.tailBytes);\n", "  rq.scratch.fill(0, 0, blockBytes);\n"]],
  },
  {
    id: "head-zeroed-too-far",
    kind: "data",
    what: "write zeroes inside one block clears it to its end",
    file: `${src}/server/commands.ts`,
    edits: [
      [
        "rq.scratch.fill(0, rq.headBytes, Math.min(blockBytes, rq.end - rq.coverStart));",
        "rq.scratch.fill(0, rq.headBytes, blockBytes);",
      ],
    ],
  },
  {
    id: "trim-rounds-outwards",
    kind: "data",
    what: "trim discards blocks of which the client means only a part",
    file: `${src}/server/commands.ts`,
    edits: [["  if (rq.type === NbdCmd.TRIM) shrinkToBlocks(rq);\n", ""]],
  },
  {
    id: "write-behind-the-end",
    kind: "address",
    what: "a request may reach one byte beyond the export",
    file: `${src}/server/request-check.ts`,
    edits: [["header.offset + header.bytes > exported.bytes", "header.offset + header.bytes > exported.bytes + 1"]],
  },
  {
    id: "read-only-written",
    kind: "address",
    what: "a read-only export takes write zeroes",
    file: `${src}/server/request-check.ts`,
    edits: [
      [
        "    case NbdCmd.WRITE_ZEROES:\n      if (exported.readOnly) return NbdError.EPERM;\n",
        "    case NbdCmd.WRITE_ZEROES:\n",
      ],
    ],
  },
  {
    id: "later-bio-hides-error",
    kind: "status",
    what: "a request of several bios succeeds when the last one did",
    file: `${src}/server/request-io.ts`,
    edits: [["  if (rq.ioStatus === BlkStatus.OK) rq.ioStatus = status;\n", "  rq.ioStatus = status;\n"]],
  },
  {
    id: "memory-limit-leaks",
    kind: "leak",
    what: "requests that ended still count for the limit of bytes in flight",
    file: `${src}/server/transmission.ts`,
    edits: [["    this.#inFlightBytes -= rq.chargedBytes;\n", ""]],
  },
  {
    id: "memory-charged-back-twice",
    kind: "leak",
    what: "a request without data gives back the memory of its predecessor, and the limit with it",
    file: `${src}/server/nbd-request.ts`,
    edits: [["    this.coverBytes = 0;\n    this.chargedBytes = 0;\n", "    this.coverBytes = 0;\n"]],
  },
  {
    id: "buffers-leak",
    kind: "leak",
    what: "a request that ended keeps its buffers",
    file: `${src}/server/transmission.ts`,
    edits: [["    rq.freeBuffers();\n", ""]],
  },
  {
    id: "write-starts-early",
    kind: "data",
    what: "a write starts with the first piece of its payload",
    file: `${src}/server/transmission.ts`,
    edits: [
      [
        "    if (payloadLeft > 0) return;\n    this.#receiving = null;\n    this.#start(rq);\n",
        "    this.#receiving = null;\n    this.#start(rq);\n",
      ],
    ],
  },
  {
    id: "no-room-never-resumed",
    kind: "lost-completion",
    what: "a request that found no room is forgotten",
    file: `${src}/server/transmission.ts`,
    edits: [["    if (this.#stalled) this.#parse();\n    else this.#writer.flush();\n", "    this.#writer.flush();\n"]],
  },
  {
    id: "torn-header-restarts",
    kind: "protocol",
    what: "a header that comes in two pieces is read from the second one",
    file: `${src}/protocol/bytes.ts`,
    edits: [["this.bytes[this.#have + index] = chunk[at + index]!", "this.bytes[index] = chunk[at + index]!"]],
  },
  {
    id: "late-reply-accepted",
    kind: "double-end",
    what: "the client takes a reply to an earlier request for that of the present one",
    file: `${src}/client/pending-requests.ts`,
    edits: [
      [
        "request?.active === true && request.generation === cookieHigh ? request : null",
        "request?.active === true ? request : null",
      ],
    ],
  },
  {
    id: "server-maximum-ignored",
    kind: "protocol",
    what: "the client sends more at a time than the server takes",
    file: `${src}/client/nbd-client.ts`,
    edits: [["Math.min(info.blockSizes.maximum, NBD_MAX_PAYLOAD_BYTES)", "NBD_MAX_PAYLOAD_BYTES"]],
  },
  {
    id: "lost-connection-hangs",
    kind: "lost-completion",
    what: "requests in flight hang when the connection is lost",
    file: `${src}/client/nbd-client.ts`,
    edits: [["    this.#requests.failAll(this.#failure);\n", ""]],
  },
  {
    id: "option-size-trusted",
    kind: "protocol",
    what: "the server skips fewer bytes than a too large option has",
    file: `${src}/protocol/option.ts`,
    edits: [["      this.#skipBytes = claimedBytes;\n", "      this.#skipBytes = MAX_OPTION_BYTES;\n"]],
  },
  {
    id: "batch-without-bound",
    kind: "limits",
    what: "a large zeroing of a device that is done at once keeps all other clients waiting",
    file: `${src}/server/request-io.ts`,
    edits: [["for (let count = 0; count < MAX_BIOS; count++) {", "for (let count = 0; ; count++) {"]],
  },
];

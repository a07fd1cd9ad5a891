// Planted bugs of the block layer: bios, requests, merging, splitting, flushing.
const src = "packages/blk-core/src";

/** @type {import("./index.mjs").Mutation[]} */
export const blkCore = [
  {
    id: "chained-end-lost",
    kind: "lost-completion",
    what: "a bio whose split-off front ended last never ends",
    file: `${src}/bio.ts`,
    edits: [["      bio = takeParent(bio);\n", "      takeParent(bio);\n      return;\n"]],
  },
  {
    id: "waiting-bio-forgotten",
    kind: "lost-completion",
    what: "a bio that waits for a tag is not submitted again",
    file: `${src}/blk-mq.ts`,
    edits: [["    if (!rq.hctx.waiting.isEmpty) this.resumeWaiting(rq.hctx);\n", ""]],
  },
  {
    id: "redirect-place-kept",
    kind: "data",
    what: "a submitter gets its bio back with the sector it had below",
    file: `${src}/bio-redirect.ts`,
    edits: [["    bio.sector = this.sector;\n", ""]],
  },
  {
    id: "redirect-level-skipped",
    kind: "lost-completion",
    what: "of two levels that sent a bio on, only the lower hears of its end",
    file: `${src}/bio.ts`,
    edits: [
      [
        "    this.#redirect = redirect.outer;\n    redirect.restore(this);\n",
        "    this.#redirect = redirect.outer;\n    (redirect.outer ?? redirect).restore(this);\n",
      ],
    ],
  },
  {
    id: "redirect-unchecked",
    kind: "data",
    what: "a bio that is sent on is not checked against the device it goes to",
    file: `${src}/block-layer.ts`,
    edits: [["      if (!mayEnter(bio)) return;\n", ""]],
  },
  {
    id: "put-twice-accepted",
    kind: "double-end",
    what: "a bio that is put twice goes to two submitters",
    file: `${src}/bio.ts`,
    edits: [['    if (this.#remaining < 0) throw new BlkBug("a bio is put twice");\n', ""]],
  },
  {
    id: "requeued-request-forgotten",
    kind: "lost-completion",
    what: "a request the driver gives back is not offered again",
    file: `${src}/blk-mq.ts`,
    edits: [["    if (kick) this.requeueList.kick();\n", ""]],
  },
  {
    id: "second-flush-never-starts",
    kind: "lost-completion",
    what: "requests that ask for a flush while one is in flight wait for ever",
    file: `${src}/blk-flush.ts`,
    edits: [["    this.#flushInFlight = false;\n    this.#startFlush();\n", "    this.#flushInFlight = false;\n"]],
  },
  {
    id: "merged-bio-never-ends",
    kind: "lost-completion",
    what: "of the bios of a merged request only the first ends",
    file: `${src}/blk-request.ts`,
    edits: [["    this.bio = bio.next;\n", "    this.bio = null;\n"]],
  },
  {
    id: "split-ends-twice",
    kind: "double-end",
    what: "the rest of a split bio ends without waiting for its front",
    file: `${src}/bio.ts`,
    edits: [["    child.onEndIo = bioChainEndIo;\n    this.holdEnd();\n", "    child.onEndIo = bioChainEndIo;\n"]],
  },
  {
    id: "second-end-accepted",
    kind: "double-end",
    what: "a second end of a bio runs the submitter's callback again",
    file: `${src}/bio.ts`,
    edits: [
      ['    if (this.#remaining <= 0) throw new BlkBug("a bio ended twice");\n    this.#remaining--;\n', ""],
      [
        "    return this.#remaining === 0;\n",
        "    this.#remaining = Math.max(0, this.#remaining - 1);\n    return this.#remaining === 0;\n",
      ],
    ],
  },
  {
    id: "second-completion-accepted",
    kind: "double-end",
    what: "a driver may complete a request it does not own",
    file: `${src}/blk-mq.ts`,
    edits: [
      [
        '    if (rq.state !== RequestState.IN_FLIGHT) throw new BlkBug("a request completes that no driver owns");\n',
        "",
      ],
    ],
  },
  {
    id: "stale-completion-accepted",
    kind: "double-end",
    what: "a late answer to a request that timed out ends whatever uses it now",
    file: `${src}/blk-request.ts`,
    edits: [
      [
        "generation !== this.generation || this.state !== RequestState.IN_FLIGHT",
        "this.state !== RequestState.IN_FLIGHT",
      ],
    ],
  },
  {
    id: "keys-merge",
    kind: "merge-across-keys",
    what: "data of two keys merges when the DUNs happen to follow each other",
    file: `${src}/bio-crypt-ctx.ts`,
    edits: [["  return a.key === b.key;\n", "  return true;\n"]],
  },
  {
    id: "equal-configs-merge",
    kind: "merge-across-keys",
    what: "keys of one mode count as one key",
    file: `${src}/bio-crypt-ctx.ts`,
    edits: [["  return a.key === b.key;\n", "  return a.key!.modeNum === b.key!.modeNum;\n"]],
  },
  {
    id: "plain-merges-with-encrypted",
    kind: "merge-across-keys",
    what: "plain data merges with encrypted data",
    file: `${src}/bio-crypt-ctx.ts`,
    edits: [["  if (a === null || b === null) return a === b;\n", "  if (a === null || b === null) return true;\n"]],
  },
  {
    id: "split-rest-off-by-one",
    kind: "dun-after-split",
    what: "the rest of a split bio starts one data unit late",
    file: `${src}/bio-set.ts`,
    edits: [
      [
        "    bio.advance(bytes);\n",
        "    bio.advance(bytes);\n    bio.cryptCtx?.advance(bio.cryptCtx.key!.dataUnitBytes);\n",
      ],
    ],
  },
  {
    id: "split-rest-not-moved",
    kind: "dun-after-split",
    what: "the rest of a split bio keeps the DUN of the front",
    file: `${src}/bio.ts`,
    edits: [["    if (this.cryptCtx !== null) this.cryptCtx.advance(bytes);\n", ""]],
  },
  {
    id: "split-carry-lost",
    kind: "dun-after-split",
    what: "a DUN that crosses a limb in a split loses the carry",
    file: `${src}/dun.ts`,
    edits: [
      [
        "    dun[limb] = sum;\n    carry = Math.floor(carry / TWO_32) + (sum >= TWO_32 ? 1 : 0);\n",
        "    dun[limb] = sum;\n    carry = Math.floor(carry / TWO_32);\n",
      ],
    ],
  },
  {
    id: "reissue-from-start",
    kind: "dun-after-split",
    what: "the rest of a partly completed request goes out again with the request's first DUN",
    file: `${src}/blk-request.ts`,
    edits: [["    if (this.cryptCtx !== null) this.cryptCtx.advance(bytes);\n", ""]],
  },
  {
    id: "merge-takes-second-slot",
    kind: "keyslot-leak",
    what: "a bio that merges takes a keyslot of its own, which nobody puts",
    file: `${src}/blk-merge.ts`,
    edits: [
      [
        "  bio.freeCryptCtx();\n  return MergeResult.OK;\n",
        "  bio.freeCryptCtx();\n  if (rq.cryptCtx !== null) rq.getKeyslot();\n  return MergeResult.OK;\n",
      ],
    ],
  },
  {
    id: "absorbed-request-keeps-slot",
    kind: "keyslot-leak",
    what: "of two requests that merge the absorbed one's keyslot is never put",
    file: `${src}/blk-request.ts`,
    edits: [
      [
        "  giveAwayBios(): void {\n    this.putKeyslot();\n",
        "  giveAwayBios(): void {\n    this.keyslotWaiter.slot = null;\n",
      ],
    ],
  },
  {
    id: "merge-keeps-context",
    kind: "keyslot-leak",
    what: "the context of a bio merged at the back stays with it",
    file: `${src}/blk-merge.ts`,
    edits: [["  bio.freeCryptCtx();\n  return MergeResult.OK;\n", "  return MergeResult.OK;\n"]],
  },
  {
    id: "slot-not-put",
    kind: "keyslot-leak",
    what: "a request that ends keeps its keyslot",
    file: `${src}/blk-request.ts`,
    edits: [["    this.putKeyslot();\n    this.sector", "    this.sector"]],
  },
  {
    id: "refused-clone-keeps-slot",
    kind: "keyslot-leak",
    what: "a clone that the lower driver refuses keeps its keyslot",
    file: `${src}/blk-clone.ts`,
    edits: [["  accountDone(clone);\n  clone.putKeyslot();\n", "  accountDone(clone);\n"]],
  },
  {
    id: "joins-flush-in-flight",
    kind: "early-flush",
    what: "a flush already at the device also acknowledges requests that came after it",
    file: `${src}/blk-flush.ts`,
    edits: [
      [
        "    if (this.#flushInFlight || first === null) return;\n",
        "    if (this.#flushInFlight) for (let rq = this.#pending.shift(); rq !== null; rq = this.#pending.shift()) this.#served.append(rq);\n    if (this.#flushInFlight || first === null) return;\n",
      ],
    ],
  },
  {
    id: "fua-without-postflush",
    kind: "early-flush",
    what: "a FUA write to a device without FUA is acknowledged before its flush",
    file: `${src}/blk-flush.ts`,
    edits: [["needed |= FlushStep.POSTFLUSH;", "needed |= 0;"]],
  },
  {
    id: "flush-failure-ignored",
    kind: "early-flush",
    what: "a failed flush is acknowledged as if it had worked",
    file: `${src}/blk-flush.ts`,
    edits: [
      [
        "    if (status === BlkStatus.OK) this.#nextStep(rq);\n    else this.#finish(rq, status);\n",
        "    this.#nextStep(rq);\n",
      ],
    ],
  },
  {
    id: "preflush-sent-as-data",
    kind: "early-flush",
    what: "the data of a PREFLUSH write does not wait for the flush",
    file: `${src}/blk-flush.ts`,
    edits: [["needed |= FlushStep.PREFLUSH;", "needed |= 0;"]],
  },
  {
    id: "back-merge-ignores-dun",
    kind: "merge",
    what: "a bio merges at the back whatever its DUN",
    file: `${src}/blk-merge.ts`,
    edits: [
      [
        "  if (!isDiscard(rq) && !bioCryptCtxMergeable(rq.cryptCtx, rq.bytes, bio.cryptCtx)) return MergeResult.FAILED;\n",
        "",
      ],
    ],
  },
  {
    id: "front-merge-ignores-dun",
    kind: "merge",
    what: "a bio merges at the front whatever its DUN",
    file: `${src}/blk-merge.ts`,
    edits: [
      [
        "  if (!isDiscard(rq) && !bioCryptCtxMergeable(bio.cryptCtx, bio.bytes, rq.cryptCtx)) return MergeResult.FAILED;\n",
        "",
      ],
    ],
  },
  {
    id: "request-merge-ignores-dun",
    kind: "merge",
    what: "two requests merge whatever their DUNs",
    file: `${src}/blk-merge.ts`,
    edits: [
      ["  if (!isDiscard(rq) && !bioCryptCtxMergeable(rq.cryptCtx, rq.bytes, next.cryptCtx)) return false;\n", ""],
    ],
  },
  {
    id: "front-merge-keeps-dun",
    kind: "merge",
    what: "after a front merge the request still starts with the old DUN",
    file: `${src}/blk-merge.ts`,
    edits: [["  if (rq.cryptCtx !== null) rq.cryptCtx.copyFrom(bio.cryptCtx!);\n", ""]],
  },
  {
    id: "dun-wrap-is-contiguous",
    kind: "merge",
    what: "a DUN that wraps from 2^256 - 1 to 0 counts as contiguous",
    file: `${src}/dun.ts`,
    edits: [["  return carry === 0;\n", "  return true;\n"]],
  },
  {
    id: "split-inside-data-unit",
    kind: "split",
    what: "a split is aligned to the logical block only and cuts a data unit",
    file: `${src}/blk-split.ts`,
    edits: [["Math.max(limits.logicalBlockBytes, dataUnitBytes)", "limits.logicalBlockBytes"]],
  },
  {
    id: "misaligned-memory-accepted",
    kind: "split",
    what: "a segment may start inside a data unit",
    file: `${src}/blk-split.ts`,
    edits: [["((start | vecBytes) & memoryAlignMask)", "(vecBytes & memoryAlignMask)"]],
  },
  {
    id: "later-error-wins",
    kind: "status",
    what: "a later error replaces the first one",
    file: `${src}/bio.ts`,
    edits: [["    if (this.status === BlkStatus.OK) this.status = status;\n", "    this.status = status;\n"]],
  },
  {
    id: "front-error-lost",
    kind: "status",
    what: "the error of a split-off front does not reach the bio",
    file: `${src}/bio.ts`,
    edits: [["  if (parent.status === BlkStatus.OK) parent.status = child.status;\n", ""]],
  },
  {
    id: "request-shares-context",
    kind: "context",
    what: "a request uses its first bio's context instead of a copy",
    file: `${src}/blk-request.ts`,
    edits: [
      [
        "    this.#ownCryptCtx.copyFrom(from);\n    this.cryptCtx = this.#ownCryptCtx;\n",
        "    this.cryptCtx = from;\n",
      ],
    ],
  },
  {
    id: "encrypted-bio-protected",
    kind: "context",
    what: "protection information is generated from the plaintext of an encrypted bio",
    file: `${src}/bio-integrity.ts`,
    edits: [["bio.integrity !== null || bio.cryptCtx !== null) return true", "bio.integrity !== null) return true"]],
  },
  {
    id: "slot-put-after-end",
    kind: "context",
    what: "the keyslot is put after the last bio has ended, so that its submitter cannot evict the key",
    file: `${src}/blk-request.ts`,
    edits: [
      ["    this.putKeyslot();\n    this.sector", "    this.sector"],
      ["    return false;\n  }\n\n  #updatePart", "    this.putKeyslot();\n    return false;\n  }\n\n  #updatePart"],
    ],
  },
  {
    id: "unsupported-context-goes-down",
    kind: "context",
    what: "a driver gets contexts its profile does not support",
    file: `${src}/block-layer.ts`,
    edits: [
      [
        "bio.cryptCtx === null ? BlkStatus.OK : checkContext(bio)",
        "bio.cryptCtx === null || bio.hasData ? BlkStatus.OK : checkContext(bio)",
      ],
    ],
  },
  {
    id: "partition-start-ignored",
    kind: "address",
    what: "a partition's bios go to the start of the disk",
    file: `${src}/block-layer.ts`,
    edits: [["  bio.sector += bdev.startSector;\n", ""]],
  },
  {
    id: "one-sector-too-far",
    kind: "address",
    what: "a bio may reach one sector beyond the end of the device",
    file: `${src}/block-layer.ts`,
    edits: [["bio.endSector > bdev.sectorCount", "bio.endSector > bdev.sectorCount + 1"]],
  },
  {
    id: "partition-cuts-a-block",
    kind: "address",
    what: "a partition may start in the middle of a logical block",
    file: `${src}/block-device.ts`,
    edits: [['this.#wholeBlocks(startSector, "first sector")', "startSector"]],
  },
  {
    id: "old-alignment-after-unfreeze",
    kind: "address",
    what: "bios that waited for unfreeze are not checked against the logical block that the device has by then",
    file: `${src}/request-queue.ts`,
    edits: [["bio.bytes > 0 && bioUnaligned(bio, this.#limits)", "bio.bytes < 0"]],
  },
  {
    id: "discards-beyond-32-bits",
    kind: "merge",
    what: "discards merge to more bytes than a request counts its sectors from",
    file: `${src}/blk-merge.ts`,
    edits: [["  if (rq.bytes + bytes > BIO_MAX_BYTES) return false;\n", ""]],
  },
  {
    id: "half-a-data-unit-done",
    kind: "context",
    what: "a request completes in the middle of a data unit: its sector moves, and its DUN does not",
    file: `${src}/blk-request.ts`,
    edits: [["    if (bytes % unitBytes === 0) return;\n", "    if (bytes % SECTOR_BYTES === 0) return;\n"]],
  },
  {
    id: "payloads-kept-while-waiting",
    kind: "waiting",
    what: "bios that wait for a request keep the last integrity payload, for which a bio in front of them waits",
    file: `${src}/blk-mq.ts`,
    edits: [["    bio.integrity?.yieldIfLast();\n", ""]],
  },
  {
    id: "plug-kept-while-waiting",
    kind: "waiting",
    what: "a submitter that waits for a keyslot keeps the requests that hold all of them in its plug",
    file: `${src}/blk-mq.ts`,
    edits: [
      [
        "    else if (result === KEYSLOT_PENDING) this.layer.flushPlug();\n",
        "    else if (result === KEYSLOT_PENDING) return;\n",
      ],
    ],
  },
  {
    id: "refused-request-not-offered-again",
    kind: "waiting",
    what: "a request the driver had no room for is offered again only after another one completes",
    file: `${src}/blk-mq-hctx.ts`,
    edits: [["    this.#queue.layer.executor.addTimer(this.#resourceTimer, RESOURCE_DELAY_MS);\n", ""]],
  },
  {
    id: "volume-ignores-first-dun",
    kind: "data",
    what: "a volume starts at DUN 0 whatever its first DUN",
    file: `${src}/volume.ts`,
    edits: [["    copyDun(this.#scratchDun, this.#firstDun);\n", "    this.#scratchDun.fill(0);\n"]],
  },
  {
    id: "io-opt-without-bound",
    kind: "status",
    what: "optimal sizes that have nothing in common stack to one that no device takes",
    file: `${src}/stack-limits.ts`,
    edits: [["  if (ioOptBytes > MAX_IO_OPT_BYTES) ioOptBytes = 0;\n", ""]],
  },
];

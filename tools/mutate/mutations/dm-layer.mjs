// Planted bugs of device-mapper.
const src = "packages/dm-layer/src";

/** @type {import("./index.mjs").Mutation[]} */
export const dmLayer = [
  {
    id: "dm-deferred-never-served",
    kind: "lost-completion",
    what: "I/O that waited for a resume never goes on",
    file: `${src}/dm-bio.ts`,
    edits: [
      [
        "    this.#noflush = false;\n    this.#layer.executor.queueWork(this.#deferredWork);\n",
        "    this.#noflush = false;\n",
      ],
    ],
  },
  {
    id: "dm-deferred-overtaken",
    kind: "order",
    what: "I/O that comes after a resume overtakes I/O that waited for it",
    file: `${src}/dm-bio.ts`,
    edits: [
      ["if (!this.#blocked && this.#deferred.first === null && this.#mapBio", "if (!this.#blocked && this.#mapBio"],
    ],
  },
  {
    id: "dm-suspend-does-not-wait",
    kind: "order",
    what: "a table is swapped while I/O of the one before is under way",
    file: `${src}/dm-bio.ts`,
    edits: [["    return this.#inFlight.whenIdle();\n", "    return Promise.resolve(true);\n"]],
  },
  {
    id: "dm-noflush-fails",
    kind: "status",
    what: "what a target gives back in a noflush suspend fails",
    file: `${src}/dm-bio.ts`,
    edits: [["      if (this.#noflush) return this.#rewinder.requeue(dmIo);\n", ""]],
  },
  {
    id: "dm-rewind-forgets-dun",
    kind: "dun-after-split",
    what: "a part that was given back comes again with the DUN of what is behind it",
    file: `${src}/dm-io-rewind.ts`,
    edits: [["  if (ctx !== null) dunDecrement(ctx.dun, ctx.dataUnits(bytes));\n", ""]],
  },
  {
    id: "dm-clone-too-long",
    kind: "data",
    what: "the clone for one target goes on into the sectors of the next",
    file: `${src}/dm-bio.ts`,
    edits: [["    if (dmIo.sectors > 0) bio.bytes = dmIo.sectors * SECTOR_BYTES;\n", ""]],
  },
  {
    id: "dm-late-good-bio-counts",
    kind: "status",
    what: "a bio of a clone that ends well stands for one that failed before it",
    file: `${src}/dm-rq.ts`,
    edits: [["  if (io.bioError === BlkStatus.OK) {\n    if (bio", "  {\n    if (bio"]],
  },
  {
    id: "dm-second-error-lost",
    kind: "status",
    what: "a bio succeeds although one of its parts has failed",
    file: `${src}/dm-bio.ts`,
    edits: [["    if (status !== OK) dmIo.noteStatus(status);\n", ""]],
  },
  {
    id: "dm-flush-one-target",
    kind: "early-flush",
    what: "a flush goes to the device of one target, and is acknowledged for all",
    file: `${src}/dm-bio.ts`,
    edits: [["    const { entries } = table;\n", "    const entries = table.entries.slice(0, 1);\n"]],
  },
  {
    id: "dm-flush-failure-ignored",
    kind: "early-flush",
    what: "data behind a flush that failed is written all the same",
    file: `${src}/dm-bio.ts`,
    edits: [["    if (status !== OK || bio.bytes === 0) return", "    if (bio.bytes === 0) return"]],
  },
  {
    id: "dm-striped-row",
    kind: "data",
    what: "two chunks of a stripe share their place",
    file: `${src}/targets/striped.ts`,
    edits: [["stripe.start + row * this.#chunkSectors + (", "stripe.start + (row >> 1) * this.#chunkSectors + ("]],
  },
  {
    id: "dm-striped-errors-uncounted",
    kind: "status",
    what: "status tells of no error of a stripe",
    file: `${src}/targets/striped.ts`,
    edits: [["      stripe.errors++;\n", ""]],
  },
  {
    id: "dm-crypto-of-any-device",
    kind: "crypto",
    what: "a table promises what only one of its devices can encrypt",
    file: `${src}/dm-crypto-profile.ts`,
    edits: [
      [
        "  target.iterateDevices?.((bdev) => capabilities.intersect(blkCryptoProfileOf(bdev.queue)?.capabilities ?? null));\n",
        "",
      ],
    ],
  },
  {
    id: "dm-cuts-data-units",
    kind: "dun-after-split",
    what: "a target cuts data units in two",
    file: `${src}/dm-crypto-profile.ts`,
    edits: [["  capabilities.intersect(uncutDataUnits(entry));\n", ""]],
  },
  {
    id: "dm-smaller-table-taken",
    kind: "crypto",
    what: "a table that can encrypt less takes the place of one that keys are in use with",
    file: `${src}/table-replacement.ts`,
    edits: [
      [
        "  if (!blkCryptoHasCapabilities(tableCapabilities(table), ",
        "  if (!blkCryptoHasCapabilities(CryptoCapabilities.all(), ",
      ],
      ["import { blkCryptoHasCapabilities, ", "import { CryptoCapabilities, blkCryptoHasCapabilities, "],
    ],
  },
  {
    id: "dm-dropped-device-keeps-key",
    kind: "keyslot-leak",
    what: "a device that leaves the table keeps the keys that I/O has used",
    file: `${src}/dm-inline-crypto.ts`,
    edits: [["      await evictFromDevices(unused, key);\n", ""]],
  },
  {
    id: "dm-table-key-not-wiped",
    kind: "keyslot-leak",
    what: "the key of an inlinecrypt table stays in the hardware when the table goes",
    file: `${src}/targets/inlinecrypt.ts`,
    edits: [["      () => blkCryptoEvictKey(this.#dev.bdev, this.#key),\n", ""]],
  },
  {
    id: "dm-crypt-iv-offset",
    kind: "crypto",
    what: "the IV offset of a crypt table is ignored",
    file: `${src}/targets/crypt-cipher.ts`,
    edits: [["    copyDun(this.#dun, this.#firstDun);\n", "    this.#dun.fill(0);\n"]],
  },
  {
    id: "dm-crypt-writes-in-place",
    kind: "data",
    what: "a write through crypt encrypts the memory of its submitter",
    file: `${src}/targets/crypt-writes.ts`,
    edits: [
      [
        "    const data = bounce.buffer.subarray(0, bio.bytes);\n    this.#gather(bio, data);\n",
        "    const data = bounce.buffer.subarray(0, bio.bytes);\n    this.#gather(bio, data);\n    bio.vecs[0]!.data.fill(0);\n",
      ],
    ],
  },
  {
    id: "dm-multipath-fails-at-once",
    kind: "status",
    what: "queue_if_no_path fails what finds no path",
    file: `${src}/targets/multipath.ts`,
    edits: [["    return this.#queueIfNoPath || this.#noflushSuspending;\n", "    return this.#noflushSuspending;\n"]],
  },
  {
    id: "dm-multipath-last-path",
    kind: "status",
    what: "a request fails with the first path, though there is another",
    file: `${src}/targets/multipath.ts`,
    edits: [
      ["    if (this.#validPaths === 0 && !this.#mustPushBack()) return", "    if (!this.#mustPushBack()) return"],
    ],
  },
  {
    id: "dm-multipath-clone-kept",
    kind: "keyslot-leak",
    what: "a request of a path's queue is not given back",
    file: `${src}/targets/multipath.ts`,
    edits: [["    clone.queue.freeRequest(clone);\n", ""]],
  },
  {
    id: "dm-flush-of-many-waits-for-ever",
    kind: "waiting",
    what: "a flush that needs more clones than there are waits for them",
    file: `${src}/dm-bio.ts`,
    edits: [["    if (clones > this.#clones.capacity) this.#clones = new DmClones(this.#layer, clones);\n", ""]],
  },
  {
    id: "dm-requeued-after-removal",
    kind: "lost-completion",
    what: "what a target gives back as its device goes waits for a device that is gone",
    file: `${src}/dm-bio.ts`,
    edits: [["    if (this.#table === null) rewound.endIoWith(IOERR);\n    else ", "    "]],
  },
  {
    id: "dm-events-uncounted",
    kind: "status",
    what: "waiters for events hear of none",
    file: `${src}/event-counter.ts`,
    edits: [["    for (const waiter of waiters) if (waiter.after < this.#count) waiter.resolve(this.#count);\n", ""]],
  },
  {
    id: "dm-maps-to-itself",
    kind: "status",
    what: "a device maps to one that maps to it",
    file: `${src}/device-mapper.ts`,
    edits: [
      ["some(({ by, on }) => by === from && this.#reaches(on, to))", "some(({ by, on }) => by === from && on === to)"],
    ],
  },
  {
    id: "dm-inlinecrypt-shares-fallback",
    kind: "waiting",
    what: "an inlinecrypt target encrypts with the block layer's fallback, which what waits for it may hold",
    file: `${src}/targets/inlinecrypt.ts`,
    edits: [["layer.cryptoFallback.nested?.() ?? layer.cryptoFallback", "layer.cryptoFallback"]],
  },
  {
    id: "dm-inlinecrypt-without-context",
    kind: "data",
    what: "I/O for which there is no context goes down as plaintext",
    file: `${src}/targets/inlinecrypt.ts`,
    edits: [["    if (!this.#attachContext(bio)) return this.#wait(io);\n", "    this.#attachContext(bio);\n"]],
  },
];

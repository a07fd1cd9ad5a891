// Planted bugs of keys and keyslots.
const src = "packages/blk-crypto-profile/src";

/** @type {import("./index.mjs").Mutation[]} */
export const blkCryptoProfile = [
  {
    id: "failed-programming-keeps-key",
    kind: "keyslot",
    what: "after a failed programming a slot still counts as holding its former key",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [
      ["    slot.key = null;\n    let settled: void | Promise<void>;\n", "    let settled: void | Promise<void>;\n"],
    ],
  },
  {
    id: "newest-slot-replaced",
    kind: "keyslot",
    what: "the slot that fell idle last is replaced first",
    file: `${src}/keyslot.ts`,
    edits: [
      [
        "    slot.prevIdle = this.#last;\n    if (this.#last === null) this.#first = slot;\n    else this.#last.nextIdle = slot;\n    this.#last = slot;\n",
        "    slot.nextIdle = this.#first;\n    if (this.#first === null) this.#last = slot;\n    else this.#first.prevIdle = slot;\n    this.#first = slot;\n",
      ],
    ],
  },
  {
    id: "used-slot-replaced",
    kind: "keyslot",
    what: "a slot that is in use is replaced",
    file: `${src}/keyslot.ts`,
    edits: [
      ["this.#first !== null && this.#first.references > 0", "this.#first !== null && this.#first.references > 1"],
    ],
  },
  {
    id: "waiters-program-twice",
    kind: "keyslot",
    what: "two waiters for one key program it into two slots",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [
      ["  #serveWaiters(): void {\n    this.#grantReuse();\n", "  #serveWaiters(): void {\n"],
      ["waiter.granted(result);\n      this.#grantReuse();\n", "waiter.granted(result);\n"],
    ],
  },
  {
    id: "waiter-not-woken",
    kind: "lost-completion",
    what: "a slot that falls idle wakes nobody",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [["    this.#idle.append(slot);\n    this.#wakeWaiters();\n", "    this.#idle.append(slot);\n"]],
  },
  {
    id: "busy-key-evicted-in-hardware",
    kind: "keyslot",
    what: "evicting a key in use empties the slot under the I/O",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [
      ['    if (slot.references > 0) return this.#trace("blk_crypto_evict_key", slot.slotIndex, "EBUSY");\n', ""],
    ],
  },
  {
    id: "evicted-key-stays-linked",
    kind: "keyslot",
    what: "an evicted key is still found in its slot",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [["    if (slot === null) return;\n    slot.key = null;\n", "    if (slot === null) return;\n"]],
  },
  {
    id: "busy-slots-not-reprogrammed",
    kind: "keyslot",
    what: "after a reset only idle slots get their keys back",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [
      [
        "if (slot.key !== null) await this.#reprogram",
        "if (slot.key !== null && slot.references === 0) await this.#reprogram",
      ],
    ],
  },
  {
    id: "reuse-during-reprogramming",
    kind: "keyslot",
    what: "I/O uses a slot before its key is back after a reset",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [["this.#reprogramming ? null : this.#find(waiter.key!)", "this.#find(waiter.key!)"]],
  },
  {
    id: "ops-overlap",
    kind: "keyslot",
    what: "two low-level ops run at a time",
    file: `${src}/op-lock.ts`,
    edits: [["    if (this.#held) return false;\n", ""]],
  },
  {
    id: "dun-bytes-not-checked",
    kind: "capability",
    what: "a device takes keys with more DUN bytes than it has",
    file: `${src}/blk-crypto-profile.ts`,
    edits: [["      config.dunBytes <= this.maxDunBytesSupported &&\n", ""]],
  },
  {
    id: "key-shares-callers-memory",
    kind: "key",
    what: "a key changes when its caller wipes the buffer it came from",
    file: `${src}/blk-crypto-key.ts`,
    edits: [["    this.#bytes = new Uint8Array(bytes);\n", "    this.#bytes = bytes;\n"]],
  },
  {
    id: "wiped-key-still-there",
    kind: "key",
    what: "wiping a key leaves its bytes in memory",
    file: `${src}/blk-crypto-key.ts`,
    edits: [["    this.#bytes.fill(0);\n", ""]],
  },
  {
    id: "iv-length-not-checked",
    kind: "key",
    what: "a key may need longer DUNs than the mode's IV",
    file: `${src}/blk-crypto-key.ts`,
    edits: [[" && dunBytes <= mode.ivBytes", ""]],
  },
];

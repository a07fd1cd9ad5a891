// Planted bugs of the ciphers.
const src = "packages/skcipher/src";

/** @type {import("./index.mjs").Mutation[]} */
export const skcipher = [
  {
    id: "iv-carry-lost",
    kind: "dun-after-split",
    what: "the DUN does not carry into its second limb within one call",
    file: `${src}/iv-counter.ts`,
    edits: [["      if (limb !== 0) return;\n", "      return;\n"]],
  },
  {
    id: "chunk-restarts-dun",
    kind: "dun-after-split",
    what: "each 64 KiB of a call start with the first DUN again",
    file: `${src}/xts-core.ts`,
    edits: [
      [
        "    this.#ivs.start(dun);\n    for (let at = 0; at < src.length; at += CHUNK_BYTES) {\n",
        "    for (let at = 0; at < src.length; at += CHUNK_BYTES) {\n      this.#ivs.start(dun);\n",
      ],
    ],
  },
  {
    id: "iv-big-endian",
    kind: "data",
    what: "the IV is the DUN in big-endian words",
    file: `${src}/iv-counter.ts`,
    edits: [["dun[i >>> 2]!, true)", "dun[i >>> 2]!, false)"]],
  },
  {
    id: "key-halves-swapped",
    kind: "data",
    what: "the tweak key and the data key are swapped",
    file: `${src}/xts-core.ts`,
    edits: [
      [
        "const dataKey = key.subarray(0, this.#cipher.keyBytes);",
        "const dataKey = key.subarray(this.#cipher.keyBytes);",
      ],
      [
        "const tweakKey = key.subarray(this.#cipher.keyBytes);",
        "const tweakKey = key.subarray(0, this.#cipher.keyBytes);",
      ],
    ],
  },
  {
    id: "wrong-polynomial",
    kind: "data",
    what: "the tweak is multiplied in another field",
    file: `${src}/xts-scratch.ts`,
    edits: [["& 0x87", "& 0x86"]],
  },
  {
    id: "wrong-large-data-units",
    kind: "data",
    what: "large data units all use the first one's IV",
    file: `${src}/node/openssl-xts-core.ts`,
    edits: [
      [
        "      this.#ivs.fill(this.#iv, BLOCK_BYTES);\n      const context",
        "      if (at === 0) this.#ivs.fill(this.#iv, BLOCK_BYTES);\n      const context",
      ],
    ],
  },
  {
    id: "weak-key-accepted",
    kind: "key",
    what: "an XTS key with equal halves is accepted",
    file: `${src}/xts.ts`,
    edits: [["halvesEqual(key) ? ", "halvesEqual(key) && key.length === 0 ? "]],
  },
  {
    id: "refused-key-leaves-old-one",
    kind: "key",
    what: "after a key was refused the former one still works",
    file: `${src}/checked-skcipher.ts`,
    edits: [["    this.clear();\n    this.#checkKey(key);\n", "    this.#checkKey(key);\n"]],
  },
  {
    id: "cleared-key-left-behind",
    kind: "key",
    what: "clearing a cipher leaves its key in memory",
    file: `${src}/node/openssl-xts-core.ts`,
    edits: [["    this.#key?.fill(0);\n", ""]],
  },
  {
    id: "overlap-accepted",
    kind: "data",
    what: "source and destination may overlap in part",
    file: `${src}/check-request.ts`,
    edits: [["  if (overlapPartly(src, dst)) {\n", "  if (overlapPartly(src, dst) && src.length === 0) {\n"]],
  },
  {
    id: "self-test-ignored",
    kind: "data",
    what: "a cipher that fails its self-test is handed out",
    file: `${src}/table-engine.ts`,
    edits: [["    if (failure !== undefined) throw failure;\n", ""]],
  },
];

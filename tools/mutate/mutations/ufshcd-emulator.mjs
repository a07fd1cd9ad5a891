// Planted bugs of the UFS host controller and its driver.
const src = "packages/ufshcd-emulator/src";

/** @type {import("./index.mjs").Mutation[]} */
export const ufshcdEmulator = [
  {
    id: "ufs-key-survives-disable",
    kind: "keyslot-leak",
    what: "a keyslot that was disabled still encrypts with its key",
    file: `${src}/controller/crypto-keyslot.ts`,
    edits: [
      [
        "    this.#dropKey();\n    if (!config.enable || faulty) return;\n",
        "    if (!config.enable || faulty) return;\n",
      ],
    ],
  },
  {
    id: "ufs-reset-keeps-keys",
    kind: "keyslot-leak",
    what: "a controller reset leaves keys in the engine",
    file: `${src}/controller/crypto-engine.ts`,
    edits: [["      slot.wipe();\n", ""]],
  },
  {
    id: "ufs-evict-disables-only",
    kind: "keyslot-leak",
    what: "the driver leaves the key bytes in a slot it evicts",
    file: `${src}/driver/ufshcd-crypto.ts`,
    edits: [
      [
        "    for (let at = 0; at < UFS_CRYPTO_KEY_MAX_BYTES; at += 4) this.#mmio.write32(base + at, readU32Le(entry, at));\n",
        "    for (let at = 0; at < UFS_CRYPTO_KEY_MAX_BYTES && entry.some((byte) => byte !== 0); at += 4)\n      this.#mmio.write32(base + at, readU32Le(entry, at));\n",
      ],
    ],
  },
  {
    id: "ufs-xts-halves",
    kind: "crypto",
    what: "the second half of an XTS key goes behind the first, not to its place in the slot",
    file: `${src}/driver/ufshcd-crypto.ts`,
    edits: [
      ["entry.set(bytes.subarray(half), CRYPTOCFG_XTS_SECOND_HALF_AT);", "entry.set(bytes.subarray(half), half + 4);"],
    ],
  },
  {
    id: "ufs-cap-of-other-size",
    kind: "crypto",
    what: "a key is programmed with a capability that lacks its data unit size",
    file: `${src}/driver/ufshcd-crypto.ts`,
    edits: [
      [
        "        cap.algorithm === alg?.algorithm && cap.keySize === alg.keySize && (cap.dataUnitSizeMask & dataUnitSize) !== 0,\n",
        "        cap.algorithm === alg?.algorithm && cap.keySize === alg.keySize,\n",
      ],
    ],
  },
  {
    id: "ufs-partial-data-units",
    kind: "crypto",
    what: "the controller takes an encrypted command that ends within a data unit",
    file: `${src}/controller/task-runner.ts`,
    edits: [[" && this.task.bytes % this.#keyslot.dataUnitBytes === 0;", ";"]],
  },
  {
    id: "ufs-dun-carry",
    kind: "dun-after-split",
    what: "the DUN does not carry into its upper half within a command",
    file: `${src}/controller/crypto-engine.ts`,
    edits: [["    dun[1] = dunHigh + Math.floor(low / LIMB);\n", "    dun[1] = dunHigh;\n"]],
  },
  {
    id: "ufs-dun-wraps-into-256",
    kind: "dun-after-split",
    what: "the DUN goes on behind 64 bits instead of wrapping around",
    file: `${src}/controller/crypto-engine.ts`,
    edits: [["      dun[0] = 0;\n      dun[1] = 0;\n", "      dun[0] = 0;\n      dun[1] = 0;\n      dun[2] = 1;\n"]],
  },
  {
    id: "ufs-key-changed-under-command",
    kind: "crypto",
    what: "a command goes on with the key that was programmed after it began",
    file: `${src}/controller/crypto-engine.ts`,
    edits: [["    if (slot.version !== version) return false;\n", ""]],
  },
  {
    id: "ufs-doorbell-lost",
    kind: "lost-completion",
    what: "a command that is rung together with others never reaches the controller",
    file: `${src}/driver/transfer-list.ts`,
    edits: [
      ["    this.#mmio.write32(Reg.UTRLDBR, slots);\n", "    this.#mmio.write32(Reg.UTRLDBR, slots & -slots);\n"],
    ],
  },
  {
    id: "ufs-sleeps-before-refused",
    kind: "waiting",
    what: "a device woken for requests it refused sleeps again before they come",
    file: `${src}/driver/ufs-pm.ts`,
    edits: [["    else if (this.#refused) this.#waitForRefused();\n", ""]],
  },
];

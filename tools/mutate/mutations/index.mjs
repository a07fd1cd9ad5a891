import { blkCore } from "./blk-core.mjs";
import { blkCryptoFallback } from "./blk-crypto-fallback.mjs";
import { blkCryptoProfile } from "./blk-crypto-profile.mjs";
import { blkDrivers } from "./blk-drivers.mjs";
import { dmLayer } from "./dm-layer.mjs";
import { nbd } from "./nbd.mjs";
import { skcipher } from "./skcipher.mjs";
import { ufshcdEmulator } from "./ufshcd-emulator.mjs";

/**
 * A planted bug.
 *
 * @typedef {object} Mutation
 * @property {string} id names it on the command line
 * @property {string} kind the class of bug it belongs to
 * @property {string} what what goes wrong, for a user of the code
 * @property {string} file path below the root of the repository
 * @property {[find: string, replacement: string][]} edits each `find` is in the file exactly once
 * @property {string} [tests] the workspace whose tests have to notice; the file's own by default
 */

/** The classes of bug that lose or mix up data in any block layer: `--quick` plants these. */
export const quickKinds = [
  "lost-completion",
  "double-end",
  "merge-across-keys",
  "dun-after-split",
  "keyslot-leak",
  "early-flush",
];

/** @type {Mutation[]} */
export const mutations = [
  ...blkCore,
  ...blkCryptoProfile,
  ...blkCryptoFallback,
  ...blkDrivers,
  ...dmLayer,
  ...nbd,
  ...skcipher,
  ...ufshcdEmulator,
];

import type { DmTargetType } from "../dm-target.js";
import { cryptTarget } from "./crypt.js";
import { delayTarget } from "./delay.js";
import { errorTarget } from "./error.js";
import { flakeyTarget } from "./flakey.js";
import { defaultKeyTarget, inlinecryptTarget } from "./inlinecrypt.js";
import { linearTarget } from "./linear.js";
import { multipathTarget } from "./multipath.js";
import { stripedTarget } from "./striped.js";
import { zeroTarget } from "./zero.js";

/** Every target type of this package. */
export const allTargets: readonly DmTargetType[] = [
  linearTarget,
  stripedTarget,
  errorTarget,
  zeroTarget,
  delayTarget,
  flakeyTarget,
  multipathTarget,
  cryptTarget,
  inlinecryptTarget,
  defaultKeyTarget,
];

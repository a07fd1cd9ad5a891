import type { DmTargetType } from "../dm-target.js";
import { errorTarget } from "./error.js";
import { linearTarget } from "./linear.js";
import { stripedTarget } from "./striped.js";
import { zeroTarget } from "./zero.js";

/** Every target type of this package. */
export const allTargets: readonly DmTargetType[] = [linearTarget, stripedTarget, errorTarget, zeroTarget];

import type { CryptoMode } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createPortableEngine } from "@inlinecrypt/skcipher/portable";
import { RequestError } from "./failure.js";

/** All cipher engines, the preferred one first. */
export function createEngines(): SkcipherEngine[] {
  return [createNodeEngine(), createPortableEngine()];
}

/**
 * The engine that serves a stack: the first that runs here.
 *
 * @throws RequestError with each engine's reason when none does
 */
export function chooseEngine(engines: readonly SkcipherEngine[] = createEngines()): SkcipherEngine {
  const chosen = engines.find((engine) => engine.describe().available);
  if (chosen !== undefined) return chosen;
  const reasons = engines.map((engine) => `${engine.name}: ${engine.describe().reason}`);
  throw new RequestError(`no cipher engine runs here (${reasons.join("; ")})`);
}

/**
 * A cipher for `mode`, of the first engine that computes it here. Of all ciphers only this one is tested.
 *
 * @throws RequestError when no engine has it, SkcipherError when it fails the self-tests of all that do
 */
export function allocCipher(mode: CryptoMode, engines: readonly SkcipherEngine[] = createEngines()): Skcipher {
  let failure: unknown = noCipherFor(mode);
  for (const engine of engines.filter((each) => each.supports(mode.cipher))) {
    try {
      return engine.alloc(mode.cipher);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Says that the mode is right, and the engine is not the one for it. */
export function noCipherFor(mode: CryptoMode): RequestError {
  return new RequestError(
    `mode ${mode.name} is known, but no cipher engine here computes ${mode.cipher}; ` +
      '"inlinecrypt engines" shows what they compute',
  );
}

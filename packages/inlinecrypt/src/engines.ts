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

/** A cipher for `mode`. @throws RequestError when the engine does not have it */
export function allocCipher(engine: SkcipherEngine, mode: CryptoMode): Skcipher {
  if (!engine.supports(mode.cipher)) throw noCipherFor(mode);
  return engine.alloc(mode.cipher);
}

/** Says that the mode is right, and the engine is not the one for it. */
export function noCipherFor(mode: CryptoMode): RequestError {
  return new RequestError(
    `mode ${mode.name} is known, but no cipher engine here computes ${mode.cipher}; ` +
      '"inlinecrypt engines" shows what they compute',
  );
}

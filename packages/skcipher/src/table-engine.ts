import { CheckedSkcipher } from "./checked-skcipher.js";
import { selfTest } from "./self-test.js";
import type { Skcipher } from "./skcipher.js";
import type { SkcipherAlg } from "./skcipher-alg.js";
import type { SkcipherAlgStatus, SkcipherEngine, SkcipherEngineStatus } from "./skcipher-engine.js";
import { SkcipherError } from "./skcipher-error.js";

/** An engine made of a table of ciphers. */
export class TableEngine implements SkcipherEngine {
  readonly name: string;
  readonly ciphers: readonly string[];
  readonly #detail: string;
  readonly #algs: ReadonlyMap<string, SkcipherAlg>;
  /** Results of the self-tests that were run; undefined is "passed". */
  readonly #failures = new Map<string, SkcipherError | undefined>();

  /** @param detail - what the engine computes with, for {@link SkcipherEngine.describe} */
  constructor(name: string, detail: string, algs: readonly SkcipherAlg[]) {
    this.name = name;
    this.ciphers = algs.map((alg) => alg.name);
    this.#detail = detail;
    this.#algs = new Map(algs.map((alg) => [alg.name, alg]));
  }

  supports(cipherName: string): boolean {
    return this.#algs.has(cipherName);
  }

  alloc(cipherName: string): Skcipher {
    const alg = this.#algs.get(cipherName);
    if (alg === undefined) {
      const known = this.ciphers.join(", ");
      throw new SkcipherError(
        "ENOENT",
        "alloc",
        `engine "${this.name}" has no cipher "${cipherName}"; it has: ${known}`,
      );
    }
    const failure = this.#failureOf(alg);
    if (failure !== undefined) throw failure;
    return new CheckedSkcipher(alg);
  }

  describe(): SkcipherEngineStatus {
    const algorithms = [...this.#algs.values()].map((alg) => this.#describeAlg(alg));
    const ciphers = algorithms.filter(({ available }) => available).map(({ cipher }) => cipher);
    const status = { name: this.name, available: ciphers.length > 0, ciphers, algorithms, detail: this.#detail };
    const failures = algorithms.flatMap(({ available, reason }) => (available ? [] : [reason]));
    return failures.length === 0 ? status : { ...status, reason: failures.join("; ") };
  }

  #describeAlg(alg: SkcipherAlg): SkcipherAlgStatus {
    const failure = this.#failureOf(alg);
    const status = { cipher: alg.name, available: failure === undefined, computedBy: alg.computedBy };
    const reason = failure?.message ?? alg.fallbackReason;
    return reason === undefined ? status : { ...status, reason };
  }

  #failureOf(alg: SkcipherAlg): SkcipherError | undefined {
    if (!this.#failures.has(alg.name)) this.#failures.set(alg.name, selfTest(this.name, alg));
    return this.#failures.get(alg.name);
  }
}

import { BlkError } from "@inlinecrypt/blk-core";

/**
 * The arguments of a table line, taken one after the other. What is missing or makes no sense is EINVAL, and the message
 * names it; it never repeats the argument itself, which may be a key.
 *
 * @kernel drivers/md/dm-table.c: dm_arg_set
 */
export class DmArgs {
  /** Of the target, for messages. */
  readonly target: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(target: string, words: readonly string[]) {
    this.target = target;
    this.#words = words;
  }

  /** Arguments not taken yet. */
  get left(): number {
    return this.#words.length - this.#next;
  }

  /** The next argument. `what` names it in the message when there is none. */
  word(what: string): string {
    const word = this.#words[this.#next];
    if (word === undefined) this.refuse(`${what} is missing`);
    this.#next++;
    return word;
  }

  /** The next argument, in small letters: what it may be is a word of ours, and dmsetup's users write it as they like. */
  keyword(what: string): string {
    return this.word(what).toLowerCase();
  }

  /** A decimal number from `min` to `max`. */
  number(what: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    return this.parse(what, this.word(what), min, max);
  }

  /** A decimal number inside an argument, as in `sector_size:4096`. */
  parse(what: string, text: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const limit = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
    this.refuse(`${what} is a decimal number, ${limit}`);
  }

  /** A decimal number that may need 64 bits. */
  bigNumber(what: string): bigint {
    const text = this.word(what);
    if (/^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n) return BigInt(text);
    this.refuse(`${what} is a decimal number of up to 64 bits`);
  }

  /**
   * A count, and as many arguments, as arguments of their own. None at all at the end of the line.
   *
   * @kernel drivers/md/dm-table.c: dm_read_arg_group
   */
  group(what: string, max: number): DmArgs {
    if (this.left === 0) return new DmArgs(this.target, []);
    const count = this.number(`the number of ${what}`, 0, max);
    return this.take(count, what);
  }

  /** The next `count` arguments, as arguments of their own. */
  take(count: number, what: string): DmArgs {
    if (count > this.left) this.refuse(`${count} ${what} are announced and ${this.left} given`);
    const words = this.#words.slice(this.#next, this.#next + count);
    this.#next += count;
    return new DmArgs(this.target, words);
  }

  /** Refuses whatever is left. */
  end(): void {
    if (this.left > 0) this.refuse(`${this.left} more arguments than expected`);
  }

  /** @throws BlkError EINVAL, always. */
  refuse(message: string): never {
    throw new BlkError("EINVAL", `dm-${this.target}`, message);
  }
}

import { BlkError } from "@inlinecrypt/blk-core";
import { stateFromText, Xoshiro128 } from "./xoshiro128.js";

const TWO_32 = 2 ** 32;

/**
 * Random numbers that a seed replays, on every machine. Give each part of a test a `fork` of its own: then one part
 * asking for more numbers does not change what the others get.
 */
export class SeededRandom {
  /** What replays this stream: print it when a test fails. */
  readonly seed: number | string;
  readonly #generator: Xoshiro128;

  constructor(seed: number | string) {
    this.seed = seed;
    this.#generator = new Xoshiro128(stateFromText(String(seed)));
  }

  /** 0 to 2^32 - 1. */
  nextUint32(): number {
    return this.#generator.next();
  }

  /**
   * A whole number from 0 to `count` - 1, each as likely as the others.
   *
   * @throws BlkError EINVAL unless `count` is a whole number from 1 to 2^32.
   */
  below(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > TWO_32) {
      throw new BlkError("EINVAL", "SeededRandom.below", `count is ${count}, expected 1 to 2^32`);
    }
    // The few numbers at the top that would make some results likelier are drawn again.
    const fair = TWO_32 - (TWO_32 % count);
    for (;;) {
      const drawn = this.nextUint32();
      if (drawn < fair) return drawn % count;
    }
  }

  /** True once in `count` times on average; always for 1. @throws BlkError EINVAL as `below`. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** A number from `min` to just below `max`, with a fraction. */
  between(min: number, max: number): number {
    return min + (max - min) * (this.nextUint32() / TWO_32);
  }

  /** One of the items. @throws BlkError EINVAL when there is none. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Puts the items into a random order, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let index = items.length - 1; index > 0; index--) {
      const other = this.below(index + 1);
      [items[index], items[other]] = [items[other]!, items[index]!];
    }
    return items;
  }

  /** Fills memory with random bytes. */
  fill(into: Uint8Array): Uint8Array {
    for (let index = 0; index < into.length; index += 4) {
      const word = this.nextUint32();
      for (let byte = index; byte < index + 4 && byte < into.length; byte++) into[byte] = word >>> (8 * (byte - index));
    }
    return into;
  }

  /**
   * Another stream, which depends on this one's seed and on `name` alone, not on what was drawn before. The same name
   * gives the same stream again.
   */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${name}`);
  }
}

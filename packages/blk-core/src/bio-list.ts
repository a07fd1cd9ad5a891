import type { Bio } from "./bio.js";

/** A first-in-first-out list of bios, linked through `next`. @kernel include/linux/bio.h: bio_list */
export class BioList {
  first: Bio | null = null;
  #last: Bio | null = null;

  append(bio: Bio): void {
    if (this.#last === null) this.first = bio;
    else this.#last.next = bio;
    this.#last = bio;
  }

  prepend(bio: Bio): void {
    bio.next = this.first;
    this.first = bio;
    if (this.#last === null) this.#last = bio;
  }

  /** Takes over all bios of `other`, in order and in front of its own. */
  prependAll(other: BioList): void {
    if (other.#last === null) return;
    other.#last.next = this.first;
    this.first = other.first;
    if (this.#last === null) this.#last = other.#last;
    other.first = null;
    other.#last = null;
  }

  shift(): Bio | null {
    const bio = this.first;
    if (bio === null) return null;
    this.first = bio.next;
    if (this.first === null) this.#last = null;
    bio.next = null;
    return bio;
  }
}

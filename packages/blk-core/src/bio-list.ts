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

  shift(): Bio | null {
    const bio = this.first;
    if (bio === null) return null;
    this.first = bio.next;
    if (this.first === null) this.#last = null;
    bio.next = null;
    return bio;
  }
}

import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { Granules, Run } from "./granules.js";
import { type Layout, LinearLayout, type Segment } from "./layout.js";

/** A segment that is to lie elsewhere. */
export interface Move {
  readonly from: Segment;
  readonly to: Run;
  /** Where everything lies afterwards. */
  readonly layout: Layout;
  /** Gives back what is not used any more: the old place, or the new one. */
  end(moved: boolean): void;
}

/** Finds a segment, and space for it that is as plain as where it lies. Null: nothing can move. */
export function planMove(layout: Layout, space: readonly Granules[], random: SeededRandom): Move | null {
  if (!(layout instanceof LinearLayout)) return null;
  for (const from of random.shuffle([...layout.segments])) {
    for (const granules of random.shuffle([...space])) {
      const to = granules.take(from.sectors, random);
      if (to === null) continue;
      if (allowPlaintext(from, to)) return moveTo(layout, from, to, granules, space);
      granules.give(to);
    }
  }
  return null;
}

function moveTo(layout: LinearLayout, from: Segment, to: Run, granules: Granules, space: readonly Granules[]): Move {
  const moved = layout.segments.map((segment) => (segment === from ? { ...from, ...to } : segment));
  return {
    from,
    to,
    layout: new LinearLayout(moved),
    end(done) {
      if (done) space.find(({ below }) => below === from.below)!.give(from);
      else granules.give(to);
    },
  };
}

/** What may be plain may be so in the new place. False when something below encrypts there, or did: it would be plain no more. */
function allowPlaintext(from: Segment, to: Run): boolean {
  const places = Array.from({ length: from.sectors }, (_, at) => ({
    old: from.below.disk.placeOf(from.start + at),
    new: to.below.disk.placeOf(to.start + at),
  }));
  if (places.some((each) => each.old.encryptions.length + each.new.encryptions.length > 0)) return false;
  for (const each of places) {
    if (each.old.disk.medium!.mayBePlain(each.old.sector)) each.new.disk.medium!.allowPlaintext(each.new.sector);
  }
  return true;
}

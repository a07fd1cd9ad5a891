import sections from "./rows.json" with { type: "json" };

/** One line of the acceptance table; README.md says where its words come from. */
export interface ChecklistRow {
  /** `CORE-22`: what tests put into their titles, in square brackets. */
  readonly id: string;
  /** `SEED`, `NEW`, `STRICT`, `EMU`, `OPT`. */
  readonly tags: readonly string[];
  readonly behaviour: string;
  /** Kernel file and function. */
  readonly source: string;
  /** The status or errno that is expected; `–` where there is none. */
  readonly result: string;
}

/** The rows of one package or topic. */
export interface ChecklistSection {
  readonly title: string;
  readonly rows: readonly ChecklistRow[];
}

/** All sections in order. */
export const checklistSections: readonly ChecklistSection[] = sections;

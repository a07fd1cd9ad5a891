/** A report or a test title that the checklist cannot be made from; the message says what to change. */
export class ChecklistError extends Error {
  override readonly name = "ChecklistError";
}

/**
 * The acceptance table as data, and the page that shows which tests cover it.
 *
 * @packageDocumentation
 */
export { ChecklistError } from "./checklist-error.js";
export { type ChecklistRow, type ChecklistSection, checklistSections } from "./checklist-rows.js";
export { type CoveredRow, type CoveredSection, coverRows, type RowResult, type RowTest } from "./cover-rows.js";
export { renderChecklist } from "./render-checklist.js";
export { type ReportedTest, readVitestReport, type TestOutcome } from "./vitest-report.js";

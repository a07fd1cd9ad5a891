// Prints "passed failed" of a vitest JSON report. A report that is missing, or a file that did not load, is a failure.
import { existsSync, readFileSync } from "node:fs";

const path = process.argv[2];
if (!existsSync(path)) {
  console.log("0 1");
} else {
  const report = JSON.parse(readFileSync(path, "utf8"));
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  const otherFailure = !report.success && report.numFailedTests === 0 && brokenFiles.length === 0 ? 1 : 0;
  console.log(`${report.numPassedTests} ${report.numFailedTests + brokenFiles.length + otherFailure}`);
}

/** Ends every run with one plain line that scripts and people can read: `N passed, N failed`. */
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    // A test file that could not be loaded has no tests of its own to count as failed.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : '';
    this.line = `${results.numPassedTests} passed, ${failed} failed${skipped}`;
    process.on('exit', () => process.stdout.write(`${this.line}\n`));
  }
}

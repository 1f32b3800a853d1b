/** A logger for what a benchmark starts: errors alone. */
export const quiet = {
  info() {},
  warn() {},
  error(fields, message) {
    process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  },
};

/** `tercet serve`: settings from the environment, logs to standard error, exit codes 0, 1 and 2. */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { startNode } from './main.js';
import { readSettings, SettingError } from './settings.js';

const USAGE = `usage: tercet serve

Starts a coordinator. Settings come from the environment:
  DATABASE_URL            PostgreSQL 15 or newer; unset: an embedded one in TERCET_DATA_DIR
  TERCET_LISTEN           127.0.0.1:8372
  TERCET_DATA_DIR         .tercet
  TERCET_NODE             host name and random suffix
  TERCET_LEASE_MS         5000
  TERCET_ALLOWED_TARGETS  127.0.0.0/8,[::1]
  TERCET_MIGRATE          auto or off
docs/wire.md, section 1, says more of each. --version prints the version.
`;

const FAILED = 1;
const WRONG_USE = 2;

export async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === '--help' || command === '-h' || command === 'help') process.stdout.write(USAGE);
  else if (command === '--version') process.stdout.write(`${version()}\n`);
  else if (command === 'serve' && rest.length === 0) await serve();
  else {
    process.stderr.write(USAGE);
    process.exitCode = WRONG_USE;
  }
}

function version(): string {
  // This file runs as dist/src/cli.js.
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

async function serve(): Promise<void> {
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  const die = (error: unknown): void => {
    logger.fatal({ error: error instanceof Error ? error.stack : String(error) }, 'defect: the process cannot go on');
    process.exit(FAILED);
  };
  process.on('unhandledRejection', die);
  process.on('uncaughtException', die);
  try {
    const node = await startNode(readSettings(process.env), logger);
    process.stdout.write(`tercet ${version()} listening on ${node.url}\n`);
    onSignal(logger, () => node.stop());
  } catch (error) {
    process.stderr.write(`tercet: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof SettingError ? WRONG_USE : FAILED);
  }
}

/** The first signal drains; a second one does not wait. */
function onSignal(logger: pino.Logger, stop: () => Promise<void>): void {
  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(FAILED);
      isStopping = true;
      logger.info({ signal }, 'draining');
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ error: String(error) }, 'the drain failed');
          process.exit(FAILED);
        },
      );
    });
  }
}

/** The command line: settings from the environment, logs to standard error, exit codes 0, 1 and 2. */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { readSettings, SettingError } from './settings.js';

const USAGE = `usage: tercet serve      starts a coordinator
       tercet migrate    brings the database of DATABASE_URL up to this version

Settings come from the environment:
  DATABASE_URL            PostgreSQL 15 or newer; unset: an embedded one
  TERCET_LISTEN           127.0.0.1:8372
  TERCET_DATA_DIR         .tercet, where the embedded one keeps its data
  TERCET_NODE             host name and random suffix
  TERCET_LEASE_MS         5000
  TERCET_ALLOWED_TARGETS  127.0.0.0/8,[::1]
  TERCET_MIGRATE          auto or off
  TERCET_KEYS             NAME:ROLES:SHA256HEX, ...; unset: loopback only
  TERCET_VIEWER_SEES      all or no-payloads
  TERCET_SIGNING_SECRET   signs calls to services; two between a comma while one replaces the other
  TERCET_MAX_UNFINISHED   20000
  TERCET_MAX_REQUESTS     10000
docs/wire.md, section 1, says more of each. --version prints the version.
`;

const FAILED = 1;
const WRONG_USE = 2;

export async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === '--help' || command === '-h' || command === 'help') process.stdout.write(USAGE);
  else if (command === '--version') process.stdout.write(`${version()}\n`);
  else if (command === 'serve' && rest.length === 0) await run(serve);
  else if (command === 'migrate' && rest.length === 0) await run(migrate);
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

async function run(command: (logger: pino.Logger) => Promise<void>): Promise<void> {
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
    await command(logger);
  } catch (error) {
    process.stderr.write(`tercet: ${described(error)}\n`);
    process.exit(error instanceof SettingError ? WRONG_USE : FAILED);
  }
}

async function serve(logger: pino.Logger): Promise<void> {
  const settings = readSettings(process.env);
  // Loaded late: whoever asks for help need not wait for a server.
  const { startNode } = await import('./main.js');
  const starting = startNode(settings, logger);
  // From the first moment: a signal during the start ends it as properly as a later one.
  onSignal(logger, async () => (await starting).stop());
  const { url } = await starting;
  process.stdout.write(`tercet ${version()} listening on ${url}\n`);
}

async function migrate(logger: pino.Logger): Promise<void> {
  const { databaseUrl } = readSettings(process.env);
  if (databaseUrl === null) {
    throw new SettingError('DATABASE_URL is not set; an embedded database is migrated by `tercet serve`');
  }
  const { prepareDatabase } = await import('./storage/data-source.js');
  await prepareDatabase(databaseUrl, 'auto', logger);
  process.stdout.write(`tercet ${version()}: the database is up to date\n`);
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { syscall, address, port, code } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (syscall !== 'listen') return error.message;
  const why = code === 'EADDRINUSE' ? 'another process listens there' : error.message;
  return `TERCET_LISTEN: cannot listen on ${address ?? ''}:${port ?? ''}: ${why}; choose another port, 0 takes a free one`;
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

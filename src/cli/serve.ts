/** The coordinator as a process: settings from the environment, logs to standard error, exit codes 0, 1 and 2. */
import type { pino } from 'pino';
import { createLogger } from '../logger.js';
import { readSettings, SettingError } from '../settings.js';
import { VERSION } from '../version.js';
import { EXIT } from './exit.js';
import type { Exit } from './exit.js';

/** Resolves when it listens; then signals end the process. */
export function serve(): Promise<Exit> {
  return run(async (logger) => {
    const settings = readSettings(process.env);
    // Loaded late: a wrong setting need not wait for a server.
    const { startNode } = await import('../main.js');
    const stopping = new AbortController();
    // Null: it was told to stop before it was up.
    const starting = startNode(settings, logger, stopping.signal).catch((error: unknown) => {
      if (error === stopping.signal.reason) return null;
      throw error;
    });
    // From the first moment: a signal during the start ends it as properly as a later one.
    onSignal(logger, async () => {
      stopping.abort();
      await (await starting)?.stop();
    });
    const node = await starting;
    if (node) process.stdout.write(`tercet ${VERSION} listening on ${node.url}\n`);
  });
}

export function migrate(): Promise<Exit> {
  return run(async (logger) => {
    const { databaseUrl } = readSettings(process.env);
    if (databaseUrl === null) {
      throw new SettingError('DATABASE_URL is not set; an embedded database is migrated by `tercet serve`');
    }
    const { prepareDatabase } = await import('../storage/data-source.js');
    await prepareDatabase(databaseUrl, 'auto', logger);
    process.stdout.write(`tercet ${VERSION}: the database is up to date\n`);
  });
}

async function run(command: (logger: pino.Logger) => Promise<void>): Promise<Exit> {
  const logger = createLogger(process.env);
  const die = (error: unknown): void => {
    logger.fatal({ error: error instanceof Error ? error.stack : String(error) }, 'defect: the process cannot go on');
    process.exit(EXIT.failed);
  };
  process.on('unhandledRejection', die);
  process.on('uncaughtException', die);
  try {
    await command(logger);
    return EXIT.done;
  } catch (error) {
    process.stderr.write(`tercet: ${described(error)}\n`);
    process.exit(error instanceof SettingError ? EXIT.wrongUse : EXIT.failed);
  }
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
      if (isStopping) process.exit(EXIT.failed);
      isStopping = true;
      logger.info({ signal }, 'draining');
      stop().then(
        () => process.exit(EXIT.done),
        (error: unknown) => {
          logger.error({ error: String(error) }, 'the drain failed');
          process.exit(EXIT.failed);
        },
      );
    });
  }
}

/** The log of the process: JSON, a line each, or for people; to standard error. */
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Logger } from './engine/ports.js';
import { LOG_LEVELS } from './steering/bounds.js';

/** What is logged may become less or more while the process runs. */
export interface LevelLogger extends Logger {
  level?: string;
}

/**
 * By TERCET_LOG and TERCET_LOG_LEVEL. Never throws: what cannot be is as if it were not given, and stops the start when
 * the settings are read.
 */
export function createLogger(env: Readonly<Record<string, string | undefined>>): pino.Logger {
  const level = LOG_LEVELS.find((word) => word === env['TERCET_LOG_LEVEL']) ?? 'info';
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  // Written at once: the last line before a crash is the one that matters.
  if (env['TERCET_LOG'] !== 'pretty') return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(
    options,
    pretty({
      destination: 2,
      sync: true,
      colorize: process.stderr.isTTY,
      translateTime: 'SYS:HH:MM:ss.l',
      singleLine: true,
    }),
  );
}

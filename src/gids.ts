/** What makes the gids of transactions that are begun without one; TERCET_IDS says which. */
import { redisIds } from './ids/redis.js';
import type { IdTables } from './ids/schema.js';
import { segment } from './ids/segment.js';
import { sequence } from './ids/sequence.js';
import { SnowflakeIds } from './ids/snowflake.js';
import { LeasedWorkers } from './ids/worker.js';
import type { Ids } from './ids/id.js';
import type { Logger } from './engine/ports.js';
import { CodedError } from './platform/coded-error.js';
import type { Executor } from './platform/executor.js';
import { TercetError } from './protocol/errors.js';

export type GidSetting =
  | { readonly kind: 'uuidv7' | 'snowflake' | 'segment' | 'redis' }
  | { readonly kind: 'sequence'; readonly index: number; readonly of: number };

const TABLES: IdTables = {
  segment: 'tercet.id_segment',
  sequence: 'tercet.id_sequence',
  worker: 'tercet.worker',
  member: 'tercet.member',
};
const NAME = 'gid';
const MAX_DATABASES = 1000;

/** @throws Error in words */
export function gidSetting(text: string): GidSetting {
  if (text === 'uuidv7' || text === 'snowflake' || text === 'segment' || text === 'redis') return { kind: text };
  const [, index = '1', of = '1'] = /^sequence(?::(\d+)\/(\d+))?$/.exec(text) ?? [undefined, '0'];
  const share = { kind: 'sequence', index: Number(index), of: Number(of) } as const;
  if (share.index >= 1 && share.index <= share.of && share.of <= MAX_DATABASES) return share;
  throw new Error(
    `it is '${text}'; it must be 'uuidv7', 'snowflake', 'segment', 'sequence', 'redis' or, for the first of three databases, 'sequence:1/3'`,
  );
}

export interface GidParts {
  /** The coordinator's own. */
  readonly database: Executor;
  /** What this node is among the members; throws while it has no lease. */
  readonly memberOf: () => string;
  /** Of the server that has the numbers, with TERCET_IDS=redis. */
  readonly redisUrl: string | null;
}

/** Null: UUIDv7, which need nothing. @throws TercetError when they could repeat, or their store is not there */
export async function openGids(setting: GidSetting, parts: GidParts): Promise<Ids | null> {
  try {
    return await open(setting, parts);
  } catch (error) {
    throw asTercetError(error);
  }
}

async function open(setting: GidSetting, { database, memberOf, redisUrl }: GidParts): Promise<Ids | null> {
  switch (setting.kind) {
    case 'uuidv7':
      return null;
    case 'snowflake':
      return new SnowflakeIds(new LeasedWorkers(database, TABLES, memberOf));
    case 'segment':
      return segment({ database, name: NAME, table: TABLES.segment });
    case 'sequence':
      return sequence({ database, sequence: TABLES.sequence, share: setting });
    case 'redis': {
      if (redisUrl === null) throw new CodedError('TERCET_ID_UNSAFE', 'TERCET_IDS is redis, and there is no REDIS_URL');
      // Loaded late: most run without.
      const redis = (await import('./redis.js')).redisOf(redisUrl);
      return redisIds({ redis, name: NAME });
    }
  }
}

/** For the engine. What fails is logged once, until the next gid is made. */
export function gidsFrom(ids: Ids, logger: Logger): () => Promise<string> {
  let isFailing = false;
  return async () => {
    try {
      const gid = await ids.next();
      isFailing = false;
      return gid;
    } catch (error) {
      if (!isFailing) logger.warn({ error: String(error) }, 'no gid can be made; begins that bring none are refused');
      isFailing = true;
      throw asTercetError(error);
    }
  };
}

function asTercetError(error: unknown): unknown {
  if (!(error instanceof CodedError)) return error;
  const { code, detail } = error;
  if (code !== 'TERCET_ID_UNAVAILABLE' && code !== 'TERCET_ID_UNSAFE') return error;
  return new TercetError(code, detail, undefined, { cause: error });
}

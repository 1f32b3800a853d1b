/** What the secrets of a namespace are sealed with: made with its first secret, and never changed; rotation wraps it anew. */
import { randomBytes } from 'node:crypto';
import { TercetError } from '../protocol/errors.js';
import type { Database } from '../storage/database.js';
import type { AuditEntry } from './audit.js';
import { auditStatement } from './audit.js';
import type { MasterKeys } from './master-keys.js';
import { corrupt } from './refusals.js';
import { ALL_DATA_KEYS, DATA_KEY, MAKE_DATA_KEY, WRAP_DATA_KEYS } from './statements.js';

const KEY_BYTES = 32;

interface Row {
  environment: string;
  namespace: string;
  master: string;
  wrapped: string;
}

export class DataKeys {
  /** Unwrapped, by `environment/namespace`: there are not more than namespaces. */
  private readonly known = new Map<string, Buffer>();

  constructor(
    private readonly database: Database,
    private readonly keys: MasterKeys | null,
  ) {}

  /** Null: the namespace never had a secret. @throws TercetError TERCET_CONFIG_CORRUPT: it cannot be unwrapped */
  async find(environment: string, namespace: string): Promise<Buffer | null> {
    const owner = `${environment}/${namespace}`;
    const known = this.known.get(owner);
    if (known) return known;
    const [row] = await this.database.read<Row>(DATA_KEY, [environment, namespace]);
    if (!row) return null;
    const dataKey = this.unwrap(row);
    this.known.set(owner, dataKey);
    return dataKey;
  }

  /** The same, made if there is none. @throws also TercetError TERCET_CONFIG_SECRETS_OFF */
  async make(environment: string, namespace: string): Promise<Buffer> {
    const { master, wrapped } = this.masterKeys().wrap(randomBytes(KEY_BYTES), `${environment}/${namespace}`);
    // Nothing is sealed by a key that the database has lost in a failover: it would be gone with this process.
    this.known.delete(`${environment}/${namespace}`);
    const there = await this.find(environment, namespace);
    if (there) return there;
    await this.database.write({ text: MAKE_DATA_KEY, values: [environment, namespace, master, wrapped] });
    // Somebody else may have made one meanwhile, and that one counts.
    const made = await this.find(environment, namespace);
    if (!made) throw corrupt(environment, namespace, 'its data key is gone');
    return made;
  }

  /**
   * Wraps all data keys anew by the first master key, or none.
   *
   * @returns how many
   * @throws TercetError naming the namespace whose data key cannot be unwrapped
   */
  async rotate(reason: string, who: string): Promise<number> {
    const keys = this.masterKeys();
    const done = await this.database.inTransaction(async (client): Promise<number | TercetError> => {
      const { rows } = await client.query<Row>(ALL_DATA_KEYS);
      const anew: string[] = [];
      for (const row of rows) {
        const dataKey = this.tried(row);
        if (dataKey instanceof TercetError) return dataKey;
        anew.push(JSON.stringify({ ...row, ...keys.wrap(dataKey, `${row.environment}/${row.namespace}`) }));
      }
      await client.query(WRAP_DATA_KEYS, [`[${anew.join(',')}]`]);
      const environments = new Set(rows.map(({ environment }) => environment));
      for (const environment of environments.size > 0 ? environments : ['tercet']) {
        const entry: AuditEntry = { by: who, action: 'rotate', environment, reason };
        await client.query(auditStatement(entry));
      }
      return rows.length;
    });
    if (done instanceof TercetError) throw done;
    return done;
  }

  private masterKeys(): MasterKeys {
    if (this.keys) return this.keys;
    const next = 'set TERCET_CONFIG_KEYS to ID:BASE64 with 32 random bytes, the same at all coordinators';
    throw new TercetError('TERCET_CONFIG_SECRETS_OFF', `this coordinator has no key that seals secrets; ${next}`);
  }

  private unwrap(row: Row): Buffer {
    const dataKey = this.tried(row);
    if (dataKey instanceof TercetError) throw dataKey;
    return dataKey;
  }

  private tried(row: Row): Buffer | TercetError {
    const { environment, namespace } = row;
    if (!this.keys) return corrupt(environment, namespace, 'it has secrets, and TERCET_CONFIG_KEYS is not set here');
    try {
      return this.keys.unwrap(row, `${environment}/${namespace}`);
    } catch (error) {
      return corrupt(environment, namespace, (error as Error).message);
    }
  }
}

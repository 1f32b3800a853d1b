/** Namespaces: what they are about, what fits into them, what is in force and drafted. */
import type pg from 'pg';
import { changesBetween } from '../config/diff.js';
import { masked, mayHoldSecrets } from '../config/secret.js';
import { CONFIG_LIMITS, ENVIRONMENT_NAME, NAMESPACE_NAME } from '../protocol/config.js';
import type { ConfigChange, ConfigContent, NamespaceSummary, NamespaceView } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import { auditStatement } from './audit.js';
import type { Drafts } from './drafts.js';
import type { EditLocks } from './edit-locks.js';
import { inForce, lastReleaseOf, namespaceRow, rulesOf } from './namespace-rows.js';
import type { NamespaceRow } from './namespace-rows.js';
import type { NamespacePut } from './orders.js';
import type { CenterParts } from './parts.js';
import { badField, unfit, unknown } from './refusals.js';
import { rulesProblems } from './rules.js';
import type { Schemas } from './schemas.js';
import {
  COUNT_ENVIRONMENTS,
  COUNT_NAMESPACES,
  LOCK_ENVIRONMENT,
  LOCK_NAMESPACE,
  MAKE_ENVIRONMENT,
  MAKE_ENVIRONMENT_ALONE,
  MAKE_NAMESPACE,
  NAMESPACE_LIST,
  NAMESPACES,
  PUT_NAMESPACE,
} from './statements.js';

/** The environment of the coordinators themselves: its one namespace is built in. */
export const OWN_ENVIRONMENT = 'tercet';

type Terms = Pick<NamespaceRow, 'about' | 'schema' | 'rules'>;
const NEW: Terms = { about: '', schema: null, rules: '[]' };

export class Namespaces {
  constructor(
    private readonly parts: Pick<CenterParts, 'database' | 'builtIn'>,
    private readonly schemas: Schemas,
    private readonly editLocks: EditLocks,
    private readonly drafts: Drafts,
  ) {}

  async list(environment: string): Promise<NamespaceSummary[]> {
    const rows = await this.parts.database.read<NamespaceSummary>(NAMESPACE_LIST, [environment], 'list');
    if (rows.length === 0) await lastReleaseOf(this.parts.database, environment);
    return rows;
  }

  async view(environment: string, namespace: string): Promise<NamespaceView> {
    const row = await namespaceRow(this.parts.database, environment, namespace);
    const content = inForce(row);
    const builtIn = this.parts.builtIn.get(`${environment}/${namespace}`);
    return {
      environment,
      namespace,
      about: row.about,
      release: row.release,
      hasDraft: row.draft !== null,
      isBuiltIn: builtIn !== undefined,
      schema: builtIn ? builtIn.schema : schemaOf(row),
      rules: builtIn ? [] : rulesOf(row),
      content: content && (masked(content) as ConfigContent),
      checksum: row.checksum,
      draft: await this.drafts.view(row),
      editor: await this.editLocks.editor(environment, namespace),
    };
  }

  /**
   * Makes it, with its environment, or changes what is given.
   *
   * @param mayRead whether `who` may see its secrets in clear
   * @throws TercetError naming the field that is wrong; TERCET_CONFIG_SECRET_FORBIDDEN
   */
  async put(
    environment: string,
    namespace: string,
    put: NamespacePut,
    who: string,
    mayRead: boolean,
  ): Promise<boolean> {
    if (!ENVIRONMENT_NAME.test(environment)) throw unknown(`environment '${environment.slice(0, 100)}'`);
    if (!NAMESPACE_NAME.test(namespace)) throw unknown(`namespace '${namespace.slice(0, 100)}'`);
    if (environment === OWN_ENVIRONMENT) {
      const message = `is Tercet's own: what fits into it is built in, and no other namespace can be put beside it`;
      throw unfit(`${environment}/${namespace} cannot be put`, [{ path: 'environment', message }]);
    }
    const wanted = this.checked(put);
    const done = await this.parts.database.inTransaction(async (client) => {
      const there = await locked(client, environment, namespace);
      if (there) return this.change(client, { environment, namespace, there, wanted, who, mayRead });
      return this.make(client, { environment, namespace, there: NEW, wanted, who, mayRead });
    });
    if (done instanceof TercetError) throw done;
    return done;
  }

  private checked({ about, schema, rules }: NamespacePut): Partial<Terms> {
    const problems = rules ? rulesProblems(rules) : [];
    if (problems.length > 0) {
      throw new TercetError('TERCET_CONFIG_SCHEMA_INVALID', 'the rules make no sense', problems);
    }
    return {
      ...(about === undefined ? {} : { about }),
      ...(schema === undefined ? {} : { schema: schema === null ? null : this.schemas.textOf(schema) }),
      ...(rules === undefined ? {} : { rules: JSON.stringify(rules) }),
    };
  }

  private async change(client: pg.PoolClient, change: Change): Promise<false | TercetError> {
    const { environment, namespace, there, wanted } = change;
    const then = { ...there, ...wanted };
    const changes = termsChanges(there, then);
    if (changes.length > 0) {
      const isJudging = changes.some(({ path }) => path !== '/about');
      if (isJudging && !change.mayRead && (await hasSecrets(client, environment, namespace))) {
        return forbidden(environment, namespace);
      }
      await client.query(PUT_NAMESPACE, [environment, namespace, then.about, then.schema, then.rules]);
      await client.query(auditOf(change, changes));
    }
    return false;
  }

  /** False: somebody else made it meanwhile, and it was changed. */
  private async make(client: pg.PoolClient, change: Change): Promise<boolean | TercetError> {
    const { environment, namespace, wanted } = change;
    let { rows: environments } = await client.query(LOCK_ENVIRONMENT, [environment]);
    if (environments.length === 0) {
      await client.query(MAKE_ENVIRONMENT_ALONE);
      const isFull = (await count(client, COUNT_ENVIRONMENTS, [])) >= CONFIG_LIMITS.environments;
      if (isFull) return badField('environment', `would be one more than ${CONFIG_LIMITS.environments} environments`);
      await client.query(MAKE_ENVIRONMENT, [environment]);
      ({ rows: environments } = await client.query(LOCK_ENVIRONMENT, [environment]));
    }
    const there = await locked(client, environment, namespace);
    if (there) return this.change(client, { ...change, there });
    if ((await count(client, COUNT_NAMESPACES, [environment])) >= CONFIG_LIMITS.namespaces) {
      return badField('namespace', `would be one more than ${CONFIG_LIMITS.namespaces} namespaces in '${environment}'`);
    }
    const then = { ...NEW, ...wanted };
    await client.query(MAKE_NAMESPACE, [environment, namespace, then.about, then.schema, then.rules]);
    await client.query(auditOf(change, termsChanges(NEW, then)));
    return true;
  }
}

interface Change {
  readonly environment: string;
  readonly namespace: string;
  readonly there: Terms;
  readonly wanted: Partial<Terms>;
  readonly who: string;
  readonly mayRead: boolean;
}

async function locked(client: pg.PoolClient, environment: string, namespace: string): Promise<Terms | null> {
  const { rows } = await client.query<Terms>(LOCK_NAMESPACE, [environment, namespace]);
  const [row] = rows;
  return row ? { about: row.about, schema: row.schema, rules: row.rules } : null;
}

/** Of the draft, and of what is in force. */
async function hasSecrets(client: pg.PoolClient, environment: string, namespace: string): Promise<boolean> {
  const { rows } = await client.query<Pick<NamespaceRow, 'draft' | 'content'>>(NAMESPACES, [environment, [namespace]]);
  return rows.some(({ draft, content }) => mayHoldSecrets(draft ?? '') || mayHoldSecrets(content ?? ''));
}

/** Whether a secret fits a schema or a rule is told, and so, question by question, what it is. */
function forbidden(environment: string, namespace: string): TercetError {
  const what = `${environment}/${namespace} holds secrets, and its schema and rules would tell what they are`;
  const next = `whoever changes them also needs config-reader=${environment}`;
  return new TercetError('TERCET_CONFIG_SECRET_FORBIDDEN', `${what}; ${next}`);
}

async function count(client: pg.PoolClient, statement: string, values: unknown[]): Promise<number> {
  const { rows } = await client.query<{ n: number }>(statement, values);
  return rows[0]?.n ?? 0;
}

function termsChanges(from: Terms, to: Terms): ConfigChange[] {
  const shown = (terms: Terms): Json => {
    return { about: terms.about, schema: schemaOf(terms), rules: rulesOf(terms) as unknown as Json };
  };
  return changesBetween(shown(from), shown(to));
}

function auditOf({ environment, namespace, who }: Change, changes: ConfigChange[]) {
  return auditStatement({ by: who, action: 'namespace', environment, namespace, changes });
}

function schemaOf({ schema }: Pick<Terms, 'schema'>): Json {
  return schema === null ? null : (JSON.parse(schema) as Json);
}

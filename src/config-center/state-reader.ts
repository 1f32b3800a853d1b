/** Reads what is in force in an environment, and of what it knows already nothing twice. */
import { hash } from 'node:crypto';
import type { Pullable, SharedPull } from '../config/shared-pull.js';
import { TercetError } from '../protocol/errors.js';
import type { Database } from '../storage/database.js';
import type { Content, EnvironmentState } from './environment-state.js';

/** More at a time are read at once, from the database: a node that starts, or many that are released together. */
const MAX_PULLED = 8;

/** All as of one moment. */
const HEAD = `
  SELECT e.revision::float8 AS revision, g.epoch,
         (SELECT json_object_agg(n.name, json_build_array(n.release, c.checksum) ORDER BY n.name)
            FROM tercet.config_namespace n
            LEFT JOIN tercet.config_content c
              ON c.environment = n.environment AND c.number = n.release AND c.namespace = n.name
           WHERE n.environment = e.name AND n.release IS NOT NULL) AS namespaces,
         (SELECT json_build_object('id', r.id, 'release', r.number, 'mode', r.mode, 'labels', r.labels::json,
                                   'percent', r.percent, 'deadlineAt', extract(epoch FROM r.deadline_at) * 1000,
                                   'namespaces', (SELECT json_object_agg(c.namespace, c.checksum ORDER BY c.namespace)
                                                    FROM tercet.config_content c
                                                   WHERE c.environment = e.name AND c.number = r.number))
            FROM tercet.config_rollout r
           WHERE r.environment = e.name AND r.state IN ('preparing', 'running')) AS rollout
    FROM tercet.config_environment e CROSS JOIN tercet.work_gate g WHERE e.name = $1`;

const CONTENTS = `
  SELECT c.number AS release, c.namespace, c.content AS text, c.checksum
    FROM unnest($2::int[], $3::text[]) AS wanted(number, namespace)
    JOIN tercet.config_content c USING (number, namespace) WHERE c.environment = $1`;

interface Head {
  revision: number;
  epoch: number;
  /** Of those in which something is in force; null: there are none. */
  namespaces: Record<string, [release: number, checksum: string]> | null;
  rollout: null | {
    id: number;
    release: number;
    mode: 'gray' | 'strict';
    labels: Record<string, string>;
    percent: number;
    deadlineAt: number | null;
    namespaces: Record<string, string> | null;
  };
}

export class StateReader {
  /** @param shared null: every node reads the database itself */
  constructor(
    private readonly database: Database,
    private readonly shared: SharedPull | null,
  ) {}

  /**
   * `known` itself where nothing has changed since; null: there is no such environment.
   *
   * @throws LogUnavailable, TercetError TERCET_CONFIG_CORRUPT
   */
  async read(environment: string, known: EnvironmentState | null): Promise<EnvironmentState | null> {
    const [head] = await this.database.read<Head & Record<string, unknown>>({ name: 'config head', text: HEAD }, [
      environment,
    ]);
    if (!head) return null;
    const version = JSON.stringify(head);
    return known?.version === version ? known : this.stateOf(environment, head, version, known);
  }

  private async stateOf(
    environment: string,
    head: Head,
    version: string,
    known: EnvironmentState | null,
  ): Promise<EnvironmentState> {
    const pointers = Object.entries(head.namespaces ?? {}).map(([name, [release, checksum]]) => {
      return { name, release, checksum };
    });
    const candidates = Object.entries(head.rollout?.namespaces ?? {}).map(([name, checksum]) => {
      return { name, release: head.rollout?.release ?? 0, checksum };
    });
    const contents = await this.contents(environment, [...pointers, ...candidates], known);
    const mapOf = (list: readonly Pointer[]): ReadonlyMap<string, Content> =>
      new Map(list.map((pointer) => [pointer.name, held(contents, pointer)]));
    const { rollout } = head;
    return {
      environment,
      revision: head.revision,
      epoch: head.epoch,
      inForce: mapOf(pointers),
      rollout: rollout && {
        id: rollout.id,
        release: rollout.release,
        mode: rollout.mode,
        selector: { labels: rollout.labels, percent: rollout.percent },
        contents: mapOf(candidates),
        deadlineAt: rollout.deadlineAt,
      },
      version,
    };
  }

  /** What is known is not read again: a release never changes, unless a failover of the database lost it. */
  private async contents(
    environment: string,
    wanted: readonly Pointer[],
    known: EnvironmentState | null,
  ): Promise<ReadonlyMap<string, Content>> {
    const found = new Map<string, Content>();
    for (const [name, content] of [...(known?.inForce ?? []), ...(known?.rollout?.contents ?? [])]) {
      found.set(keyOf({ name, ...content }), content);
    }
    const missing = wanted.filter((pointer) => !found.has(keyOf(pointer)));
    if (missing.length === 0) return found;
    const { shared } = this;
    const isShared = shared?.isUsable && missing.length <= MAX_PULLED;
    const read = isShared
      ? await Promise.all(missing.map(async (one) => (await shared.pull(this.pullable(environment, one)))[0]))
      : await this.stored(environment, missing);
    missing.forEach((pointer, index) => {
      const content = read[index];
      if (content) found.set(keyOf(pointer), content);
    });
    return found;
  }

  private pullable(environment: string, pointer: Pointer): Pullable<Content> {
    const { release, checksum, name } = pointer;
    return {
      checksum,
      fetch: async () => {
        const [content] = await this.stored(environment, [pointer]);
        if (!content) throw corrupt(environment, name, release);
        return content;
      },
      checksumOf: (content) => content.checksum,
      toCopy: ({ text }) => text,
      fromCopy: (text) => {
        if (typeof text === 'string' && hash('sha256', text, 'hex') === checksum) return { release, text, checksum };
        throw new Error(`it is not that of ${environment}/${name}`);
      },
    };
  }

  /** In the order of the pointers. @throws TercetError where one is not what its checksum says */
  private async stored(environment: string, wanted: readonly Pointer[]): Promise<(Content | undefined)[]> {
    const rows = await this.database.read<Content & { namespace: string }>(CONTENTS, [
      environment,
      wanted.map(({ release }) => release),
      wanted.map(({ name }) => name),
    ]);
    return wanted.map(({ name, release }) => {
      const row = rows.find((one) => one.namespace === name && one.release === release);
      if (!row) return undefined;
      const { text, checksum } = row;
      if (hash('sha256', text, 'hex') !== checksum) throw corrupt(environment, name, release);
      return { release, text, checksum };
    });
  }
}

interface Pointer {
  readonly name: string;
  readonly release: number;
  readonly checksum: string;
}

const keyOf = ({ release, checksum, name }: Pointer): string => `${release}/${checksum}/${name}`;

function held(contents: ReadonlyMap<string, Content>, pointer: Pointer): Content {
  const content = contents.get(keyOf(pointer));
  if (!content) throw new Error(`release ${pointer.release} has no content of ${pointer.name}`);
  return content;
}

export function corrupt(environment: string, namespace: string, release: number): TercetError {
  return new TercetError(
    'TERCET_CONFIG_CORRUPT',
    `${environment}/${namespace} of release ${release} is not what its checksum says; what was in use stays in use. ` +
      'Somebody has changed tercet.config_content: roll back to a release that is whole',
  );
}

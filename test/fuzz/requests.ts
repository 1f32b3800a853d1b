/** Requests that the document of a node allows. */
import type { OpenApi, Operation as Described, Schema } from '../support/openapi.js';
import type { Entry, Known } from './known.js';
import type { Random } from './random.js';
import type { Values } from './values.js';

export interface Operation extends Described {
  readonly method: string;
  readonly template: string;
}

export interface Request {
  /** What it asks for; null: nothing that the document has. */
  readonly operation: Operation | null;
  readonly method: string;
  /** With the query, as it goes out. */
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer | null;
  /** How it goes out; `leave`: the asker is gone before the answer comes. */
  readonly way: 'whole' | 'raw' | 'leave';
  /** All of it, where it is no HTTP request or an odd one. */
  readonly bytes?: Buffer;
}

const NEW_IN_PERCENT: Readonly<Record<string, number>> = { PUT: 35 };
const JSON_TYPE = ['content-type', 'application/json'] as const;

export function operationsOf(document: OpenApi): Operation[] {
  return Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      template,
    })),
  );
}

type Fields = Record<string, unknown>;

/** What an edit lock is known by: it goes with the namespace in the path. */
const CLAIM = ['id', 'token'];

const MAX_TAKEN = 20;

export class Requests {
  /** Bodies that were answered with a 2xx, by operation and status. */
  private readonly taken = new Map<string, Map<number, Fields[]>>();

  constructor(
    private readonly random: Random,
    private readonly known: Known,
    private readonly values: Values,
  ) {}

  valid(operation: Operation): Request {
    const { method, template, parameters = [], requestBody } = operation;
    const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    const isNew = this.random.in(NEW_IN_PERCENT[method] ?? 4);
    const inBody = Object.keys(requestBody?.content['application/json'].schema['properties'] ?? {});
    const claimed = inBody.filter((name) => CLAIM.includes(name));
    const entry = isNew ? {} : this.known.pick([...inPath, ...claimed]);
    const headers: [string, string][] = [];
    const query = new URLSearchParams();
    let path = template;
    for (const { name, in: place, required, schema } of parameters) {
      if (required !== true && !isLimit(name) && this.random.in(75)) continue;
      const value = String(this.values.of(schema, name, entry, 'any', isNew));
      if (place === 'path') path = path.replace(`{${name}}`, encodeURIComponent(value));
      else if (place === 'query') query.set(name, value);
      else headers.push([name, value.replace(/[^\x20-\x7e]/g, '~')]);
    }
    const body =
      requestBody && (requestBody.required || this.random.in(80))
        ? this.body(operation, claimed.length > 0 ? entry : {})
        : null;
    if (body) headers.push([...JSON_TYPE]);
    const asked = query.size > 0 ? `?${query.toString()}` : '';
    return { operation, method, path: path + asked, headers, body, way: 'whole' };
  }

  /**
   * What was taken once is a good start for the next one: most of it, with other values here and there. What brought
   * a status that is seldom is used as often as what brought the others.
   */
  took({ operation, body }: Request, status: number): void {
    const text = body?.toString().trim();
    if (!operation?.requestBody || !text) return;
    const value = JSON.parse(text) as Fields | null;
    if (typeof value !== 'object' || value === null) return;
    const byStatus = this.taken.get(operation.operationId) ?? new Map<number, Fields[]>();
    this.taken.set(operation.operationId, byStatus);
    byStatus.set(status, [...(byStatus.get(status) ?? []), value].slice(-MAX_TAKEN));
  }

  /** @param claim what the path and the body name together */
  private body({ operationId, requestBody }: Operation, claim: Entry): Buffer {
    const { oneOf, ...only } = requestBody?.content['application/json'].schema ?? {};
    const schema = Array.isArray(oneOf) ? this.random.pick(oneOf as Schema[]) : only;
    const names = Object.keys(schema['properties'] ?? {});
    // What it names is mostly there, such as the component of a branch.
    const entry = this.known.pick(names.filter((name) => name === 'component' || name === 'branchId'));
    const fresh = this.values.of(schema, 'body', { ...entry, ...claim }, this.values.mood()) as Fields;
    const byStatus = [...(this.taken.get(operationId)?.values() ?? [])];
    if (byStatus.length === 0 || this.random.in(20)) return bytesOf(fresh);
    const body = { ...this.random.pick(this.random.pick(byStatus)) };
    for (const name of this.random.in(10) ? [] : names) {
      const isIdentity = name === 'gid' || name === 'reason' || CLAIM.includes(name);
      if (!isIdentity && this.random.in(88)) continue;
      delete body[name];
      if (name in fresh) body[name] = fresh[name];
    }
    return bytesOf(body);
  }
}

function bytesOf(body: unknown): Buffer {
  return Buffer.from(JSON.stringify(body));
}

function isLimit(name: string): boolean {
  return name === 'waitMs' || name === 'limit';
}

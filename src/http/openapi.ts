/** The document at /openapi.json: docs/wire.md for programs, made of the schemas that requests are checked with. */
import { z } from 'zod';
import { TercetError } from '../protocol/errors.js';
import type { ErrorCode } from '../protocol/errors.js';
import { identifier } from '../protocol/fields.js';
import { CALLS } from './openapi-calls.js';
import type { Call } from './openapi-call.js';
import { EXAMPLES } from './openapi-examples.js';
import { VIEWS } from './openapi-views.js';
import type { Schema } from './openapi-fields.js';
import type { ViewName } from './openapi-views.js';

/** A query that no decoder reads, or headers without end, whatever the path. */
const ANYWHERE: readonly ErrorCode[] = ['TERCET_REQUEST_MALFORMED'];
const ANY_CALL: readonly ErrorCode[] = ['TERCET_REQUEST_INVALID', 'TERCET_INTERNAL', 'TERCET_NOT_READY'];
const WITH_BODY: readonly ErrorCode[] = ['TERCET_REQUEST_TOO_LARGE', 'TERCET_REQUEST_NOT_JSON'];

const TAGS = [
  ['Transactions', 'Begin them, drive them, look at them'],
  ['On call', 'What a person decides, with a reason that is recorded'],
  ['Components', 'The services that take part, and their running instances'],
  ['Outbox', 'What waits for Kafka, and what Kafka refused'],
  ['Locks', 'Who has them; for what one node does at a time'],
  ['Configuration', 'Namespaces, drafts and releases; what instances get, and what they say of it'],
  ['The node', 'How it is'],
] as const;

/** OpenAPI 3.1. */
export function openApi(): Schema {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const [name, call] of Object.entries(CALLS)) {
    const [method = '', path = ''] = name.split(' ');
    paths[path] = { ...paths[path], [method]: operation(method, path, call) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tercet',
      version: '1',
      description: 'A transaction coordinator for microservices. docs/wire.md says in words what each call means.',
    },
    tags: TAGS.map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: VIEWS,
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'Where the node has TERCET_KEYS' } },
    },
  };
}

function operation(method: string, path: string, call: Call): Schema {
  const { id, summary, roles, query, hasKey, body, answers, problems } = call;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
      name,
      in: 'path',
      required: true,
      schema: asSent(call.names?.[name] ?? identifier),
    })),
    ...(hasKey
      ? [
          { name: 'Idempotency-Key', in: 'header', description: 'Instead of gid', schema: asSent(identifier) },
          {
            name: 'traceparent',
            in: 'header',
            description: 'Trace context; malformed: ignored',
            schema: { type: 'string' },
          },
        ]
      : []),
    ...Object.entries(query?.shape ?? {}).map(([name, field]) => ({
      name,
      in: 'query',
      ...((field as z.ZodType).safeParse(undefined).success ? {} : { required: true }),
      schema: asMeant(field as z.ZodType),
    })),
  ];
  const codes = [...ANYWHERE, ...problems];
  if (path.startsWith('/v1/')) codes.push(...ANY_CALL);
  // A DELETE needs none, and one that comes with it is read all the same.
  if (body || method === 'delete') codes.push(...WITH_BODY);
  if (roles !== 'no key') codes.push('TERCET_KEY_INVALID', 'TERCET_ORIGIN_FORBIDDEN');
  if (typeof roles !== 'string') codes.push('TERCET_ROLE_FORBIDDEN');
  return {
    operationId: id,
    tags: [tagOf(path, roles)],
    summary,
    description: whoMay(roles),
    security: roles === 'no key' ? [] : [{ key: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: bodyOf(body, EXAMPLES[id]) } : {}),
    responses: { ...responses(answers), ...refusals(codes) },
  };
}

function tagOf(path: string, roles: Call['roles']): (typeof TAGS)[number][0] {
  if (path.startsWith('/v1/components')) return 'Components';
  if (path.startsWith('/v1/outbox')) return 'Outbox';
  if (path.startsWith('/v1/locks')) return 'Locks';
  if (path.startsWith('/v1/config')) return 'Configuration';
  if (typeof roles !== 'string' && roles.every((role) => role === 'operator')) return 'On call';
  return path.startsWith('/v1/transactions') ? 'Transactions' : 'The node';
}

function whoMay(roles: Call['roles']): string {
  if (roles === 'no key') return 'Needs no key.';
  if (roles === 'any role') return 'Needs a key with any role.';
  return `Needs a key with the role ${[...new Set([...roles, 'admin'])].join(' or ')}.`;
}

/** It may be left out where every field has a default. */
function bodyOf(schema: z.ZodType, example: object | undefined): Schema {
  const required = !schema.safeParse({}).success;
  return { required, content: { 'application/json': { schema: asSent(schema), ...(example ? { example } : {}) } } };
}

function responses(answers: Call['answers']): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, [description, view]]) => {
      return [status, { description, ...(view ? contentOf('application/json', view) : {}) }];
    }),
  );
}

/** One answer for each status, which lists its codes. */
function refusals(codes: readonly ErrorCode[]): Record<string, Schema> {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, title } = new TercetError(code, '').toProblem();
    byStatus.set(status, [...(byStatus.get(status) ?? []), `${code}: ${title}`]);
  }
  const content = contentOf('application/problem+json', 'Problem');
  return Object.fromEntries(
    [...byStatus].map(([status, said]) => [status, { description: said.join('. '), ...content }]),
  );
}

function contentOf(type: string, view: ViewName): Schema {
  return { content: { [type]: { schema: { $ref: `#/components/schemas/${view}` } } } };
}

function asSent(schema: z.ZodType): Schema {
  const { $schema: _, ...shown } = z.toJSONSchema(schema, { io: 'input' });
  return shown;
}

/** A query has texts only: a number is shown as the number that the text stands for. */
function asMeant(schema: z.ZodType): Schema {
  const { $schema: _, ...meant } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  if (meant.type === 'integer') return meant;
  const { pattern, ...sent } = asSent(schema);
  // The pattern of a date is longer than all the rest.
  return sent.format === 'date-time' ? sent : { ...sent, ...(pattern === undefined ? {} : { pattern }) };
}

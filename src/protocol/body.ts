/** Request bodies: from bytes to a value of which nothing was lost, or an error that says what is wrong. */
import { hash } from 'node:crypto';
import type { z } from 'zod';
import { TercetError } from './errors.js';
import type { FieldError } from './errors.js';
import { jsonProblem, quoted } from './json.js';
import { LIMITS } from './words.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** More problems than this are not listed. */
const MAX_ERRORS = 20;

/** @throws TercetError TERCET_REQUEST_MALFORMED */
export function parseBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed('the body is not UTF-8');
  }
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(`the body is not JSON: ${(error as Error).message}`);
  }
  const problem = jsonProblem(text);
  if (problem !== null) throw new TercetError('TERCET_REQUEST_INVALID', `the body ${problem}`);
  return value;
}

function malformed(detail: string): TercetError {
  return new TercetError('TERCET_REQUEST_MALFORMED', detail);
}

/** @throws TercetError TERCET_REQUEST_INVALID, naming every field that is wrong */
export function validated<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value === undefined ? {} : value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap(fieldErrors).slice(0, MAX_ERRORS);
  const [first] = errors;
  const detail = first ? `${first.path === '' ? '' : `${first.path}: `}${first.message}` : 'the request is not valid';
  throw new TercetError('TERCET_REQUEST_INVALID', detail, errors);
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const path = pathText(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
  return issue.keys.map((key) => ({ path: path === '' ? key : `${path}.${key}`, message: 'is not a known field' }));
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** A payload as JSON text. @throws TercetError TERCET_REQUEST_TOO_LARGE naming `path` */
export function payloadText(payload: unknown, path: string, maxBytes: number = LIMITS.payloadBytes): string {
  const text = JSON.stringify(payload ?? null);
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
    const message = `is larger than ${maxBytes} bytes`;
    throw new TercetError('TERCET_REQUEST_TOO_LARGE', `${path}: ${message}`, [{ path, message }]);
  }
  return text;
}

/** What only asks how to answer, and by which name. */
const ASKING: ReadonlySet<string> = new Set(['gid', 'wait', 'waitMs']);
const NONE: ReadonlySet<string> = new Set();

/** Says whether two requests are the same: SHA-256 of the request as sent, keys sorted, without what only asks how to answer. */
export function contentHash(body: unknown): string {
  return hash('sha256', canonical(body, ASKING));
}

function canonical(value: unknown, without = NONE): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(',')}]`;
  const fields = value as Record<string, unknown>;
  let text = '';
  for (const key of Object.keys(fields).sort()) {
    if (!without.has(key)) text += `${text === '' ? '' : ','}${quoted(key)}:${canonical(fields[key])}`;
  }
  return `{${text}}`;
}

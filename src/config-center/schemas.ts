/** JSON Schemas of namespaces: 2020-12, or draft-07 where `$schema` says so. */
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ConfigContent } from '../protocol/config.js';
import { CONFIG_LIMITS } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { FieldError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import { TooSlow, within } from './time-limit.js';

/** Compiled ones that are kept; the one that was not used for longest goes. */
const KEPT = 100;
/** Most take less than 1 ms. */
const CHECK_MS = 200;
/** The largest ones take a good part of it. */
const COMPILE_MS = 1000;
/**
 * Formats are not looked at: what each of them lets through differs from one validator to the other. It ends with the first
 * error: all of them may be more than there is memory for.
 */
const OPTIONS = { validateFormats: false, logger: false } as const;

export class Schemas {
  private readonly compiled = new Map<string, ValidateFunction>();

  /** @returns the text that is kept @throws TercetError TERCET_CONFIG_SCHEMA_INVALID */
  textOf(schema: Json): string {
    if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) {
      throw senseless('must be a JSON Schema: an object');
    }
    const text = JSON.stringify(schema);
    if (Buffer.byteLength(text) > CONFIG_LIMITS.schemaBytes) {
      throw senseless(`is larger than ${CONFIG_LIMITS.schemaBytes} bytes of JSON`);
    }
    this.validator(text);
    return text;
  }

  /** The first that does not fit, by JSON pointer, never naming a value. @param content with its secrets in clear */
  misfits(schema: string, content: ConfigContent): FieldError[] {
    const validate = this.validator(schema);
    try {
      if (within(CHECK_MS, () => validate(content))) return [];
    } catch (error) {
      if (error instanceof TooSlow) return [{ path: '', message: 'its schema takes too long to check' }];
      throw error;
    }
    return (validate.errors ?? []).slice(0, 1).map((error) => ({ path: error.instancePath, message: said(error) }));
  }

  private validator(text: string): ValidateFunction {
    const validate = this.compiled.get(text) ?? compile(JSON.parse(text) as Record<string, Json>);
    this.compiled.delete(text);
    this.compiled.set(text, validate);
    for (const oldest of this.compiled.keys()) {
      if (this.compiled.size <= KEPT) break;
      this.compiled.delete(oldest);
    }
    return validate;
  }
}

/** To compile the schemas of schemas takes fifty times as long as any other; it is done once, and not on any schema's time. */
const META = { '2020-12': new Ajv2020(OPTIONS), 'draft-07': new Ajv(OPTIONS) };
const ready = new Set<Dialect>();

type Dialect = keyof typeof META;

function metaOf(dialect: Dialect): Ajv | Ajv2020 {
  if (!ready.has(dialect)) void META[dialect].validateSchema({});
  ready.add(dialect);
  return META[dialect];
}

/** Each by an Ajv of its own: one remembers every `$id` it has met, also of schemas that it does not compile any more. */
function compile(schema: Record<string, Json>): ValidateFunction {
  // Such a validator answers with a promise.
  if ('$async' in schema) throw senseless('has $async, which is of Ajv and no JSON Schema');
  const dialect = dialectOf(schema['$schema']);
  const meta = metaOf(dialect);
  try {
    return within(COMPILE_MS, () => {
      if (meta.validateSchema(schema) !== true) throw new Error(meta.errorsText(meta.errors, { dataVar: 'schema' }));
      const options = { ...OPTIONS, meta: false, validateSchema: false };
      return (dialect === 'draft-07' ? new Ajv(options) : new Ajv2020(options)).compile(schema);
    });
  } catch (error) {
    throw senseless(`does not compile: ${(error as Error).message.slice(0, 1000)}`);
  }
}

function dialectOf(named: Json | undefined): Dialect {
  const dialect = typeof named === 'string' ? named.replace(/#$/, '') : named;
  if (dialect === undefined || dialect === 'https://json-schema.org/draft/2020-12/schema') return '2020-12';
  if (dialect === 'http://json-schema.org/draft-07/schema') return 'draft-07';
  throw senseless('has a $schema other than 2020-12 and draft-07');
}

function said({ message = 'does not fit', params }: ErrorObject): string {
  const { additionalProperty, unevaluatedProperty } = params as Record<string, unknown>;
  const name = additionalProperty ?? unevaluatedProperty;
  return typeof name === 'string' ? `${message}: ${name.slice(0, 200)}` : message;
}

function senseless(message: string): TercetError {
  return new TercetError('TERCET_CONFIG_SCHEMA_INVALID', `schema ${message}`, [{ path: 'schema', message }]);
}

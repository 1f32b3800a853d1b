/** What the views of /openapi.json are made of. */
import type { ConfigChange } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';

export type Schema = Readonly<Record<string, unknown>>;

export const text: Schema = { type: 'string' };
export const time: Schema = { type: 'string', format: 'date-time' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const number: Schema = { type: 'number' };
export const anyJson: Schema = {};
export const oneOf = (...words: readonly string[]): Schema => ({ enum: words });
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const view = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });

export type Fields<T> = { readonly [K in keyof T]-?: Schema };

/** More fields may come: nobody who reads an answer may stumble over them. */
export function object<T>(properties: Fields<T>, optional: readonly (keyof T & string)[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name as keyof T & string));
  return { type: 'object', properties, required };
}

export const flag: Schema = { type: 'boolean' };
/** An object whose fields are names of something. */
export const byName = (items: Schema): Schema => ({ type: 'object', additionalProperties: items });
export const fieldError = object<FieldError>({ path: text, message: text });
/** One difference between two contents. */
export const change = object<ConfigChange>(
  { path: text, kind: oneOf('added', 'removed', 'changed'), from: anyJson, to: anyJson },
  ['from', 'to'],
);

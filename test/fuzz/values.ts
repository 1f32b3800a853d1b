/** Values that a schema of the document allows. */
import fc from 'fast-check';
import type { Schema } from '../support/openapi.js';
import type { Entry, Known } from './known.js';
import type { Random } from './random.js';

/** Names that come up again and again, so that requests meet. */
const FEW = Array.from({ length: 24 }, (_, index) => `n${index}`);
/** Always given, and at most this: nothing waits for long, nothing takes thousands at once. */
const AT_MOST: Readonly<Record<string, number>> = { waitMs: 40, limit: 20 };
/** How the numbers of one body are: a policy that gives up soon has them all small. */
export type Mood = 'default' | 'small' | 'any';

export class Values {
  constructor(
    private readonly random: Random,
    private readonly known: Known,
    /** Where components are; any path below is one of the participant. */
    private readonly participantUrl: string,
  ) {}

  mood(): Mood {
    return this.random.pick(['default', 'default', 'small', 'any']);
  }

  /** @param name of the field or the parameter @param entry gives those that it names, most of the time */
  of(schema: Schema, name: string, entry: Entry, mood: Mood, isNew = false): unknown {
    const { enum: words, type, oneOf, anyOf } = schema;
    const choices = (oneOf ?? anyOf) as Schema[] | undefined;
    if (choices) return this.of(this.random.pick(choices), name, entry, mood, isNew);
    if (Array.isArray(type)) {
      return this.of({ ...schema, type: this.random.pick(type as string[]) }, name, entry, mood, isNew);
    }
    if ('const' in schema) return schema['const'];
    if (mood === 'default' && 'default' in schema && type === 'string' && this.random.in(80)) return schema['default'];
    if (Array.isArray(words)) return this.random.pick(words);
    switch (type) {
      case 'string':
        return this.text(schema, name, entry, isNew);
      case 'integer':
        return this.whole(schema, name, entry, mood);
      case 'number':
        return this.number(schema, mood);
      case 'boolean':
        return this.random.in(50);
      case 'array': {
        const count = this.random.in(1) ? Number(schema['maxItems'] ?? 100) : this.random.below(5);
        const items = Array.from({ length: count }, () => this.of(schema['items'] as Schema, name, {}, mood));
        const told = this.random.in(95) ? distinct(items) : items;
        return name === 'branches' && this.random.in(90) ? this.graph(told as Branch[]) : told;
      }
      case 'object':
        return this.object(schema, name, entry, mood);
      case 'null':
        return null;
      case undefined:
        return this.random.draw(anyJson);
      default:
        throw new Error(`the document has the type ${JSON.stringify(type)}, which is not known here`);
    }
  }

  /** Branches that are in order, or each after some of those before it: by chance they would seldom make sense. */
  private graph(branches: readonly Branch[]): Branch[] {
    const isOrdered = this.random.in(50);
    return branches.map(({ after: _after, ...branch }, index) => {
      if (isOrdered || !branches.some(({ after }) => after !== undefined)) return branch;
      const before = branches.slice(0, index).filter(() => this.random.in(50));
      return { ...branch, after: before.map(({ branchId }) => branchId) };
    });
  }

  private object(schema: Schema, of: string, entry: Entry, mood: Mood): Record<string, unknown> {
    const required = new Set(schema['required'] as string[] | undefined);
    const value: Record<string, unknown> = {};
    for (const [name, field] of Object.entries((schema['properties'] ?? {}) as Record<string, Schema>)) {
      const isRequired = required.has(name);
      // What may be left out and names something that is there, such as the gid of a begin, is mostly new.
      const isNew = !isRequired && this.random.in(70);
      const isGiven = isRequired || name in AT_MOST || mood === 'small' || this.random.in(name === 'url' ? 90 : 40);
      if (!isGiven || (of === 'endpoints' && this.random.in(70))) continue;
      value[name] = this.of(field, of === 'endpoints' ? 'url' : name, entry, mood, isNew);
    }
    return value;
  }

  private text(schema: Schema, name: string, entry: Entry, isNew: boolean): string {
    if (name === 'url') return this.url();
    if (schema['format'] === 'date-time') return this.time();
    const pattern = typeof schema['pattern'] === 'string' ? new RegExp(schema['pattern']) : /^/;
    const { minLength: min = 0, maxLength: max = 200 } = schema as { minLength?: number; maxLength?: number };
    const given = this.random.in(95) ? entry[name] : undefined;
    const found = given ?? this.known.pick([name])[name];
    const fits = found !== undefined && pattern.test(found) && found.length >= min && found.length <= max;
    if (fits && !isNew && this.random.in(90)) return found;
    if (schema['pattern'] !== undefined) {
      return this.random.in(60) ? this.random.pick(FEW) : this.random.draw(matching(pattern));
    }
    if (this.random.in(3)) return 'x'.repeat(max);
    return this.random.draw(fc.string({ unit: 'grapheme', minLength: min, maxLength: min + 20 })).slice(0, max);
  }

  private whole(schema: Schema, name: string, entry: Entry, mood: Mood): number {
    if (entry[name] !== undefined && this.random.in(90)) return Number(entry[name]);
    const min = Number(schema['minimum'] ?? 0);
    const max = Math.min(AT_MOST[name] ?? Infinity, Number(schema['maximum'] ?? Number.MAX_SAFE_INTEGER));
    if (name in AT_MOST) return min + this.random.below(max - min + 1);
    if (mood === 'default' && this.random.in(80)) return Number(schema['default'] ?? min);
    if (mood === 'small') return Math.min(max, min + Math.floor(40 * this.random.next() ** 3));
    return this.random.draw(fc.integer({ min, max }));
  }

  private number(schema: Schema, mood: Mood): number {
    const min = Number(schema['minimum'] ?? 0);
    const max = Number(schema['maximum'] ?? 1e6);
    return mood === 'small' ? min : this.random.draw(fc.double({ min, max, noNaN: true }));
  }

  private time(): string {
    if (this.random.in(10)) return this.random.pick(['0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999+23:59']);
    const at = Date.now() + (this.random.next() - 0.9) * 60_000;
    return new Date(at).toISOString();
  }

  /** Never another port of this machine: what listens there belongs to others. */
  private url(): string {
    if (this.random.in(8)) return this.random.pick(ODD_URLS);
    const base = `${this.participantUrl}/${this.random.pick(FEW)}`;
    return this.random.in(90) ? base : `${base}/%F0%9F%92%A9;a=b/ü`;
  }
}

type Branch = Record<string, unknown>;

const ODD_URLS = ['http://127.0.0.1:1/', 'http://[::1]:1', 'http://10.0.0.1/x', 'https://0x7f.1:1/y', 'HTTP://127.1:1'];

const { anyJson } = fc.letrec<{ anyJson: unknown }>((tie) => ({
  anyJson: fc.oneof(
    { depthSize: 'small', withCrossShrink: false },
    fc.constantFrom<unknown>(
      { $reply: FEW[0] },
      { $reply: `${FEW[1]}#/a` },
      null,
      true,
      0,
      -1,
      1.5,
      1e-7,
      Number.MAX_SAFE_INTEGER,
      '',
    ),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('anyJson'), { maxKeys: 4 }),
    fc.array(tie('anyJson'), { maxLength: 4 }),
  ),
}));

/** Items that are objects are told apart by their first field. */
function distinct(items: readonly unknown[]): unknown[] {
  const named = items.map((item) => [typeof item === 'object' && item ? Object.values(item)[0] : item, item] as const);
  return [...new Map(named).values()];
}

const arbitraries = new Map<string, fc.Arbitrary<string>>();

/** fast-check knows no look-ahead: what it forbids is left out afterwards. */
function matching(pattern: RegExp): fc.Arbitrary<string> {
  const there = arbitraries.get(pattern.source);
  if (there) return there;
  const plain = new RegExp(pattern.source.replace(/\(\?![^)]*\)/g, ''));
  const made = fc.stringMatching(plain).filter((text) => pattern.test(text));
  arbitraries.set(pattern.source, made);
  return made;
}

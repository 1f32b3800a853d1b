/** What the node has told of: transactions, branches, components, whatever its answers name together. */
import type { Random } from './random.js';

export type Entry = Readonly<Record<string, string>>;

/** Older ones are forgotten: most of them have ended. */
const MAX_ENTRIES = 1200;
/** So that one long list does not push out all else. */
const MAX_OF_AN_ANSWER = 12;
/** Most of the time what is used is one of the last so many: those are still under way. */
const NEW = 12;
/** The same thing under two names: a branch says which component, a component says its name. */
const ALSO: Readonly<Record<string, string>> = { name: 'component', component: 'name' };

/** What is told of the same thing later takes the place of what was told before. */
const IDENTITY = ['gid', 'branchId', 'name', 'instance', 'op', 'environment', 'namespace', 'release'];
/** Numbers that name something. */
const NUMBERS = ['release', 'revision', 'token'];

export class Known {
  /** By identity, the one told of last at the end. */
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly random: Random) {}

  /** An answer, or a part of one: the texts in it, together with those of what it is a part of. @param around of its path */
  learn(answer: unknown, around: Entry): void {
    const found: Entry[] = [];
    collect(answer, around, found);
    for (const entry of found.slice(0, MAX_OF_AN_ANSWER)) {
      const identity = IDENTITY.map((name) => entry[name] ?? '').join(' ');
      // Who drives it is known from its begin alone.
      const drive = entry['drive'] ?? this.entries.get(identity)?.['drive'];
      this.entries.delete(identity);
      this.entries.set(identity, drive === undefined ? entry : { ...entry, drive });
      const [oldest] = this.entries.keys();
      if (this.entries.size > MAX_ENTRIES && oldest !== undefined) this.entries.delete(oldest);
    }
  }

  /** Something that has all these names, or nothing. */
  pick(names: readonly string[]): Entry {
    const fitting = [...this.entries.values()].filter((entry) => names.every((name) => name in entry));
    if (fitting.length === 0) return {};
    const lot = this.random.below(100);
    const open = lot < 35 ? fitting.filter(({ status }) => status === 'open') : [];
    // Only what its initiator drives can be joined, submitted or aborted by it, and few begins make such a one.
    const joinable = lot < 10 ? open.filter(({ drive }) => drive === 'initiator') : [];
    if (joinable.length > 0) return this.random.pick(joinable.slice(-NEW));
    if (open.length > 0) return this.random.pick(open.slice(-NEW));
    return this.random.pick(lot < 70 ? fitting.slice(-NEW) : fitting);
  }
}

function collect(value: unknown, around: Entry, found: Entry[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, around, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const own: Record<string, string> = { ...around };
  for (const [name, field] of Object.entries(value)) {
    if (typeof field === 'number' && NUMBERS.includes(name)) own[name] = String(field);
    if (typeof field !== 'string') continue;
    own[name] = field;
    const also = ALSO[name];
    // Of the configuration center names are those of people.
    if (also !== undefined && !('environment' in own)) own[also] = field;
  }
  found.push(own);
  for (const field of Object.values(value)) collect(field, own, found);
}

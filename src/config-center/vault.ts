/** Contents as they are kept: canonical JSON with its secrets sealed. */
import { hash } from 'node:crypto';
import { canonicalJson } from '../config/canonical.js';
import { step } from '../config/pointer.js';
import { MASK, mayHoldSecrets, SECRET_KEY, secretIn, withSecrets } from '../config/secret.js';
import type { ConfigContent } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { FieldError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import type { DataKeys } from './data-keys.js';
import { partners } from './list-partners.js';
import { corrupt, unfit } from './refusals.js';
import { openSealed, seal } from './sealing.js';

/** What a new content is held against: its masked secrets are kept from these. */
export interface Prior {
  readonly draft: ConfigContent | null;
  readonly inForce: ConfigContent | null;
  /** The draft is based on another release than what is written now: neither of two secrets is surely the wanted one. */
  readonly isStale: boolean;
  /** Whether the writer may read them: nobody else is to find out by trying that a text in clear is one of them. */
  readonly mayRead: boolean;
}

/** As it stands in a row. */
export interface StoredContent {
  readonly content: string;
  readonly checksum: string;
}

export function checksumOfText(text: string): string {
  return hash('sha256', text, 'hex');
}

/** The content as it is kept. @throws TercetError TERCET_CONFIG_CORRUPT: it is not what was released */
export function verified(environment: string, namespace: string, { content, checksum }: StoredContent): ConfigContent {
  if (checksumOfText(content) !== checksum) {
    throw corrupt(environment, namespace, 'its content is not what its checksum says');
  }
  return JSON.parse(content) as ConfigContent;
}

export class Vault {
  constructor(private readonly dataKeys: DataKeys) {}

  /**
   * The content as services get it: secrets are plain strings.
   *
   * @param stored the text of a row
   * @throws TercetError TERCET_CONFIG_CORRUPT: a secret cannot be opened
   */
  async reveal(
    environment: string,
    namespace: string,
    stored: string,
    how: 'plain' | 'masked',
  ): Promise<ConfigContent> {
    const content = JSON.parse(stored) as ConfigContent;
    if (!mayHoldSecrets(stored)) return content;
    if (how === 'masked') return withSecrets(content, () => MASK) as ConfigContent;
    const owner = `${environment}/${namespace}`;
    const dataKey = await this.dataKeys.find(environment, namespace);
    return withSecrets(content, (sealed) => {
      const clear = dataKey && tryToOpen(dataKey, owner, sealed);
      if (clear === null) throw corrupt(environment, namespace, 'a secret of it was damaged, or its data key is gone');
      return clear;
    }) as ConfigContent;
  }

  /**
   * Seals what came in. A masked secret stays what it is at the same place in the draft, else in what is in force, and in
   * lists what it is in the same item, see {@link partners}; and what is the same in clear keeps the form it has there, if
   * the writer may read it.
   *
   * @throws TercetError naming each place where there is nothing to keep; TERCET_CONFIG_SECRETS_OFF
   */
  async seal(environment: string, namespace: string, content: ConfigContent, prior: Prior): Promise<ConfigContent> {
    const owner = `${environment}/${namespace}`;
    const dataKey = hasClear(content) ? await this.dataKeys.make(environment, namespace) : null;
    const sealing = new Sealing(owner, dataKey, (clear) => (dataKey ? seal(dataKey, owner, Buffer.from(clear)) : MASK));
    const sealed = sealing.whole(content, prior);
    if (sealing.missing.length > 0) throw unfit('a masked secret has no value that it could keep', sealing.missing);
    return sealed as ConfigContent;
  }

  /** For a diff alone: what came in, its secrets as {@link seal} would keep them, and as nothing else where it would not. */
  async likened(environment: string, namespace: string, content: ConfigContent, prior: Prior): Promise<ConfigContent> {
    const dataKey = await this.dataKeys.find(environment, namespace).catch((error: unknown) => {
      if (error instanceof TercetError) return null;
      throw error;
    });
    const sealing = new Sealing(`${environment}/${namespace}`, dataKey, () => MASK);
    return sealing.whole(content, prior) as ConfigContent;
  }
}

/** What stands where something new is put. */
interface Seen {
  readonly value: Json | undefined;
  /** Whether what is masked may be this; what is in clear is held against it in any case. */
  readonly keeps: boolean;
}

class Sealing {
  readonly missing: FieldError[] = [];
  private isStale = false;
  private mayRead = false;

  constructor(
    private readonly owner: string,
    private readonly dataKey: Buffer | null,
    private readonly fresh: (clear: string) => string,
  ) {}

  whole(content: ConfigContent, { draft, inForce, isStale, mayRead }: Prior): Json {
    this.isStale = isStale;
    this.mayRead = mayRead;
    const seen = (value: Json | null): Seen => ({ value: value ?? undefined, keeps: true });
    return this.walk(content, seen(draft), seen(inForce), '');
  }

  private walk(value: Json, draft: Seen, inForce: Seen, path: string): Json {
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return this.list(value, draft, inForce, path);
    const text = secretIn(value);
    if (text !== undefined) return { [SECRET_KEY]: this.sealed(text, draft, inForce, path) };
    return Object.fromEntries(
      Object.entries(value).map(([key, field]) => {
        return [key, this.walk(field, at(draft, key), at(inForce, key), step(path, key))];
      }),
    );
  }

  private list(items: Json[], draft: Seen, inForce: Seen, path: string): Json {
    if (!mayHoldSecrets(JSON.stringify(items))) return items;
    const drafted = partners(items, listIn(draft));
    const released = partners(items, listIn(inForce));
    const hasDraft = Array.isArray(draft.value);
    return items.map((item, index) => {
      const [ofDraft, ofForce] = [drafted[index]?.by, released[index]?.by];
      // Where the draft leaves it open, what is in force would answer with something older.
      const keeps = ofDraft !== 'unclear';
      const isItsOwn = ofForce === 'same' || (ofForce === 'place' && !hasDraft);
      return this.walk(
        item,
        kept(at(draft, drafted[index]?.index), keeps),
        kept(at(inForce, released[index]?.index), keeps && isItsOwn),
        step(path, index),
      );
    });
  }

  private sealed(text: string, draft: Seen, inForce: Seen, path: string): string {
    const [drafted, released] = [secretIn(draft.value), secretIn(inForce.value)];
    if (text === MASK) {
      if (this.isStale && drafted !== undefined && released !== undefined && drafted !== released) {
        const next = 'send it in clear, or discard the draft';
        const message = `is masked, and the draft and what is in force have different secrets here: ${next}`;
        this.missing.push({ path, message });
        return MASK;
      }
      const found = (draft.keeps ? drafted : undefined) ?? (inForce.keeps ? released : undefined);
      if (found === undefined) {
        const isOpen = drafted !== undefined || released !== undefined;
        const why = isOpen ? 'which secret of its list this was is not clear' : 'there is no secret here yet';
        this.missing.push({ path, message: `is masked, and ${why}: send it in clear` });
      }
      return found ?? MASK;
    }
    if (!this.mayRead) return this.fresh(text);
    // That of what is in force first: against that a diff is shown.
    const same = [released, drafted].find((sealed) => sealed !== undefined && this.opened(sealed) === text);
    return same ?? this.fresh(text);
  }

  private opened(sealed: string): string | null {
    return this.dataKey && tryToOpen(this.dataKey, this.owner, sealed);
  }
}

function tryToOpen(dataKey: Buffer, owner: string, sealed: string): string | null {
  try {
    return openSealed(dataKey, owner, sealed).toString();
  } catch {
    return null;
  }
}

function at({ value, keeps }: Seen, key: string | number | null | undefined): Seen {
  const nothing = { value: undefined, keeps };
  if (value === undefined || value === null || typeof value !== 'object' || key === null || key === undefined)
    return nothing;
  if (Array.isArray(value) !== (typeof key === 'number')) return nothing;
  return Object.hasOwn(value, key) ? { value: (value as Record<string, Json>)[key], keeps } : nothing;
}

function listIn({ value }: Seen): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function kept({ value, keeps }: Seen, isSo: boolean): Seen {
  return { value, keeps: keeps && isSo };
}

function hasClear(content: ConfigContent): boolean {
  let has = false;
  withSecrets(content, (text) => {
    has ||= text !== MASK;
    return null;
  });
  return has;
}

/** As it is kept. */
export function storedText(content: ConfigContent): string {
  return canonicalJson(content);
}

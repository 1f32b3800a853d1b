/** The keys that only the environment of the processes has. They seal the data keys, and those seal what is secret. */
import { openSealed, seal } from './sealing.js';

const ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 32 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{43}=$/;
const FORM = 'ID:BASE64 with 32 bytes in base64';
const MAX_KEYS = 16;

/**
 * @param text `ID:BASE64` of 32 bytes each, between commas or white space: the first wraps, all unwrap
 * @throws Error naming the entry that is wrong by its place, never what could be a key
 */
export function parseMasterKeys(text: string): MasterKeys {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MAX_KEYS) {
    throw new Error(`it has ${parts.length} entries; it must have 1 to ${MAX_KEYS} of the form ${FORM}`);
  }
  const keys = new Map<string, Buffer>();
  for (const [index, part] of parts.entries()) {
    const [id = '', key = '', ...more] = part.split(':');
    if (!ID.test(id) || !KEY.test(key) || more.length > 0) {
      throw new Error(`entry ${index + 1} is not of the form ${FORM}; \`openssl rand -base64 32\` makes such bytes`);
    }
    if (keys.has(id)) throw new Error(`entry ${index + 1} has the id '${id}' of another one`);
    keys.set(id, Buffer.from(key, 'base64'));
  }
  return new MasterKeys(keys);
}

export interface Wrapped {
  /** Id of the master key. */
  readonly master: string;
  readonly wrapped: string;
}

export class MasterKeys {
  /** @param keys by id, the one that wraps first */
  constructor(private readonly keys: ReadonlyMap<string, Buffer>) {}

  /** @param owner whose data key it is: it can be unwrapped as that one's alone */
  wrap(dataKey: Buffer, owner: string): Wrapped {
    const [first] = this.keys;
    if (!first) throw new Error('there is no master key');
    return { master: first[0], wrapped: seal(first[1], owner, dataKey) };
  }

  /** @throws Error saying why it cannot be */
  unwrap({ master, wrapped }: Wrapped, owner: string): Buffer {
    const key = this.keys.get(master);
    if (!key)
      throw new Error(`its data key was sealed with the master key '${master}', which is not in TERCET_CONFIG_KEYS`);
    try {
      return openSealed(key, owner, wrapped);
    } catch {
      throw new Error(
        `the master key '${master}' does not open its data key: it is another one, or the data key is damaged`,
      );
    }
  }
}

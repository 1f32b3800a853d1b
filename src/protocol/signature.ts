/**
 * The header `tercet-signature`: how it is made and checked. docs/wire.md, section 7, says what it covers; the
 * coordinator makes it, services check it.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** What the signature covers, beside the time. */
export interface Signed {
  readonly method: string;
  /** With its query, as it stands in the request line. */
  readonly path: string;
  readonly gid: string;
  readonly op: string;
  /** The very bytes; a text is its UTF-8. */
  readonly body: string | Uint8Array;
}

/** How old a call may be, and how far ahead the clock of who signed it, in ms. */
export const DEFAULT_TOLERANCE_MS = 300_000;
const SECRET = /^[\x21-\x7e]{32,1024}$/;
const MAX_SECRETS = 2;
/** Room for more signatures than two secrets make; a longer header is none of ours. */
const MAX_HEADER_CHARS = 1024;

/** One secret, or two while one takes the other's place. They cannot be read out again. */
export class SigningSecrets {
  private readonly keys: readonly KeyObject[];

  /**
   * @param text one secret, or two between a comma, each 32 to 1024 characters of printable ASCII without spaces
   * @throws RangeError that says what is wrong, and no part of a secret
   */
  constructor(text: string) {
    const secrets = text.split(',').map((part) => part.trim());
    if (secrets.length > MAX_SECRETS) throw new RangeError(`holds ${secrets.length} secrets; one or two are possible`);
    const bad = secrets.findIndex((secret) => !SECRET.test(secret));
    if (bad >= 0) {
      const which = secrets.length === 1 ? 'the secret' : `secret ${bad + 1} of ${secrets.length}`;
      throw new RangeError(`${which} must have 32 to 1024 printable ASCII characters, no space and no comma`);
    }
    this.keys = secrets.map((secret) => createSecretKey(Buffer.from(secret)));
  }

  /**
   * The value of the header, with one `v1` for each secret.
   *
   * @param at ms since the epoch
   */
  sign(signed: Signed, at: number): string {
    const time = Math.floor(at / 1000);
    let header = `t=${time}`;
    for (const key of this.keys) header += `,v1=${mac(key, time, signed).toString('hex')}`;
    return header;
  }

  /**
   * Looks whether one of the secrets signed this.
   *
   * @param header as it came; undefined: there was none
   * @param now ms since the epoch
   * @returns what is wrong with it, or null
   */
  problem(header: string | undefined, signed: Signed, now: number, toleranceMs = DEFAULT_TOLERANCE_MS): string | null {
    if (header === undefined) return 'there is no tercet-signature: set TERCET_SIGNING_SECRET of the coordinator';
    const parsed = parse(header);
    if (!parsed) return 'tercet-signature is not of the form t=SECONDS,v1=HEX';
    const ageMs = now - parsed.time * 1000;
    const seconds = Math.abs(Math.round(ageMs / 1000));
    if (ageMs > toleranceMs) return `it was signed ${seconds} s ago, which is too old`;
    if (-ageMs > toleranceMs) return `it was signed ${seconds} s ahead of the clock here`;
    for (const key of this.keys) {
      const right = mac(key, parsed.time, signed);
      if (parsed.macs.some((given) => timingSafeEqual(given, right))) return null;
    }
    return 'no secret known here made its signature: compare TERCET_SIGNING_SECRET';
  }
}

function mac(key: KeyObject, time: number, { method, path, gid, op, body }: Signed): Buffer {
  return createHmac('sha256', key).update(`${time}\n${method}\n${path}\n${gid}\n${op}\n`).update(body).digest();
}

/** Parts with other names are left alone: a later version may add some. Null: what is needed is not there, once. */
function parse(header: string): { time: number; macs: Buffer[] } | null {
  if (header.length > MAX_HEADER_CHARS) return null;
  const parts = header.split(',');
  const [time, ...more] = parts.filter((part) => part.startsWith('t='));
  const macs = parts.filter((part) => part.startsWith('v1='));
  const isWhole = more.length === 0 && macs.length > 0 && macs.every((part) => /^v1=[0-9a-f]{64}$/.test(part));
  if (time === undefined || !/^t=\d{1,12}$/.test(time) || !isWhole) return null;
  return { time: Number(time.slice(2)), macs: macs.map((part) => Buffer.from(part.slice(3), 'hex')) };
}

/** Whether a call comes from a coordinator that shares the secret; docs/wire.md, section 7. */
import { SigningSecrets } from '../protocol/signature.js';
import { HEADERS } from '../protocol/words.js';
import { TercetError } from './errors.js';

/** As Node has them: names in lower case. */
export type CallHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface ReceivedCall {
  readonly method: string;
  /** As it stands in the request line, with its query: that of the URL that the component is registered with. */
  readonly path: string;
  readonly headers: CallHeaders;
  /** The very bytes that came, before anything parsed them. */
  readonly body: string | Uint8Array;
  /** One secret, or two between a comma: a call that either of them signed is good. */
  readonly secrets: SigningSecrets | string;
  /** How old a call may be, and how far ahead the coordinator's clock, in ms; default 300000. */
  readonly toleranceMs?: number;
}

/**
 * Returns if the call was signed with one of the secrets, not long ago; do nothing for one that was not.
 *
 * @throws TercetError TERCET_SIGNATURE_INVALID, to be answered with its status 401; RangeError: a secret is none
 */
export function verifyCall({ method, path, headers, body, secrets, toleranceMs }: ReceivedCall): void {
  const known = typeof secrets === 'string' ? new SigningSecrets(secrets) : secrets;
  const signed = { method, path, gid: textOf(headers[HEADERS.gid]), op: textOf(headers[HEADERS.op]), body };
  const signature = headers[HEADERS.signature];
  const header = signature === undefined ? undefined : textOf(signature);
  const problem = known.problem(header, signed, Date.now(), toleranceMs);
  if (problem !== null) throw TercetError.of('TERCET_SIGNATURE_INVALID', problem);
}

function textOf(header: string | string[] | undefined): string {
  return String(header ?? '');
}

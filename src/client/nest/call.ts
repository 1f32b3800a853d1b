/** A call of the coordinator, checked before anything is done for it; docs/wire.md section 7. */
import { HEADERS, IDENTIFIER } from '../../protocol/words.js';
import type { ParticipantCall } from '../../protocol/words.js';
import { TercetError } from '../errors.js';
import type { CallHeaders } from '../signature.js';

/** Takes the body for a call only if it says what the path and the headers say; fields it does not know do no harm. */
export function parseCall(body: unknown, headers: CallHeaders, component: string, op: string): ParticipantCall {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid('the body must be a JSON object; send content-type application/json');
  }
  const call = body as Partial<Record<keyof ParticipantCall, unknown>>;
  for (const field of ['gid', 'branchId', 'component'] as const) {
    const value = call[field];
    if (typeof value !== 'string' || !IDENTIFIER.test(value)) throw invalid(`${field}: must be an identifier`);
  }
  if (call.op !== op) throw invalid(`op: must be '${op}', as in the path`);
  if (call.component !== component) throw invalid(`component: must be '${component}', as in the path`);
  if (!Number.isSafeInteger(call.attempt) || (call.attempt as number) < 1) {
    throw invalid('attempt: must be a whole number from 1');
  }
  if (typeof call.beganAt !== 'string' || Number.isNaN(Date.parse(call.beganAt))) {
    throw invalid('beganAt: must be a time, ISO 8601');
  }
  for (const [header, said] of [
    [HEADERS.gid, call.gid],
    [HEADERS.branch, call.branchId],
    [HEADERS.op, call.op],
    [HEADERS.attempt, String(call.attempt)],
  ] as const) {
    if (headers[header] !== undefined && headers[header] !== said) {
      throw invalid(`${header}: the header says '${String(headers[header])}', the body '${String(said)}'`);
    }
  }
  return { ...call, payload: call.payload ?? null, reply: call.reply ?? null } as ParticipantCall;
}

/** How long the caller still listens, in ms. */
export function timeoutOf(headers: CallHeaders): number | undefined {
  const timeoutMs = Number(headers[HEADERS.timeoutMs]);
  return Number.isFinite(timeoutMs) && timeoutMs > 0 ? timeoutMs : undefined;
}

function invalid(detail: string): TercetError {
  return TercetError.of('TERCET_CALL_INVALID', detail);
}

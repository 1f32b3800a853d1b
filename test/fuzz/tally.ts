/** What was asked and answered: by operation and status, with everything that was wrong. */
import type { Answer } from './exchange.js';
import type { Operation, Request } from './requests.js';

/** More of one kind tell nothing new. */
const MAX_OF_A_KIND = 3;
const SHOWN_BYTES = 30_000;

export class Tally {
  /** By operation, then by status. */
  private readonly counts = new Map<string, Map<string, number>>();
  private readonly kinds = new Map<string, number>();
  private readonly proven = new Set<string>();
  readonly failures: string[] = [];
  requests = 0;

  /** @param say is told of each failure at once */
  constructor(private readonly say: (failure: string) => void = () => undefined) {}

  /** @param answer null: nobody waited for one, or it was no request; undefined: there was none */
  count({ operation, method, way }: Request, answer: Answer | null | undefined): void {
    this.requests += 1;
    const name = operation?.operationId ?? (way === 'raw' ? '(bytes)' : `(${method} of nothing)`);
    const without = answer === undefined ? 'no answer' : way === 'leave' ? 'left' : 'closed';
    const what = answer ? String(answer.status) : without;
    const row = this.counts.get(name) ?? new Map<string, number>();
    this.counts.set(name, row.set(what, (row.get(what) ?? 0) + 1));
    if (operation && answer && answer.status < 300) this.proven.add(operation.operationId);
  }

  /** @param request null: it is the node that something is wrong with */
  fail(request: Request | null, why: string): void {
    const kind = `${request?.operation?.operationId ?? request?.method ?? ''} ${why.slice(0, 60)}`;
    const sofar = this.kinds.get(kind) ?? 0;
    this.kinds.set(kind, sofar + 1);
    if (sofar >= MAX_OF_A_KIND) return;
    const failure = request ? `${why}\n    ${asCommand(request)}` : why;
    this.failures.push(failure);
    this.say(`WRONG: ${failure}`);
  }

  isProven({ operationId }: Operation): boolean {
    return this.proven.has(operationId);
  }

  table(): string {
    const rows = [...this.counts].sort(([a], [b]) => a.localeCompare(b));
    return rows
      .map(([name, row]) => {
        const shown = [...row].sort(([a], [b]) => a.localeCompare(b)).map(([what, count]) => `${what}: ${count}`);
        return `  ${name.padEnd(22)} ${shown.join('  ')}`;
      })
      .join('\n');
  }
}

/** For a shell, with the node in $URL. */
function asCommand({ bytes, method, path, headers, body }: Request): string {
  if (bytes) return `printf ${quoted(bytes)} | nc HOST PORT`;
  const named = headers.map(
    ([name, value]) => `-H ${quoted(Buffer.from(`${name}${value ? ':' : ';'} ${value}`.trim()))}`,
  );
  const data = body ? [`--data-binary ${quoted(body)}`] : [];
  const type = body && !headers.some(([name]) => name === 'content-type') ? ["-H 'content-type:'"] : [];
  return [
    'curl -sig --path-as-is',
    method === 'HEAD' ? '-I' : `-X ${method}`,
    `"$URL"${quoted(Buffer.from(path))}`,
    ...type,
    ...named,
    ...data,
  ].join(' ');
}

/** As bash reads it. */
function quoted(bytes: Buffer): string {
  const text = [...bytes.subarray(0, SHOWN_BYTES)]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c;
      return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  const short = text.replace(/x{200,}/g, ({ length }) => `'"$(printf 'x%.0s' {1..${length}})"$'`);
  return `$'${short}'${bytes.length > SHOWN_BYTES ? `…(${bytes.length} bytes)` : ''}`;
}

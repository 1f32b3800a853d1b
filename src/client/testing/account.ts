/** What happened, for whoever reads why a test failed. */
import type { EventView, TransactionView } from '../../protocol/words.js';
import type { CallRecord } from './participants.js';

interface Line {
  readonly at: number;
  readonly node: string;
  readonly text: string;
  /** What is the same for calls that are alike; null: it is told by itself. */
  readonly alike: string | null;
}

/** One transaction from its begin: every call that was planned or made, and every decision. */
export function accountOf(
  tx: TransactionView,
  events: readonly EventView[],
  records: readonly CallRecord[],
  beginMs: number,
): string {
  // Calls are told by the kit, which knows of those too that nobody heard of.
  const told = events.filter(({ kind }) => kind !== 'call').map((event) => eventLine(event, beginMs));
  const made = records.filter(({ gid }) => gid === tx.gid).map(callLine);
  // Of one moment the calls come first: what is decided follows from them.
  const lines = shortened([...made, ...told].sort((a, b) => a.at - b.at));
  const width = Math.max(...lines.map(({ at }) => String(at).length));
  const text = lines.map(({ at, node, text }) => `  ${String(at).padStart(width)} ms  ${node}  ${text}`);
  return [`${tx.mode} '${tx.gid}' is ${tx.status}${tx.parked ? ' and parked' : ''}`, ...text].join('\n');
}

/** Of calls in a row that are alike only the first and the last one. */
function shortened(lines: readonly Line[]): Line[] {
  return lines.flatMap((line, index) => {
    const [before, after] = [lines[index - 1], lines[index + 1]];
    const isMiddle = line.alike !== null && before?.alike === line.alike && after?.alike === line.alike;
    if (!isMiddle) return [line];
    return lines[index - 2]?.alike === line.alike ? [] : [{ ...line, text: '…' }];
  });
}

function eventLine({ at, node, kind, branchId, detail }: EventView, beginMs: number): Line {
  const of = branchId === undefined ? '' : ` by ${branchId}`;
  const text = detail === undefined ? kind : `${kind}${of}: ${detail}`;
  return { at: Date.parse(at) - beginMs, node, text, alike: null };
}

function callLine(call: CallRecord): Line {
  const { atMs, node, op, component, branchId, attempt, outcome, detail, ran, changes } = call;
  const name = component === branchId ? component : `${component} (${branchId})`;
  const effect = ran ? 'took effect' : outcome === 'done' ? 'nothing to do, says the fence' : 'no effect';
  const heard = [outcome ?? 'no answer', ...(detail === null ? [] : [detail])].join(': ');
  const changed = changes.map(({ path, before, after }) => `; ${path} ${before} → ${after}`).join('');
  const came = `${heard}; ${effect}${changed}`;
  return { at: atMs, node, text: `${op} ${name} #${attempt}  ${came}`, alike: `${node} ${op} ${name} ${came}` };
}

/** A timeline as lines: when, what, which branch, how it went. */
import { CHECK_BRANCH } from '../protocol/words.js';
import type { EventView, TransactionView } from '../protocol/words.js';
import { offset } from './moments.js';
import { table } from './table.js';
import type { Cell } from './table.js';
import { plain } from './terminal.js';
import { OUTCOME_STYLES, outcomeOf } from './transaction-words.js';

/** As wide as any event: lines that come one by one stand under each other. */
const WIDEST_OFFSET = '+59.999 s';
const WIDEST_WHAT = 'operator';

export class Timeline {
  private node = '';

  constructor(
    private readonly tx: TransactionView,
    private readonly indent = '',
  ) {}

  titles(): string {
    return this.lines([])[0] ?? '';
  }

  /** The next events; a line of its own says where another node goes on. */
  next(events: readonly EventView[]): string[] {
    const rows = events.flatMap((event) => {
      const isHandedOver = this.node !== '' && event.node !== this.node;
      this.node = event.node;
      const row = this.row(event);
      return isHandedOver ? [['', ['node', 'cyan'], '', `${plain(event.node)} goes on`] satisfies Cell[], row] : [row];
    });
    return this.lines(rows).slice(1);
  }

  private lines(rows: Cell[][]): string[] {
    const names = [...this.tx.branches.map(({ branchId }) => branchId), ...(this.tx.check ? [CHECK_BRANCH] : [])];
    const longest = Math.max(0, ...names.map((name) => name.length));
    const columns = [
      { title: 'AT'.padStart(WIDEST_OFFSET.length), isNumber: true },
      { title: 'WHAT'.padEnd(WIDEST_WHAT.length) },
      { title: 'BRANCH'.padEnd(longest) },
      { title: 'HOW' },
    ] as const;
    return table(columns, rows, this.indent);
  }

  private row(event: EventView): Cell[] {
    const { kind, branchId = '', op = '', detail = '' } = event;
    const at = offset(Date.parse(event.at) - Date.parse(this.tx.beganAt));
    const said = plain(detail);
    switch (kind) {
      case 'begun':
        return [at, 'begun', branchId, `on node ${plain(event.node)}${underRelease(this.tx)}`];
      case 'call': {
        const attempt = event.attempt !== undefined && event.attempt > 1 ? `#${event.attempt} ` : '';
        const took = event.durationMs === undefined ? '' : ` in ${event.durationMs} ms`;
        const how = `${attempt}${outcomeOf(event)}${took}${said === '' ? '' : `: ${said}`}`;
        return [at, op, branchId, [how, OUTCOME_STYLES[event.outcome ?? 'unknown']]];
      }
      case 'decided':
        return [at, [kind, 'bold'], branchId, [said, 'bold']];
      case 'parked':
        return [at, [kind, 'red'], branchId, [said, 'red']];
      case 'paused':
        return [at, [kind, 'yellow'], branchId, [`${op}: ${said}`, 'yellow']];
      case 'operator':
        return [at, [kind, 'yellow'], branchId, said];
      case 'ended':
        return [at, [kind, 'bold'], branchId, [said, 'bold']];
    }
  }
}

function underRelease({ release }: TransactionView): string {
  return release === null ? '' : `, under release ${release}`;
}

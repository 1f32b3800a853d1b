/** What the demo prints: plain lines in a pipe, colours and a moving line on a terminal; at most 80 columns. */
import type { EventView, TransactionView } from '@tercet/client';

export const COLUMNS = 80;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 90;

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Style = keyof typeof CODES;

export class Narrator {
  private readonly isTerminal = process.stdout.isTTY === true;
  private readonly hasColour =
    (this.isTerminal || Boolean(process.env['FORCE_COLOR'])) &&
    !process.env['NO_COLOR'] &&
    process.env['TERM'] !== 'dumb';

  style(text: string, ...styles: Style[]): string {
    if (!this.hasColour || styles.length === 0) return text;
    return `${styles.map((style) => `\u001b[${CODES[style]}m`).join('')}${text}\u001b[0m`;
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line();
    this.line(`${this.style(text, 'bold')} ${this.style('─'.repeat(Math.max(0, COLUMNS - text.length - 1)), 'dim')}`);
  }

  say(text: string): void {
    for (const line of wrap(text, COLUMNS - 2)) this.line(`  ${line}`);
  }

  good(text: string): void {
    this.line(`  ${this.style('✔', 'green')} ${text}`);
  }

  bad(text: string): void {
    this.line(`  ${this.style('✘', 'red')} ${text}`);
  }

  /** Shows that something is under way until it ends; `state` may say how far it is. */
  async during<T>(text: string, work: Promise<T>, state?: () => string): Promise<T> {
    const from = Date.now();
    const elapsed = (): string => `${((Date.now() - from) / 1000).toFixed(1)} s`;
    if (!this.isTerminal) {
      const result = await work;
      this.line(`  · ${text} (${elapsed()})`);
      return result;
    }
    let frame = 0;
    const draw = (): void => {
      const spinner = SPINNER[frame++ % SPINNER.length] ?? '';
      const status = `${text} ${state?.() ?? ''}`.trimEnd();
      process.stdout.write(`\r\u001b[K  ${this.style(spinner, 'cyan')} ${status} ${this.style(elapsed(), 'dim')}`);
    };
    draw();
    const timer = setInterval(draw, FRAME_MS);
    try {
      return await work;
    } finally {
      clearInterval(timer);
      process.stdout.write(`\r\u001b[K  ${this.style('·', 'dim')} ${text} ${this.style(elapsed(), 'dim')}\n`);
    }
  }

  outcome(tx: TransactionView): void {
    const decision = tx.decision === 'commit' ? this.style(tx.status, 'green') : this.style(tx.status, 'yellow');
    const why = tx.reason ? this.style(` · ${tx.reason.kind}: ${tx.reason.detail ?? ''}`, 'dim') : '';
    this.line(`  ${this.style(tx.gid, 'bold')} ${decision}${why}`);
  }

  /** What the coordinator recorded of one transaction, a line for each event, with its place in time. */
  timeline(tx: TransactionView, events: readonly EventView[]): void {
    const start = Date.parse(tx.beganAt);
    const spanMs = Math.max(1, ...events.map((event) => Date.parse(event.at) - start));
    let [node] = events.map((event) => event.node);
    for (const event of events) {
      if (event.node !== node)
        this.line(`  ${' '.repeat(8)} ${this.style(`⇄ from here on by node ${event.node}`, 'cyan')}`);
      node = event.node;
      this.event(event, start, spanMs, tx);
    }
  }

  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = head.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
    );
    const format = (row: readonly string[]): string =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ');
    this.line(`  ${this.style(format(head), 'dim')}`);
    for (const row of rows) this.line(`  ${format(row)}`);
  }

  private event(event: EventView, start: number, spanMs: number, { release }: TransactionView): void {
    const atMs = Date.parse(event.at) - start;
    const { mark, text, style } = describe(event, release);
    const bar = place(atMs, event.durationMs ?? 0, spanMs);
    const when = `${atMs} ms`.padStart(8);
    const label = cut(text, COLUMNS - 2 - 9 - 2 - BAR - 2).padEnd(COLUMNS - 2 - 9 - 2 - BAR - 2);
    this.line(`  ${this.style(when, 'dim')} ${this.style(mark, style)} ${label} ${this.style(bar, style)}`);
  }
}

/** In cents. */
export function money(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}

const BAR = 20;

/** A call ends at `atMs` and took `durationMs`; everything else is a point. */
function place(atMs: number, durationMs: number, spanMs: number): string {
  const column = (ms: number): number => Math.min(BAR - 1, Math.max(0, Math.round((ms / spanMs) * (BAR - 1))));
  const [from, to] = [column(atMs - durationMs), column(atMs)];
  return `${' '.repeat(from)}${'━'.repeat(to - from + 1)}`.padEnd(BAR);
}

function describe(event: EventView, release: number | null): { mark: string; text: string; style: Style } {
  const detail = event.detail ? ` ${event.detail}` : '';
  const why = event.detail ? `: ${event.detail}` : '';
  switch (event.kind) {
    case 'begun':
      return {
        mark: '●',
        text: `begun${release === null ? ', every branch recorded' : `, under release ${release}`}`,
        style: 'blue',
      };
    case 'decided':
      return { mark: '◆', text: `decided:${detail}`, style: detail.startsWith(' commit') ? 'green' : 'yellow' };
    case 'parked':
      return { mark: '‖', text: `parked: ${event.branchId ?? ''}${detail}`, style: 'red' };
    case 'paused':
      return { mark: '⏸', text: `${(event.branchId ?? '').padEnd(10)}${event.op} ${pause(detail)}`, style: 'yellow' };
    case 'operator':
      return { mark: '☛', text: `operator:${detail}`, style: 'cyan' };
    case 'ended':
      return { mark: '■', text: `ended:${detail}`, style: 'blue' };
    case 'call': {
      const attempt = event.attempt && event.attempt > 1 ? ` #${event.attempt}` : '';
      const name = `${event.op ?? ''}${attempt} `.padEnd(11);
      const count = event.count && event.count > 1 ? ` ×${event.count}` : '';
      // What went wrong says more than that it is not known what came of it.
      const said = event.outcome === 'unknown' && event.detail ? event.detail : `${event.outcome}${count}${why}`;
      const text = `${(event.branchId ?? '').padEnd(10)}${name}${said}`;
      const styles = { done: 'green', refused: 'yellow', pending: 'cyan', unknown: 'red' } as const;
      return { mark: event.outcome === 'done' ? '✔' : '✘', text, style: styles[event.outcome ?? 'unknown'] };
    }
  }
}

/** The component is said already. */
function pause(detail: string): string {
  return /paused by .*/.exec(detail)?.[0] ?? 'paused';
}

function cut(text: string, width: number): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last.length + word.length + 1 > width && last !== '') lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

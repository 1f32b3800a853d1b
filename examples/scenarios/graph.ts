/**
 * A saga as a graph: a box for each branch with what became of its action and when, and in which turn it was undone.
 * Everything in it is read from the timeline that the coordinator recorded.
 */
import type { BranchView, EventView } from '@tercet/client';
import type { Style } from './narrator.js';

type Node = Pick<BranchView, 'branchId' | 'after' | 'pivot'>;
type Paint = (text: string, ...styles: Style[]) => string;

interface Row {
  readonly text: string;
  readonly style: Style;
}

/** Between the frames of a box; four of them stand beside each other within 80 columns. */
const INNER = 12;
const BOX = INNER + 4;
/** Row of a box where arrows come and go: its name. */
const ARROW_ROW = 1;

/**
 * Lines of text, not indented. It draws stages, each of which waits for the whole of the one before.
 *
 * @throws Error for a graph that is not made of such stages
 */
export function drawGraph(nodes: readonly Node[], events: readonly EventView[], paint: Paint): string[] {
  const stages = stagesOf(nodes);
  const turns = undoTurns(events);
  const start = Date.parse(events[0]?.at ?? '');
  const columns = stages.map((stage) => stage.map((node) => boxOf(node, events, start, turns)));
  const boxHeight = turns.size > 0 ? 5 : 4;
  const height = boxHeight * Math.max(...columns.map((boxes) => boxes.length));
  const tops = columns.map((boxes) => {
    const first = Math.floor((height - boxes.length * boxHeight) / 2);
    return boxes.map((_, index) => first + index * boxHeight);
  });
  return Array.from({ length: height }, (_, y) =>
    columns
      .map((boxes, column) => {
        const at = tops[column] ?? [];
        const box = boxRow(boxes, at, boxHeight, y, paint);
        const next = tops[column + 1];
        return next ? box + paint(arrows(at, next, y - ARROW_ROW), 'dim') : box;
      })
      .join('')
      .trimEnd(),
  );
}

/**
 * In which turn each branch was undone, from 1. Those whose compensations overlapped in time, so that none waited for
 * the other, share one.
 */
export function undoTurns(events: readonly EventView[]): Map<string, number> {
  const spans = new Map<string, { from: number; to: number }>();
  for (const { kind, op, branchId, outcome, at, durationMs = 0 } of events) {
    if (kind !== 'call' || op !== 'compensate' || branchId === undefined) continue;
    const to = Date.parse(at);
    const from = spans.get(branchId)?.from ?? to - durationMs;
    // Until it is done; what came of it before is one wait for those behind it.
    spans.set(branchId, { from, to: outcome === 'done' ? to : Infinity });
  }
  const turns = new Map<string, number>();
  for (const [branchId, { from, to }] of [...spans].sort(([, a], [, b]) => a.from - b.from)) {
    if (to === Infinity) continue;
    const isBefore = (other: string): boolean => {
      const span = spans.get(other);
      return span !== undefined && span.to <= from && span.from < from;
    };
    const before = [...turns].filter(([other]) => isBefore(other)).map(([, turn]) => turn);
    turns.set(branchId, 1 + Math.max(0, ...before));
  }
  return turns;
}

function stagesOf(nodes: readonly Node[]): Node[][] {
  const stages: Node[][] = [];
  let left = nodes;
  while (left.length > 0) {
    const placed = stages.flat().map(({ branchId }) => branchId);
    const stage = left.filter(({ after = [] }) => after.every((name) => placed.includes(name)));
    const before = (stages.at(-1) ?? []).map(({ branchId }) => branchId);
    const isWhole = stage.every(({ after = [] }) => before.every((name) => after.includes(name)));
    if (stage.length === 0 || !isWhole) throw new Error('only stages that wait for the whole of the one before');
    stages.push(stage);
    left = left.filter((node) => !stage.includes(node));
  }
  return stages;
}

/** Its rows: the name, what became of the action, the undoing. */
function boxOf(
  { branchId, pivot }: Node,
  events: readonly EventView[],
  start: number,
  turns: ReadonlyMap<string, number>,
): Row[] {
  const turn = turns.get(branchId);
  const undo = turn === undefined ? '' : `↩ ${ORDINALS[turn] ?? `${turn}th`}`;
  const action = actionRow(branchId, events, start);
  // As the timeline marks a decision.
  const name = pivot && action.style === 'green' ? `${branchId} ◆` : branchId;
  return [{ text: name, style: 'bold' }, action, { text: undo, style: 'yellow' }];
}

function actionRow(branchId: string, events: readonly EventView[], start: number): Row {
  const last = events.findLast((event) => event.op === 'action' && event.branchId === branchId);
  if (!last) return { text: '· not called', style: 'dim' };
  if (last.outcome === 'done') return { text: `✔ ${Date.parse(last.at) - start} ms`, style: 'green' };
  return { text: `✘ ${last.outcome}`, style: 'red' };
}

const NOTHING: Row = { text: '', style: 'dim' };
const ORDINALS = ['', 'first', 'second', 'third'];

function boxRow(
  boxes: readonly (readonly Row[])[],
  tops: readonly number[],
  height: number,
  y: number,
  paint: Paint,
): string {
  const index = tops.findIndex((top) => y >= top && y < top + height);
  const box = boxes[index];
  if (!box) return ' '.repeat(BOX);
  const row = y - (tops[index] ?? 0);
  if (row === 0) return paint(`╭${'─'.repeat(INNER + 2)}╮`, 'dim');
  if (row === height - 1) return paint(`╰${'─'.repeat(INNER + 2)}╯`, 'dim');
  const { text, style } = box[row - 1] ?? NOTHING;
  const side = paint('│', 'dim');
  return `${side} ${paint(text.slice(0, INNER).padEnd(INNER), style)} ${side}`;
}

/** One row of what stands between two stages: a line down that joins all who leave and all who arrive. */
function arrows(from: readonly number[], to: readonly number[], y: number): string {
  const all = [...from, ...to];
  const [top, bottom] = [Math.min(...all), Math.max(...all)];
  const [leaves, arrives] = [from.includes(y), to.includes(y)];
  if (y < top || y > bottom) return '    ';
  const joint = JOINTS[[leaves, y > top, arrives, y < bottom].map(Number).join('')] ?? ' ';
  return `${leaves ? '─' : ' '}${joint}${arrives ? '─▶' : '  '}`;
}

/** By where lines go: left, up, right, down. */
const JOINTS: Readonly<Record<string, string>> = {
  '0101': '│',
  '1010': '─',
  '1001': '┐',
  '1100': '┘',
  '0011': '┌',
  '0110': '└',
  '1011': '┬',
  '1110': '┴',
  '1101': '┤',
  '0111': '├',
  '1111': '┼',
};

/** The demo's picture of a saga, over timelines as the coordinator records them. */
import { drawGraph, undoTurns } from '../../examples/scenarios/graph.js';
import type { EventView } from '../../src/client/index.js';

const DIAMOND = [
  { branchId: 'order', after: [] },
  { branchId: 'payment', after: ['order'] },
  { branchId: 'goods', after: ['order'] },
  // A pivot that was not done decided nothing.
  { branchId: 'shipment', after: ['payment', 'goods'], pivot: true },
  { branchId: 'approval', after: ['shipment'] },
];
const BEGAN = Date.parse('2026-11-21T12:00:00.000Z');
const plain = (text: string): string => text;

const at = (ms: number): Pick<EventView, 'at' | 'node'> => ({ at: new Date(BEGAN + ms).toISOString(), node: 'one' });

/** A call that ended `ms` after the begin. */
function call(
  ms: number,
  branchId: string,
  op: 'action' | 'compensate',
  outcome: 'done' | 'refused' | 'unknown' = 'done',
  durationMs = 5,
): EventView {
  return { ...at(ms), kind: 'call', branchId, op, outcome, durationMs, attempt: 1 };
}

const REFUSED: EventView[] = [
  { ...at(0), kind: 'begun' },
  call(12, 'order', 'action'),
  call(26, 'goods', 'action', 'done', 10),
  call(27, 'payment', 'action', 'done', 11),
  call(40, 'shipment', 'action', 'refused'),
  { ...at(41), kind: 'decided', detail: 'abort: refused' },
  call(50, 'shipment', 'compensate'),
  call(60, 'payment', 'compensate', 'done', 9),
  call(61, 'goods', 'compensate', 'done', 9),
  call(71, 'order', 'compensate'),
  { ...at(71), kind: 'ended', detail: 'aborted' },
];

test('a saga that was undone: stages from left to right, and in which turn each branch was undone', () => {
  expect(drawGraph(DIAMOND, REFUSED, plain)).toEqual([
    '                    ╭──────────────╮',
    '                 ┌─▶│ payment      │─┐',
    '╭──────────────╮ │  │ ✔ 27 ms      │ │  ╭──────────────╮    ╭──────────────╮',
    '│ order        │─┤  │ ↩ second     │ ├─▶│ shipment     │───▶│ approval     │',
    '│ ✔ 12 ms      │ │  ╰──────────────╯ │  │ ✘ refused    │    │ · not called │',
    '│ ↩ third      │ │  ╭──────────────╮ │  │ ↩ first      │    │              │',
    '╰──────────────╯ └─▶│ goods        │─┘  ╰──────────────╯    ╰──────────────╯',
    '                    │ ✔ 26 ms      │',
    '                    │ ↩ second     │',
    '                    ╰──────────────╯',
  ]);
});

test('one that committed has no line for the undoing, its pivot is marked, and of a repeated call the last is shown', () => {
  const nodes = [
    { branchId: 'a', after: [] },
    { branchId: 'b', after: ['a'], pivot: true },
  ];
  const events = [call(0, 'a', 'action', 'unknown'), call(9, 'a', 'action'), call(15, 'b', 'action')];
  expect(drawGraph(nodes, events, plain)).toEqual([
    '╭──────────────╮    ╭──────────────╮',
    '│ a            │───▶│ b ◆          │',
    '│ ✔ 9 ms       │    │ ✔ 15 ms      │',
    '╰──────────────╯    ╰──────────────╯',
  ]);
});

test('branches take one turn only if their compensations overlapped in time', () => {
  const together = [call(10, 'a', 'compensate', 'done', 9), call(20, 'b', 'compensate', 'done', 15)];
  expect([...undoTurns(together)]).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
  // Too fast for the clock.
  expect(undoTurns([call(5, 'a', 'compensate', 'done', 0), call(5, 'b', 'compensate', 'done', 0)]).get('b')).toBe(1);
  const apart = [call(10, 'a', 'compensate', 'done', 9), call(20, 'b', 'compensate', 'done', 5)];
  expect(undoTurns(apart).get('b')).toBe(2);
});

test('a compensation that was repeated keeps those behind it waiting; one that was never done has no turn', () => {
  const events = [
    call(5, 'b', 'compensate', 'unknown'),
    call(20, 'b', 'compensate'),
    call(30, 'a', 'compensate', 'unknown'),
  ];
  expect([...undoTurns(events)]).toEqual([['b', 1]]);
  expect(undoTurns([...events, call(40, 'a', 'compensate')]).get('a')).toBe(2);
  const beside = [call(5, 'b', 'compensate', 'unknown'), call(8, 'a', 'compensate'), call(20, 'b', 'compensate')];
  expect(undoTurns(beside).get('b')).toBe(1);
});

test('a graph that is not made of stages is not drawn wrongly', () => {
  const skewed = [...DIAMOND, { branchId: 'mail', after: ['order'] }, { branchId: 'note', after: ['mail'] }];
  expect(() => drawGraph(skewed, REFUSED, plain)).toThrow('only stages');
});

/** The trace context of the W3C as it comes in, and what is kept of it. */
import { operationSpanId, parseTrace, parseTraceparent, passedOn, traceText } from '../../src/protocol/trace.js';
import type { Trace } from '../../src/protocol/trace.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const trace: Trace = { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true, parentId: 'b7ad6b7169203331', isOwn: true };

test.each([
  ['01', true],
  ['00', false],
  ['03', true],
  ['02', false],
])('flags %s: whether it is sampled is the last bit', (flags, isSampled) => {
  expect(parseTraceparent(`00-${TRACE_ID}-${SPAN_ID}-${flags}`)).toEqual({
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    isSampled,
    parentId: SPAN_ID,
    isOwn: false,
  });
});

test('a later version may have more behind it', () => {
  expect(parseTraceparent(`01-${TRACE_ID}-${SPAN_ID}-01-more`)).toMatchObject({ traceId: TRACE_ID });
});

test.each([
  undefined,
  '',
  'x',
  `00-${TRACE_ID}-${SPAN_ID}`,
  `00-${TRACE_ID}-${SPAN_ID}-01-more`,
  `00-${TRACE_ID}-${SPAN_ID}-01, 00-${TRACE_ID}-${SPAN_ID}-01`,
  `ff-${TRACE_ID}-${SPAN_ID}-01`,
  `00-${'0'.repeat(32)}-${SPAN_ID}-01`,
  `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
  `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
  `00-${TRACE_ID}0-${SPAN_ID}-01`,
  ` 00-${TRACE_ID}-${SPAN_ID}-01`,
])('%j is none, and ignored', (header) => {
  expect([parseTraceparent(header), passedOn(header)]).toEqual([null, null]);
});

test.each<[string, Trace]>([
  ['one with a span of its own', trace],
  ['one that nobody else is in', { ...trace, parentId: null }],
  ['one that is not sampled', { ...trace, isSampled: false }],
  ['one that is passed on', { ...trace, parentId: SPAN_ID, isOwn: false }],
])('%s is read as it was written', (_what, each) => {
  expect(parseTrace(traceText(each))).toEqual(each);
});

test('an operation has one span, which any node finds, and each other one another', () => {
  const id = operationSpanId(trace, 'a', 'confirm', 5);
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(operationSpanId(parseTrace(traceText(trace)), 'a', 'confirm', 5)).toBe(id);
  const others = [
    operationSpanId(trace, 'b', 'confirm', 5),
    operationSpanId(trace, 'a', 'cancel', 5),
    operationSpanId(trace, 'a', 'confirm', 6),
    operationSpanId({ ...trace, spanId: 'b7ad6b7169203332' }, 'a', 'confirm', 5),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});

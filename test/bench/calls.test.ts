/** A begin through the coordinator: what is repeated, for how long, and that it says so. */
import { jest } from '@jest/globals';
import { repeatedText } from '../../src/bench/bench.js';
import { throughCoordinator } from '../../src/bench/calls.js';
import type { Answer, Post } from '../../src/bench/post.js';

interface Sent {
  readonly path: string;
  readonly gid: string;
  readonly expected: readonly number[];
}

/** Answers one status after another, each at once to be repeated, and the last one for ever; what is not expected it throws, as Post does. */
function answering(...statuses: number[]): { post: Pick<Post, 'send'>; sent: Sent[] } {
  const sent: Sent[] = [];
  const send = async (_method: string, url: string, body: string, expected: readonly number[]): Promise<Answer> => {
    const status = statuses[Math.min(sent.length, statuses.length - 1)] ?? 0;
    sent.push({ path: new URL(url).pathname, gid: (JSON.parse(body) as { gid: string }).gid, expected });
    if (!expected.includes(status)) throw new Error(`answered ${status}`);
    return { status, retryAfterMs: 1, text: '' };
  };
  return { post: { send }, sent };
}

const TCC = { mode: 'tcc', branches: 2 } as const;
const URL_OF = 'http://127.0.0.1:1';

afterEach(() => jest.restoreAllMocks());

test('a begin that is answered 503 or 504 is repeated with its gid; that it was there already is a good answer', async () => {
  const { post, sent } = answering(503, 504, 200);
  const begun = await throughCoordinator(post, URL_OF, TCC, 'g1');
  expect(begun).toMatchObject({ status: 200, wasRepeated: true });
  expect(sent.map(({ gid }) => gid)).toEqual(['g1', 'g1', 'g1']);
});

test('what is answered at once was not repeated, and 429 is an answer only where it may be', async () => {
  expect(await throughCoordinator(answering(201).post, URL_OF, TCC, 'g1')).toMatchObject({ wasRepeated: false });
  await expect(throughCoordinator(answering(429).post, URL_OF, TCC, 'g1')).rejects.toThrow('answered 429');
  const refused = await throughCoordinator(answering(503, 429).post, URL_OF, TCC, 'g1', { mayRefuse: true });
  expect(refused).toMatchObject({ status: 429, wasRepeated: true });
});

test('a submit of a message is repeated in the same way', async () => {
  const { post, sent } = answering(201, 504, 200);
  const begun = await throughCoordinator(post, URL_OF, { mode: 'message', branches: 1 }, 'g1');
  expect(begun).toMatchObject({ status: 201, wasRepeated: true });
  expect(sent.map(({ path }) => path)).toEqual([
    '/v1/transactions',
    '/v1/transactions/g1/submit',
    '/v1/transactions/g1/submit',
  ]);
});

test('after half a minute 503 is trouble', async () => {
  const { post, sent } = answering(503);
  let now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => (now += 10_000));
  await expect(throughCoordinator(post, URL_OF, TCC, 'g1')).rejects.toThrow('answered 503');
  expect(sent).toHaveLength(3);
});

test('nothing is repeated after the signal', async () => {
  const { post, sent } = answering(503);
  const signal = AbortSignal.abort(new Error('Ctrl-C'));
  await expect(throughCoordinator(post, URL_OF, TCC, 'g1', { signal })).rejects.toThrow('Ctrl-C');
  expect(sent).toHaveLength(1);
});

test('a report says how many begins were repeated, and nothing where none was', () => {
  expect(repeatedText({ repeated: 0 })).toBeNull();
  expect(repeatedText({ repeated: 1 })).toMatch(
    /^1 begin was answered 503 or 504 and repeated: the coordinator could not/,
  );
  expect(repeatedText({ repeated: 3 })).toMatch(/^3 begins were answered/);
});

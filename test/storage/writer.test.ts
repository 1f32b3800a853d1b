/** In which order the writer sends flushes and tells of them; what a flush does is tested with a real database. */
import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import pg from 'pg';
import type { Written } from '../../src/storage/flush.js';
import { Writer } from '../../src/storage/writer.js';
import type { Write } from '../../src/storage/writes.js';

interface Sent {
  readonly commit: () => void;
  readonly fail: (error: Error) => void;
}

let happened: string[];
let sent: Sent[];
let writer: Writer;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  happened = [];
  sent = [];
  writer = new Writer(
    async (batch) => {
      const gids = batch.map(({ gid }) => gid);
      // As a pool hands out a connection.
      await new Promise((resolve) => process.nextTick(resolve));
      happened.push(`sent ${gids.join()}`);
      return new Promise<Written[]>((resolve, reject) => {
        sent.push({ commit: () => resolve(gids.map(() => 'written')), fail: reject });
      });
    },
    () => {},
  );
});

afterEach(() => jest.useRealTimers());

function write(gid: string, canWait = false): void {
  const row = { gid, begin: '{}', branch: '', save: '', timeline: '', end: '', outbox: '' };
  const rest = { member: null, epoch: 0, branchesToMove: false, timelineToMove: false, moves: 0 };
  const one: Write = { ...row, ...rest };
  void writer.write(one, canWait).then(
    () => happened.push(`told ${gid}`),
    () => happened.push(`refused ${gid}`),
  );
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}

test('the next flush is on its way before those hear of the last one who wrote it', async () => {
  write('a');
  await settled();
  write('b');
  write('c');
  sent[0]!.commit();
  await settled();
  expect(happened).toEqual(['sent a', 'sent b,c', 'told a']);
  sent[1]!.commit();
  await settled();
  expect(happened.slice(3)).toEqual(['told b', 'told c']);
});

test('what nobody waits for goes out with the next that is awaited', async () => {
  write('a', true);
  await settled();
  expect(happened).toEqual([]);
  write('b');
  await settled();
  expect(happened).toEqual(['sent a,b']);
  write('c', true);
  sent[0]!.commit();
  await settled();
  expect(happened.slice(1)).toEqual(['told a', 'told b']);
});

test('what nobody waits for goes out by itself when nothing comes', async () => {
  write('a');
  await settled();
  write('b', true);
  sent[0]!.commit();
  await settled();
  expect(happened).toEqual(['sent a', 'told a']);
  jest.advanceTimersByTime(20);
  await settled();
  expect(happened.slice(2)).toEqual(['sent b']);
});

test('of a flush that is taken apart, a part hears of it when it is written and not when all are', async () => {
  const unstorable = Object.assign(new pg.DatabaseError('invalid byte sequence', 0, 'error'), { code: '22021' });
  for (const gid of ['a', 'b', 'c', 'd']) write(gid);
  await settled();
  sent[0]!.fail(unstorable);
  await settled();
  sent[1]!.commit();
  await settled();
  expect(happened).toEqual(['sent a,b,c,d', 'sent a,b', 'told a', 'told b', 'sent c,d']);
  sent[2]!.fail(unstorable);
  await settled();
  sent[3]!.fail(unstorable);
  await settled();
  expect(happened.slice(5)).toEqual(['sent c', 'refused c', 'sent d']);
});

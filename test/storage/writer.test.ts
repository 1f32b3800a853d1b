/** In which order the writer sends flushes and tells of them; what a flush does is tested with a real database. */
import { setImmediate as turn } from 'node:timers/promises';
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

function write(gid: string): void {
  const row = { gid, begin: '{}', branch: '', save: '', timeline: '', end: '', outbox: '' };
  const rest = { member: null, epoch: 0, branchesToMove: false, timelineToMove: false, moves: 0 };
  const one: Write = { ...row, ...rest };
  void writer.write(one).then(
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

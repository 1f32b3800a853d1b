/** `tercet id decode`, which asks nobody. */
import { encode } from '../../src/ids/layout.js';
import { lines, tercet } from './tercet.js';

const SNOWFLAKE = { at: Date.UTC(2026, 10, 21, 20, 15, 3, 42), worker: 7, sequence: 12 };

test('a snowflake is taken apart, for people and for scripts', async () => {
  const id = encode(SNOWFLAKE);
  expect(lines(await tercet(['id', 'decode', id]))).toEqual([
    'kind      snowflake',
    'at        2026-11-21T20:15:03.042Z',
    'worker    7',
    'sequence  12',
  ]);
  const { code, stdout } = await tercet(['id', 'decode', id, '--json']);
  const parts = { id, kind: 'snowflake', at: '2026-11-21T20:15:03.042Z', worker: 7, sequence: 12 };
  expect([code, JSON.parse(stdout)]).toEqual([0, parts]);
});

test('a UUIDv7 too', async () => {
  const { stdout } = await tercet(['id', 'decode', '019aa5b2-6f00-7c3e-8d2a-5b1f0e9c4d7a', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'uuidv7', at: '2025-11-21T09:15:25.824Z' });
});

test.each(['order-17', '4711', '7b0c1d2e-3f40-4a5b-8c6d-7e8f90a1b2c3'])("'%s' is wrong use, in words", async (id) => {
  const { code, stdout, stderr } = await tercet(['id', 'decode', id]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(new RegExp(`^tercet id decode: '${id}' is `, 'm'));
});

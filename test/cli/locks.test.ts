/** tercet lock: who has what, and how a person takes it. */
import { TestNode } from '../http/node.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;

const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });

beforeAll(async () => {
  node = await TestNode.start();
  await node.sql(
    `INSERT INTO tercet.lock (name, token, owner, node, since, until)
     VALUES ('job.a', 4711, 'o', E'n1\\x1b[31m', now() - interval '210 seconds', now() + interval '1 hour'),
            ('job.b', 4712, 'o', 'n2', now(), now() + interval '1 hour')`,
  );
});

afterAll(() => node.stop());

test('who has which lock, by the beginning of its name, and safe for a terminal', async () => {
  const told = lines(await run('lock', 'list', '--prefix', 'job.'));
  expect(told[0]).toMatch(/^LOCK +NODE +TOKEN +HELD +LEFT$/);
  expect(told[1]).toMatch(/^job\.a +n1·\[31m +4711 +3m +/);
  expect(told[2]).toMatch(/^job\.b +n2 +4712 /);
  expect(await run('lock', 'list', '--prefix', 'none')).toMatchObject({ code: 0, stderr: 'nobody has a lock\n' });
  expect(await run('lock', 'show', 'none')).toMatchObject({ code: 3, stdout: '' });
});

test('without --force it only says what it would do; with it, and a reason, the lock is taken and that is kept', async () => {
  const asked = await run('lock', 'release', 'job.a', '--reason', 'x');
  expect(asked).toMatchObject({ code: 2, stdout: '' });
  expect(asked.stderr).toMatch(/^job\.a would be taken from .*token 4711.*--force/);
  expect(await run('lock', 'release', 'job.a', '--force')).toMatchObject({ code: 2, stdout: '' });
  expect((await run('lock', 'show', 'job.a')).stdout).toMatch(/held +by n1·\[31m for 3m/);
  const taken = await run('lock', 'release', 'job.a', '--force', '--reason', 'n1 hangs');
  expect([taken.code, taken.stdout]).toEqual([0, 'job.a  taken from n1·[31m (token 4711)\n']);
  const after = (await run('lock', 'show', 'job.a')).stdout;
  expect(after).toMatch(/held +by nobody/);
  expect(after).toMatch(/AGO +BY +FROM +WHY\n.* n1 hangs/);
  expect(await run('lock', 'release', 'job.a', '--force', '--reason', 'again')).toMatchObject({ code: 3 });
});

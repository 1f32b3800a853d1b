/** What is in force is taken whole, or not at all; and every node says which. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../client/until.js';
import { ACCEPTED, request } from '../engine/node.js';
import { Steerage } from './follower.js';
import { gray, release, strict } from './releases.js';

let steerage: Steerage;

beforeEach(async () => {
  steerage = await Steerage.create();
});

afterEach(() => steerage.end());

const reported = (what: string, is: (state: string, number: number, reason: string) => boolean): Promise<void> =>
  until(what, async () => {
    const said = (await steerage.reports()).map(({ namespaces }) => namespaces['coordinator']);
    return said.length > 0 && said.every((one) => one !== undefined && is(one.state, one.release, one.reason ?? ''));
  });

test('a node starts with what is in force, takes what comes, and what nobody released is as its settings say', async () => {
  const first = await release(steerage.sql, { log: { level: 'warn' } });
  const config = steerage.config('north', { settings: { 'log.level': 'error', 'limits.unfinished': 7 } });
  await config.start();
  expect(config.steering.values).toMatchObject({ 'log.level': 'warn', 'limits.unfinished': 7 });
  expect(config.steering.inForce).toEqual({ release: first, epoch: 0, maxUnfinished: 7, takeOverBatch: 200 });
  config.follow();
  const second = await release(steerage.sql, { limits: { unfinished: 8 } });
  await until('the second is in use', async () => config.steering.inForce.release === second);
  expect(config.steering.values).toMatchObject({ 'log.level': 'error', 'limits.unfinished': 8 });
});

test('what a builder cannot build is not taken: all of before stays, it is reported, and said once', async () => {
  const first = await release(steerage.sql, { log: { level: 'warn' }, limits: { unfinished: 7 } });
  const { config } = await steerage.engine('north');
  let built = 0;
  let used = 0;
  config.use(() => () => (used += 1));
  config.use(({ 'log.level': level }) => {
    built += 1;
    if (level === 'error') throw new Error('no error today');
    return () => undefined;
  });
  await reported('the first is applied', (state, number) => state === 'applied' && number === first);
  const second = await release(steerage.sql, { log: { level: 'error' }, limits: { unfinished: 9 } });
  await reported('it is rejected', (state, number, reason) => {
    return state === 'rejected' && number === second && reason === 'no error today';
  });
  expect(config.steering.values).toMatchObject({ 'log.level': 'warn', 'limits.unfinished': 7 });
  expect(config.warnings()).toEqual([`config: release ${second} is not taken: no error today`]);
  expect(config.facts).toMatchObject({ desired: second, applied: first, rejects: 1, rejected: 'no error today' });
  // Another look at the same changes nothing.
  await config.steering.refresh();
  expect([built, used, steerage.told.length]).toEqual([2, 1, 1]);
  const third = await release(steerage.sql, { limits: { unfinished: 9 } });
  await reported('the third is applied', (state, number) => state === 'applied' && number === third);
  expect(config.facts).toMatchObject({ desired: third, applied: third, rejects: 1, rejected: null });
  expect([built, used]).toEqual([3, 2]);
});

test('what this version does not know is not taken', async () => {
  const config = steerage.config('north');
  await config.start();
  config.follow();
  await release(steerage.sql, { log: { level: 'warn', colour: 'red' } });
  await until('it is rejected', async () => config.facts.rejected !== null);
  expect(config.facts.rejected).toBe('/log/colour: is none of level');
  expect(config.steering.values['log.level']).toBe('info');
});

test('a gray release is for those with its labels alone, and taken back from them', async () => {
  const first = await release(steerage.sql, { log: { level: 'warn' } });
  const [canary, other] = [steerage.config('canary', { labels: { tier: 'canary' } }), steerage.config('other')];
  for (const config of [canary, other]) {
    await config.start();
    config.follow();
  }
  const second = await gray(steerage.sql, { log: { level: 'error' } }, { tier: 'canary' });
  await until('the canary has it', async () => canary.steering.inForce.release === second);
  await other.steering.refresh();
  expect([canary, other].map(({ steering }) => steering.values['log.level'])).toEqual(['error', 'warn']);
  await steerage.sql(`UPDATE tercet.config_rollout SET state = 'aborted'`);
  await until('it is taken back', async () => canary.steering.inForce.release === first);
});

test('a strict release comes into force when all nodes are ready, and what begins then begins under it', async () => {
  const north = await steerage.engine('north');
  const south = await steerage.engine('south');
  const number = await strict(steerage.sql, { limits: { unfinished: 5 } });
  const inForce = { release: number, epoch: 1, maxUnfinished: 5, takeOverBatch: 200 };
  for (const { config } of [north, south]) {
    await until('it is in use', async () => config.steering.inForce.release === number);
    expect(config.steering.inForce).toEqual(inForce);
  }
  expect(await steerage.sql('SELECT is_ready FROM tercet.config_ack')).toEqual([
    { is_ready: true },
    { is_ready: true },
  ]);
  const { tx } = await south.engine.coordinator.begin(request('a', 1), ACCEPTED);
  expect(tx.release).toBe(number);
});

test('who could not take a strict release says so, and it comes into force nowhere', async () => {
  const north = await steerage.engine('north');
  const south = await steerage.engine('south');
  south.config.use(({ 'log.level': level }) => {
    if (level === 'error') throw new Error('not here');
    return () => undefined;
  });
  await strict(steerage.sql, { log: { level: 'error' } });
  await until('it is decided', async () => {
    const [rollout] = (await steerage.sql('SELECT state, why FROM tercet.config_rollout')) as {
      state: string;
      why: string;
    }[];
    if (rollout?.state === 'aborted') expect(rollout.why).toMatch(/ rejects it: not here$/);
    return rollout?.state === 'aborted';
  });
  await north.config.steering.refresh();
  for (const { config } of [north, south]) expect(config.facts).toMatchObject({ applied: null, epoch: 0, rejects: 0 });
});

test('a begin that meets a switch which its node has not seen goes under what is in force', async () => {
  const { engine } = await steerage.engine('north');
  const held = steerage.config('deaf');
  await held.start();
  const number = await strict(steerage.sql, { limits: { unfinished: 5 } });
  await until('it is in force', async () => {
    const [row] = (await steerage.sql('SELECT epoch FROM tercet.work_gate')) as { epoch: number }[];
    return row?.epoch === 1;
  });
  expect((await engine.coordinator.begin(request('a', 1), ACCEPTED)).tx.release).toBe(number);
  // One that follows nothing still comes to it when it is told to look.
  expect(held.steering.inForce.epoch).toBe(0);
  await Promise.all([held.steering.refresh(), held.steering.refresh()]);
  expect(held.steering.inForce).toMatchObject({ release: number, epoch: 1 });
});

test('where what is in force is damaged, a node starts with what it took last; one that never took anything does not', async () => {
  const number = await release(steerage.sql, { limits: { unfinished: 5 } });
  const file = join(steerage.dataDir, 'north.json');
  const before = steerage.config('north');
  await before.start();
  await until('it is saved', async () => (await import('node:fs')).existsSync(file));
  await steerage.sql(`UPDATE tercet.config_content SET content = '{}'`);

  const { config } = await steerage.engine('north');
  expect(config.steering.inForce).toMatchObject({ release: number, maxUnfinished: 5 });
  await reported('it is rejected', (state, release) => state === 'rejected' && release === number);
  expect(config.warnings()[0]).toMatch(/^config: release 1 is not taken: .* is not what its checksum says/);
  await expect(steerage.config('south').start()).rejects.toMatchObject({ code: 'TERCET_CONFIG_CORRUPT' });

  await writeFile(file, '{"release":1,"epoch":0,"text":"{}","checksum":"x"}');
  await expect(steerage.config('north').start()).rejects.toMatchObject({ code: 'TERCET_CONFIG_CORRUPT' });

  const next = await release(steerage.sql, { limits: { unfinished: 6 } });
  await reported('the next is applied', (state, release) => state === 'applied' && release === next);
  expect(config.warnings()).toEqual([]);
});

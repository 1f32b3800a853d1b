/** Parts of `npm run bench`: whatever ends one, nothing that it started is left. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLEAN_UP = fileURLToPath(new URL('clean-up.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string[];
  readonly said: string;
}

/** Runs a script that has what clean-up.js exports; it is sent `signals` from when it prints `ready`, one every 50 ms. */
function run(script: string, signals: readonly NodeJS.Signals[] = []): Promise<Ended> {
  const child = start(script);
  let [out, said] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('ready')) signals.forEach((signal, index) => setTimeout(() => child.kill(signal), index * 50));
    out += chunk.toString();
  });
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, out: out.trim().split('\n'), said }));
  });
}

function start(script: string): ChildProcessWithoutNullStreams {
  const source = `
    import { atEnd, onStage, taken } from ${JSON.stringify(CLEAN_UP)};
    const print = (line) => process.stdout.write(line + '\\n');
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    ${script}`;
  return spawn(process.execPath, ['--input-type=module', '-e', source]);
}

test('every clean-up runs, the last first, whatever became of the others; the next part has only its own', async () => {
  const { code, out, said } = await run(`
    await onStage(async () => {
      atEnd(() => print('first'));
      atEnd(() => { throw new Error('stuck'); });
      await taken(async () => 'second', (what) => print(what));
      throw new Error('broken');
    }).catch(({ message }) => print(message));
    await onStage(async () => atEnd(() => print('of the next')));
  `);
  expect(out).toEqual(['second', 'first', 'broken', 'of the next']);
  expect([code, said]).toEqual([1, 'something was not cleaned up: stuck\n']);
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s, which npm sends twice, takes down what runs, waits for what is on its way, and starts nothing more',
  async (name) => {
    const { code, out, said } = await run(
      `
      await onStage(async () => {
        await taken(() => 'running', (what) => print(what + ' is down'));
        print('ready');
        await taken(() => pause(300).then(() => 'starting'), (what) => print(what + ' is down'));
        await taken(() => print('started too late'), () => {});
      });
      print('gone on');
    `,
      [name, name],
    );
    expect(out).toEqual(['ready', 'starting is down', 'running is down']);
    expect(code).toBe(130);
    expect(said).toMatch(/^interrupted: [^\n]+\n$/);
  },
);

test('what breaks while all is stopped hinders nobody', async () => {
  const { code, out } = await run(
    `
    await onStage(async () => {
      atEnd(() => pause(200).then(() => print('down')));
      atEnd(() => void Promise.reject(new Error('of what was stopped')));
      print('ready');
      await pause(10_000);
    });
  `,
    ['SIGINT'],
  );
  expect([code, out]).toEqual([130, ['ready', 'down']]);
});

test('when nobody reads any more what is printed, what runs is taken down, however long that takes', async () => {
  const child = start(`
    await onStage(async () => {
      await taken(() => 'what ran', async (what) => {
        // Longer than it takes a signal to be a second one.
        for (let left = 12; left > 0; left -= 1) await pause(100).then(() => print('still there'));
        process.stderr.write(what + ' is down');
      });
      for (;;) {
        print('more');
        await pause(10);
      }
    });
  `);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect([code, said.split('\n').at(-1)]).toEqual([130, 'what ran is down']);
});

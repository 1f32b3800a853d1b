/** examples/config-client/tercet_config.py: a service in another language is a service like the others. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { programOf } from '../support/debian.js';
import { FakeCenter } from './config-center.js';
import { until } from './until.js';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'examples/config-client');
const python = programOf('python3', 'python3');
/** Says what is in force whenever that is another, and ends with who started it. */
const SERVICE = `
import json, sys, threading, time, os
sys.path.insert(0, ${JSON.stringify(folder)})
from tercet_config import Config

def take(contents):
    orders = contents.get("orders", {})
    if orders.get("mostItems") == 0:
        raise ValueError("mostItems must be 1 or more")
    return orders

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
try:
    config = Config(sys.argv[1], "production", ["orders"], "python-1", take, file=sys.argv[2], secrets=len(sys.argv) > 3)
except Exception as error:
    print("error: " + str(error), flush=True)
    os._exit(1)
before = None
while True:
    if config.current is not before:
        before = config.current
        print(json.dumps(before, sort_keys=True), flush=True)
    time.sleep(0.01)
`;

let center: FakeCenter;
let place: string;
let file: string;
const running: ChildProcess[] = [];

beforeEach(async () => {
  center = await FakeCenter.start();
  place = await mkdtemp(join(tmpdir(), 'tercet-python-'));
  file = join(place, 'last-good.json');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(ended));
  await center.stop();
  await rm(place, { recursive: true, force: true });
});

/** @returns the lines that it says */
function start(...rest: string[]): string[] {
  const lines: string[] = [];
  const child = spawn(python ?? '', ['-c', SERVICE, center.url, file, ...rest], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return lines;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

const last = () => center.told.at(-1)?.namespaces['orders'];

(python === null ? describe.skip : describe)('a service in Python', () => {
  test('is at most sixty lines, without the empty ones and those for people', async () => {
    const text = await readFile(join(folder, 'tercet_config.py'), 'utf8');
    const code = text.split('\n').filter((line) => !/^\s*($|#|""")/.test(line));
    expect(code.length).toBeLessThanOrEqual(60);
  });

  test('has each release, and says that it took it; one that it rejects it says once, and keeps the old one', async () => {
    center.publish({ orders: { mostItems: 3 } });
    const lines = start();
    await until('it has the first', async () => lines.at(-1) === '{"mostItems": 3}');
    await until('it said so', async () => last()?.state === 'applied');
    center.publish({ orders: { mostItems: 4 } });
    await until('it has the second', async () => lines.at(-1) === '{"mostItems": 4}');
    await until('it said so', async () => last()?.release === 2);
    center.publish({ orders: { mostItems: 0 } });
    await until('it rejects the third', async () => last()?.state === 'rejected');
    expect([lines.at(-1), last()?.reason]).toEqual(['{"mostItems": 4}', 'mostItems must be 1 or more']);
    const { whole } = center.given;
    center.publish({ orders: { mostItems: 5 } });
    await until('it has the fourth', async () => lines.at(-1) === '{"mostItems": 5}');
    expect(center.given.whole).toBe(whole + 1);
  });

  test('with secrets in clear says of what it rejects no more than the class of the error, and no checksum', async () => {
    center.publish({ orders: { mostItems: 3 } });
    const lines = start('secrets');
    await until('it has the first', async () => lines.at(-1) === '{"mostItems": 3}');
    await until('it said so', async () => last()?.state === 'applied');
    expect(last()).toEqual({ release: 1, state: 'applied' });
    center.publish({ orders: { mostItems: 0 } });
    await until('it rejects the second', async () => last()?.state === 'rejected');
    expect(last()).toEqual({ release: 2, state: 'rejected', reason: 'ValueError' });
  });

  test('computes the checksum of whatever JSON may hold', async () => {
    const odd = {
      mostItems: 1,
      numbers: [0.1, 1e21, 1e-7, 5e-324, -1.5, 123456789012345, 100.25],
      texts: ['ä€😀', '\u2028"\\/\b\f\n\r\t\u001f\u007f', ''],
      '😀': 1,
      '￿': { b: null, a: [true, false, {}] },
      é: {},
    };
    center.publish({ orders: odd });
    const lines = start();
    await until('it has it', async () => lines.length > 0);
    expect(JSON.parse(lines[0] ?? '')).toEqual(odd);
  });

  test('takes nothing that is not what its checksum says', async () => {
    center.publish({ orders: { mostItems: 3 } });
    const lines = start();
    await until('it has the first', async () => lines.length === 1);
    let asked = 0;
    center.twist = (values) => {
      asked += 1;
      return { ...values, namespaces: { orders: { release: 2, content: { mostItems: 99 } } } };
    };
    center.publish({ orders: { mostItems: 4 } });
    await until('it was given it', async () => asked > 0);
    center.twist = (values) => values;
    await until('it has the true one', async () => lines.at(-1) === '{"mostItems": 4}');
    expect(lines).toHaveLength(2);
  });

  test('starts with what it had last while the center is away, unless that is forged or gone', async () => {
    center.publish({ orders: { mostItems: 3 } });
    start();
    await until('it has kept it', async () =>
      stat(file).then(
        () => true,
        () => false,
      ),
    );
    await Promise.all(running.splice(0).map(ended));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await center.stop();
    const lines = start();
    await until('it has it', async () => lines.at(-1) === '{"mostItems": 3}');
    center.publish({ orders: { mostItems: 4 } });
    await center.restart();
    await until('it has the next', async () => lines.at(-1) === '{"mostItems": 4}');
    await until('it has kept it', async () => (await readFile(file, 'utf8')).includes('"mostItems":4'));
    await Promise.all(running.splice(0).map(ended));
    await center.stop();
    await writeFile(file, (await readFile(file, 'utf8')).replace('"mostItems":4', '"mostItems":9'));
    const forged = start();
    await until('it says why', async () => forged.at(-1)?.startsWith('error: the contents are damaged') ?? false);
    await rm(file);
    const without = start();
    await until('it says why', async () => without.at(-1)?.startsWith('error: ') ?? false);
  });
});

/** What all test files of one run share: its folder (global-setup.js), and servers that are started once. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const START_MS = 120_000;

/** The servers whose folders lie in it end with the run. */
export function runFolder(): string {
  const folder = process.env['TEST_RUN_FOLDER'];
  if (!folder) throw new Error('the folder of the test run is missing: start the tests through jest.config.js');
  return folder;
}

/** The address of the server `name` that the run shares. Who asks first starts it. */
export async function sharedServer(name: string, start: (folder: string) => Promise<string>): Promise<string> {
  const started = join(runFolder(), `${name}.address`);
  try {
    writeFileSync(join(runFolder(), `${name}.lock`), String(process.pid), { flag: 'wx' });
  } catch {
    return await startedByOther(name, started);
  }
  const state = await start(join(runFolder(), name)).catch((error: unknown) => `failed: ${String(error)}`);
  writeFileSync(`${started}.new`, state);
  renameSync(`${started}.new`, started);
  return startedByOther(name, started);
}

async function startedByOther(name: string, path: string): Promise<string> {
  const until = performance.now() + START_MS;
  while (!existsSync(path)) {
    if (performance.now() > until) throw new Error(`${name} of the test run did not start`);
    await pause(50);
  }
  const state = readFileSync(path, 'utf8');
  if (state.startsWith('failed: ')) throw new Error(`${name} of the test run ${state}`);
  return state;
}

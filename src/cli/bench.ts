/** `tercet bench`: what a coordinator does on this machine and on your PostgreSQL, and what the calls alone would. */
import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { chart } from '../bench/chart.js';
import { runBench } from '../bench/bench.js';
import type { Asked, End, Result, Told } from '../bench/bench.js';
import { MODES } from '../bench/calls.js';
import { Rig } from '../bench/rig.js';
import type { Place } from '../bench/rig.js';
import { Trouble } from '../bench/trouble.js';
import { TercetError } from '../protocol/errors.js';
import { KNOWN, readSettings, SettingError } from '../settings.js';
import { VERSION } from '../version.js';
import { benchReport } from './bench-report.js';
import type { Given } from './command.js';
import { EXIT, Failure, WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { note, print, style } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function runBenchCommand(given: Given): Promise<Exit> {
  const asked = askedOf(given);
  const files = ['json', 'svg'].map((option) => given.text(option)).filter((file) => file !== undefined);
  for (const file of files) await demandWritable(file);
  const place = placeOf(given);
  const result = await measured(place, asked);
  for (const line of benchReport(result)) print(line);
  const [json, svg] = [given.text('json'), given.text('svg')];
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ tercet: VERSION, ...result }, null, 2)}\n`);
  if (svg !== undefined) await writeFile(svg, chart(result));
  demandAllEnded(result.end);
  return EXIT.done;
}

/** @throws Failure where a transaction has not ended, or one that was accepted is not there */
export function demandAllEnded({ unfinished, accepted, committed }: End): void {
  if (unfinished === 0 && committed === accepted) return;
  throw new Failure(
    `${accepted} transactions were accepted, ${committed} are committed, and ${unfinished} are unfinished: they must all end`,
    EXIT.failed,
    'the log of the coordinator stands above; if it says nothing, report this as a defect',
  );
}

/** The first signal ends the measuring and what it started; a second one does not wait. */
async function measured(place: Place, asked: Asked): Promise<Result> {
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort(new Trouble('it was interrupted; what it started is stopped, and its database is gone'));
    // Where it goes through a pipe, the signal may have ended whoever reads; a word to him would end this process too.
    if (process.stderr.isTTY) note('stopping what was started…');
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  try {
    const rig = await Rig.start(place, stopping.signal);
    try {
      return await runBench(asked, rig, progress, stopping.signal);
    } catch (error) {
      // What breaks while it is being stopped is no trouble of its own.
      stopping.signal.throwIfAborted();
      throw error;
    } finally {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
      await rig.stop();
    }
  } catch (error) {
    throw told(error);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

function told(error: unknown): unknown {
  if (error instanceof Trouble) return new Failure(error.message, EXIT.failed, error.next);
  if (error instanceof TercetError) return new Failure(error.detail, EXIT.failed, nextOf(error));
  return error;
}

function nextOf({ detail }: TercetError): string | null {
  if (detail.includes('may not make a database')) {
    return 'ALTER ROLE … CREATEDB, or make an empty database, name it in DATABASE_URL, and add --in-place';
  }
  return detail.includes('has a schema') ? 'make an empty database, and name that in DATABASE_URL' : null;
}

const progress: Told = (done, of, what) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${style(`${done} of ${of}`, 'dim')}  ${what}`);
};

function askedOf(given: Given): Asked {
  const mode = MODES.find((name) => name === (given.text('mode') ?? 'tcc'));
  if (!mode) throw new WrongUse(`--mode is '${given.text('mode')}'; it must be one of ${MODES.join(', ')}`);
  const rate = given.text('rate') ?? 'half';
  const initiators = (given.text('initiators') ?? '1,16,64,256,1024').split(',');
  const asked: Asked = {
    mode,
    branches: number(given.text('branches') ?? '2', 'branches', 1, 100),
    initiators: [...new Set(initiators.map((each) => number(each, 'initiators', 1, 4096)))].toSorted((a, b) => a - b),
    rounds: number(given.text('rounds') ?? '4', 'rounds', 1, 100),
    seconds: number(given.text('seconds') ?? '1', 'seconds', 0.1, 600, 'a number'),
    rate: rate === 'half' ? rate : number(rate, 'rate', 1, 100_000, "'half' or a whole number"),
  };
  demandOneInATurn(asked);
  return asked;
}

function demandOneInATurn({ rate, seconds }: Asked): void {
  if (rate === 'half' || rate * seconds >= 1) return;
  const next = `give --seconds ${Math.ceil(10 / rate) / 10} or more, or --rate ${Math.ceil(1 / seconds)} or more`;
  throw new WrongUse(`with --rate ${rate} and --seconds ${seconds} a turn may have no transaction: ${next}`);
}

function number(text: string, option: string, from: number, to: number, kind = 'a whole number'): number {
  const value = (kind === 'a number' ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text) ? Number(text) : NaN;
  if (value >= from && value <= to) return value;
  throw new WrongUse(`--${option} is '${text}'; it must be ${kind} from ${from} to ${to}`);
}

/** Known before minutes of measuring. */
async function demandWritable(file: string): Promise<void> {
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const isThere = await access(dirname(resolve(file)), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (isFolder || !isThere) throw new Failure(`${file} cannot be written: it must be a file in a folder that is there`);
}

/** Settings of the process around it say where to measure; the coordinator that is measured gets none of them. */
function placeOf(given: Given): Place {
  const { DATABASE_URL, TERCET_DATA_DIR } = process.env;
  const isSetting = (name: string): boolean =>
    name === 'DATABASE_URL' || KNOWN.has(name) || /^(TERCET|OTEL)_/.test(name);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isSetting(name)));
  try {
    const { databaseUrl, dataDir } = readSettings({ DATABASE_URL, TERCET_DATA_DIR });
    if (databaseUrl === null && given.has('in-place')) {
      throw new WrongUse('--in-place needs DATABASE_URL: the empty database to measure in');
    }
    return { databaseUrl, dataDir, isWithin: given.has('in-place'), env };
  } catch (error) {
    throw error instanceof SettingError ? new Failure(error.message, EXIT.wrongUse) : error;
  }
}

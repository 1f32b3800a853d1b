/** What the doctor can see without a coordinator: the settings of this environment, and who listens where it should. */
import { connect } from 'node:net';
import type { CheckView } from '../protocol/words.js';
import { readSettings } from '../settings.js';
import { settingsShown } from '../settings-shown.js';
import type { Failure } from './exit.js';

const CONNECT_MS = 2000;

/** @param failure why the coordinator at `url` could not be asked */
export async function seenFromHere(url: string, failure: Failure): Promise<CheckView[]> {
  const listener = await whoListens(new URL(url));
  return [
    { name: 'coordinator', ok: false, detail: failure.message, advice: failure.next },
    {
      name: 'port',
      ok: listener === null ? false : 'warning',
      detail: listener ?? `something listens at ${new URL(url).host}`,
      advice: listener === null ? 'if that is no coordinator, it is in the way: give one of them another port' : null,
    },
    settingsHere(),
  ];
}

/** Null: somebody does. */
function whoListens({ hostname, port, protocol }: URL): Promise<string | null> {
  const socket = connect({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  });
  return new Promise<string | null>((resolve) => {
    socket.once('connect', () => resolve(null));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'nobody listens there' : error.message);
    });
    socket.setTimeout(CONNECT_MS, () => resolve(`no connection within ${CONNECT_MS / 1000} s`));
  }).finally(() => socket.destroy());
}

function settingsHere(): CheckView {
  const shown = settingsShown(process.env);
  const detail = shown.length === 0 ? 'none is given here: all defaults' : shown.join(', ');
  try {
    readSettings(process.env);
    return { name: 'settings', ok: true, detail: `${detail}; \`tercet serve\` would take them`, advice: null };
  } catch (error) {
    const advice = 'with these, `tercet serve` would not start; docs/wire.md, section 1, lists the settings';
    return { name: 'settings', ok: false, detail: (error as Error).message, advice };
  }
}

/** Whether a target can be reached at all: a connection is made and closed again, and no call that could do something. */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import { isAddress } from './address.js';
import { hostOf } from './allow-list.js';
import type { AllowList } from './allow-list.js';
import { described } from './trouble.js';

const CONNECT_MS = 1500;
const AT_ONCE = 32;
/** Origins beyond these are not tried: the answer must come while somebody waits for it. */
const MAX_ORIGINS = 200;

/** Why each origin (`http://host:port`) that does not answer does not; those that do are not in it. */
export async function unreachable(
  urls: readonly string[],
  allowList: AllowList,
  tls: SecureContextOptions | null,
): Promise<Map<string, string>> {
  const origins = [...new Set(urls.map((url) => new URL(url).origin))].slice(0, MAX_ORIGINS);
  const troubles = new Map<string, string>();
  const waiting = origins.values();
  const worker = async (): Promise<void> => {
    for (const origin of waiting) {
      const trouble = await troubleWith(origin, allowList, tls);
      if (trouble !== null) troubles.set(origin, trouble);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return troubles;
}

async function troubleWith(
  origin: string,
  allowList: AllowList,
  tls: SecureContextOptions | null,
): Promise<string | null> {
  const url = new URL(origin);
  const host = hostOf(url);
  // An address is never looked up, so it is checked here.
  if (isAddress(host) && !allowList.permits(host, host)) return `${host} is not on the allow-list`;
  const isSecure = url.protocol === 'https:';
  const to = { host, port: Number(url.port || (isSecure ? 443 : 80)), lookup: allowList.lookup };
  const socket: Socket = isSecure
    ? connectTls({ ...to, ...(isAddress(host) ? {} : { servername: host }), ...tls })
    : connectTcp(to);
  try {
    return await new Promise((resolve) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', () => resolve(null));
      socket.once('error', (error) => resolve(described(error)));
      socket.setTimeout(CONNECT_MS, () => resolve(`no connection within ${CONNECT_MS} ms`));
    });
  } finally {
    socket.destroy();
  }
}

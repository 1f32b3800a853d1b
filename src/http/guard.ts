/**
 * Lets requests in by their key, before their body is read; without keys, all but those of web pages. What each call
 * needs stands in openapi-calls.ts.
 */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { TercetError } from '../protocol/errors.js';
import { Caller, OPERATOR, STRANGER } from './caller.js';
import { hashOf, isScoped, KEY, SCOPED } from './keys.js';
import type { KeyEntry, Role } from './keys.js';
import { CALLS } from './openapi-calls.js';
import type { Call } from './openapi-call.js';

/** By method and path as Fastify writes it. */
const NEEDS: ReadonlyMap<string, Call['roles']> = new Map(
  Object.entries(CALLS).map(([call, { roles }]) => [call.replace(/\{(\w+)\}/g, ':$1'), roles]),
);
/** Roles that have nothing to do with what services said. */
const LOOKS_ONLY: ReadonlySet<Role> = new Set(['viewer', 'config-reader', 'config-editor', 'config-releaser']);
/** A route that nobody gave a row. */
const NOBODY_BUT_ADMIN: readonly Role[] = [];
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;
/** What browsers say of a request that a page of the node made, or a person. */
const OWN_SITES: ReadonlySet<unknown> = new Set(['same-origin', 'none']);

export class Guard {
  private readonly holders: readonly { readonly hash: Buffer; readonly caller: Caller }[];

  /**
   * @param keys empty: everybody may do everything
   * @param viewerSees what is shown to who has no role but that, and those of the configuration
   */
  constructor(keys: readonly KeyEntry[], viewerSees: 'all' | 'no-payloads') {
    this.holders = keys.map(({ name, roles, scopes, hash }) => {
      const isOnlyLooking = [...roles].every((role) => LOOKS_ONLY.has(role));
      return { hash, caller: new Caller(name, roles, scopes, viewerSees === 'all' || !isOnlyLooking) };
    });
  }

  /** @throws TercetError TERCET_KEY_INVALID, TERCET_ROLE_FORBIDDEN, TERCET_ORIGIN_FORBIDDEN */
  admit(request: FastifyRequest): Caller {
    // What is there is not told to strangers: a path of nothing needs a key too.
    const needed = request.is404 ? 'any role' : neededBy(request);
    if (this.holders.length === 0) {
      if (needed !== 'no key') checkOrigin(request);
      return OPERATOR;
    }
    if (needed === 'no key') return STRANGER;
    const caller = this.holderOf(request.headers.authorization);
    if (needed === 'any role' || caller.may('admin')) return caller;
    const held = needed.filter((role) => caller.may(role));
    if (held.length === 0) throw forbidden(request, needed, caller);
    checkScope(request, held, caller);
    return caller;
  }

  private holderOf(authorization: string | undefined): Caller {
    const [, key = ''] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    if (!KEY.test(key)) {
      throw invalid('there is no key in the header Authorization; send it as Bearer tercet_…');
    }
    const given = hashOf(key);
    let found: Caller | null = null;
    // All of them, each time: how long it takes says nothing of what is right in a key.
    for (const { hash, caller } of this.holders) if (timingSafeEqual(hash, given)) found = caller;
    if (!found) throw invalid('the key is none that this node knows; its SHA-256 must stand in TERCET_KEYS');
    return found;
  }
}

function neededBy({ method, routeOptions }: FastifyRequest): Call['roles'] {
  const asked = method === 'HEAD' ? 'get' : method.toLowerCase();
  return NEEDS.get(`${asked} ${routeOptions.url ?? ''}`) ?? NOBODY_BUT_ADMIN;
}

/**
 * Without keys whoever runs on the machine may do everything, and so does the browser, for any page that it shows. A
 * page of another origin is known by what the browser says of it, one whose name was made to lead here by that name.
 */
function checkOrigin({ headers }: FastifyRequest): void {
  const { host = '', origin, 'sec-fetch-site': site } = headers;
  const advice = 'set TERCET_KEYS and send a key';
  if (!LOOPBACK.test(host)) {
    throw new TercetError(
      'TERCET_ORIGIN_FORBIDDEN',
      `the request is for the host '${host.slice(0, 200)}', and without keys a node answers to localhost, 127.… and ` +
        `[::1] alone; to call it by another name, or through a proxy, ${advice}`,
    );
  }
  const isOwn = origin === undefined || origin.toLowerCase().replace(/^https?:\/\//, '') === host.toLowerCase();
  if (isOwn && (site === undefined || OWN_SITES.has(site))) return;
  throw new TercetError(
    'TERCET_ORIGIN_FORBIDDEN',
    `the request comes from a web page of ${origin === undefined ? 'another site' : `'${origin.slice(0, 200)}'`}, and ` +
      `without keys a node takes none from pages but its own; ${advice}`,
  );
}

/** Who may register components may do so for its own, and who may configure does so for its environments. */
function checkScope({ params }: FastifyRequest, held: readonly Role[], caller: Caller): void {
  const [role] = held;
  if (role === undefined || !held.every(isScoped) || !isScoped(role)) return;
  const { name, environment } = params as { name?: string; environment?: string };
  const { of, word } = SCOPED[role];
  const asked = (of === 'component' ? name : environment) ?? '';
  if (held.some((one) => caller.mayFor(one, asked))) return;
  throw new TercetError(
    'TERCET_ROLE_FORBIDDEN',
    `the key '${caller.name}' is not for the ${of} '${asked.slice(0, 200)}'; it needs ${role}=${word} with that name`,
  );
}

function forbidden({ method, routeOptions }: FastifyRequest, needed: readonly Role[], caller: Caller): TercetError {
  const path = (routeOptions.url ?? '').replace(/:(\w+)/g, '{$1}');
  return new TercetError(
    'TERCET_ROLE_FORBIDDEN',
    `${method} ${path} needs the role ${[...needed, 'admin'].join(' or ')}; the key '${caller.name}' has ${[...caller.roles].join(', ')}`,
  );
}

function invalid(detail: string): TercetError {
  return new TercetError('TERCET_KEY_INVALID', detail);
}

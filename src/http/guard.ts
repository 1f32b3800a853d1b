/** Lets requests in by their key, before their body is read. What each call needs stands in openapi-calls.ts. */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { TercetError } from '../protocol/errors.js';
import { Caller, OPERATOR, STRANGER } from './caller.js';
import { hashOf, KEY } from './keys.js';
import type { KeyEntry, Role } from './keys.js';
import { CALLS } from './openapi-calls.js';
import type { Call } from './openapi-calls.js';

/** By method and path as Fastify writes it. */
const NEEDS: ReadonlyMap<string, Call['roles']> = new Map(
  Object.entries(CALLS).map(([call, { roles }]) => [call.replace(/\{(\w+)\}/g, ':$1'), roles]),
);
/** A route that nobody gave a row. */
const NOBODY_BUT_ADMIN: readonly Role[] = [];

export class Guard {
  private readonly holders: readonly { readonly hash: Buffer; readonly caller: Caller }[];

  /**
   * @param keys empty: everybody may do everything
   * @param viewerSees what is shown to who has no other role
   */
  constructor(keys: readonly KeyEntry[], viewerSees: 'all' | 'no-payloads') {
    this.holders = keys.map(({ name, roles, components, hash }) => {
      const isOnlyViewer = roles.size === 1 && roles.has('viewer');
      return { hash, caller: new Caller(name, roles, components, viewerSees === 'all' || !isOnlyViewer) };
    });
  }

  /** @throws TercetError TERCET_KEY_INVALID, TERCET_ROLE_FORBIDDEN */
  admit(request: FastifyRequest): Caller {
    if (this.holders.length === 0) return OPERATOR;
    // What is there is not told to strangers: a path of nothing needs a key too.
    const needed = request.is404 ? 'any role' : neededBy(request);
    if (needed === 'no key') return STRANGER;
    const caller = this.holderOf(request.headers.authorization);
    if (needed === 'any role' || caller.may('admin')) return caller;
    if (!needed.some((role) => caller.may(role))) throw forbidden(request, needed, caller);
    if (needed.every((role) => role === 'component')) checkComponent(request, caller);
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

/** Who may register components may do so for its own. */
function checkComponent({ params }: FastifyRequest, caller: Caller): void {
  const { name = '' } = params as { name?: string };
  if (caller.mayTouch(name)) return;
  throw new TercetError(
    'TERCET_ROLE_FORBIDDEN',
    `the key '${caller.name}' is not for the component '${name.slice(0, 200)}'; it needs component=NAME with that name`,
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

/** Who sent a request. A controller gets it by a parameter `@WhoCalls() caller: Caller`. */
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ROLES } from './keys.js';
import type { Role, ScopedRole, Scopes } from './keys.js';

export class Caller {
  constructor(
    /** Of the key: stands in timelines beside what the caller ordered. */
    readonly name: string,
    readonly roles: ReadonlySet<Role>,
    private readonly scopes: Scopes,
    /** Whether answers show what services and initiators said. */
    readonly seesPayloads: boolean,
  ) {}

  /** Whether one of its roles is `role`, or admin. */
  may(role: Role): boolean {
    return this.roles.has(role) || this.roles.has('admin');
  }

  /** The same of a role that is for something: whether it is for `what`. */
  mayFor(role: ScopedRole, what: string): boolean {
    return this.scopes.get(role)?.has(what) === true || this.roles.has('admin');
  }
}

/** Who it is where no keys are asked for. */
export const OPERATOR = new Caller('operator', new Set(ROLES), new Map(), true);
/** Who it is where keys are asked for, but not by this call. */
export const STRANGER = new Caller('stranger', new Set(), new Map(), false);

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard before anything else looks at the request. */
    caller: Caller;
  }
}

export const WhoCalls = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  return context.switchToHttp().getRequest<FastifyRequest>().caller;
});

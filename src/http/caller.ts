/** Who sent a request. A controller gets it by a parameter `@WhoCalls() caller: Caller`. */
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ROLES } from './keys.js';
import type { Role } from './keys.js';

export class Caller {
  constructor(
    /** Of the key: stands in timelines beside what the caller ordered. */
    readonly name: string,
    readonly roles: ReadonlySet<Role>,
    private readonly components: ReadonlySet<string>,
    /** Whether answers show what services and initiators said. */
    readonly seesPayloads: boolean,
  ) {}

  /** Whether one of its roles is `role`, or admin. */
  may(role: Role): boolean {
    return this.roles.has(role) || this.roles.has('admin');
  }

  /** Whether it may register, replace and sign off `component` and its instances. */
  mayTouch(component: string): boolean {
    return this.components.has(component) || this.roles.has('admin');
  }
}

/** Who it is where no keys are asked for. */
export const OPERATOR = new Caller('operator', new Set(ROLES), new Set(), true);
/** Who it is where keys are asked for, but not by this call. */
export const STRANGER = new Caller('stranger', new Set(), new Set(), false);

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard before anything else looks at the request. */
    caller: Caller;
  }
}

export const WhoCalls = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  return context.switchToHttp().getRequest<FastifyRequest>().caller;
});

/** Who may call the components of this application: once a secret is set, coordinators that know it. */
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage, Server } from 'node:http';
import { DEFAULT_TOLERANCE_MS, SigningSecrets } from '../../protocol/signature.js';
import { HEADERS } from '../../protocol/words.js';
import { TercetError } from '../errors.js';
import { verifyCall } from '../signature.js';
import type { CallHeaders } from '../signature.js';
import { Components } from './components.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';
import { keepRawBodies, rawBodyOf } from './raw-body.js';
import { baseUrl } from './registration.js';

/** As Fastify and Express give it. */
export interface CallRequest {
  readonly method: string;
  readonly originalUrl: string;
  readonly params: { readonly component: string; readonly op: string };
  readonly headers: CallHeaders;
  readonly body: unknown;
  /** Fastify's; with Express the request itself is one. */
  readonly raw?: IncomingMessage;
  /** With Nest's option `rawBody`. */
  readonly rawBody?: Buffer;
}

@Injectable()
export class Signatures implements OnApplicationBootstrap {
  /** Null: nothing is checked. */
  private secrets!: SigningSecrets | null;

  constructor(
    @Inject(OPTIONS) private readonly options: TercetOptions,
    @Inject(Components) private readonly components: Components,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** @throws RangeError when the secret is none: better at the start than at the first order */
  onApplicationBootstrap(): void {
    this.secrets = secretsOf(this.options.signingSecret);
    if (this.secrets === null || this.components.all.length === 0) return;
    keepRawBodies(this.host.httpAdapter.getHttpServer() as Server);
  }

  /**
   * The body of a call, once it is certain who sent it. With a secret it is read from the bytes that were signed,
   * whatever a parser made of them.
   *
   * @throws TercetError TERCET_SIGNATURE_INVALID, TERCET_RAW_BODY_MISSING
   */
  bodyOf(request: CallRequest): unknown {
    if (this.secrets === null) return request.body;
    const body = rawBodyOf(request.raw ?? (request as unknown as IncomingMessage)) ?? request.rawBody;
    const { method, headers, originalUrl } = request;
    // Without the header there are no bytes either, and nothing to compare them with.
    if (body === undefined && headers[HEADERS.signature] !== undefined) {
      const detail = 'the bytes of the call are not at hand, so its signature cannot be checked';
      throw TercetError.of('TERCET_RAW_BODY_MISSING', `${detail}; set rawBody: true in NestFactory.create`);
    }
    const { signatureToleranceMs: toleranceMs = DEFAULT_TOLERANCE_MS } = this.options;
    const received = { method, headers, body: body ?? '', secrets: this.secrets, toleranceMs };
    try {
      verifyCall({ ...received, path: originalUrl });
    } catch (error) {
      // A proxy may have changed the path on the way here.
      const path = this.registeredPath(request);
      if (path === originalUrl) throw error;
      verifyCall({ ...received, path });
    }
    return JSON.parse(body?.toString() ?? 'null') as unknown;
  }

  private registeredPath({ params: { component, op } }: CallRequest): string {
    const base = baseUrl(this.options.publicUrl ?? 'http://localhost', this.config);
    return new URL(`${base}/${component}/${op}`).pathname;
  }
}

function secretsOf(option: string | undefined): SigningSecrets | null {
  const text = option ?? (process.env['TERCET_SIGNING_SECRET'] || undefined);
  try {
    return text === undefined ? null : new SigningSecrets(text);
  } catch (error) {
    const name = option === undefined ? 'TERCET_SIGNING_SECRET' : 'TercetModule, option signingSecret';
    throw new RangeError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

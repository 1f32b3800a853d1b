/** An OpenTelemetry collector for tests: takes what OTLP/HTTP sends as JSON, and shows it plainly. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface SeenSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '' for none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly beganAt: number;
  readonly endedAt: number;
  readonly attributes: Record<string, unknown>;
  readonly events: { name: string; at: number; attributes: Record<string, unknown> }[];
  readonly isError: boolean;
  /** Attributes of the process that sent it. */
  readonly resource: Record<string, unknown>;
}

interface Field {
  key: string;
  value: { stringValue?: string; intValue?: number; doubleValue?: number };
}
interface Sent {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Field[];
  events: { name: string; timeUnixNano: string; attributes: Field[] }[];
  status: { code: number };
}
interface Export {
  resourceSpans: { resource: { attributes: Field[] }; scopeSpans: { spans: Sent[] }[] }[];
}

export class Collector {
  readonly spans: SeenSpan[] = [];
  readonly paths = new Set<string>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<Collector> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const collector = new Collector(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => {
      void collector
        .take(request)
        .then(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    });
    return collector;
  }

  /** Of one transaction, in the order in which they began. */
  of(gid: string): SeenSpan[] {
    return this.spans
      .filter(({ attributes }) => attributes['tercet.gid'] === gid)
      .sort((a, b) => a.beganAt - b.beganAt || (a.name < b.name ? -1 : 1));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private async take(request: IncomingMessage): Promise<void> {
    this.paths.add(request.url ?? '');
    const { resourceSpans } = (await json(request)) as Export;
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) this.spans.push(seen(span, resource.attributes));
    }
  }
}

function seen(span: Sent, resource: Field[]): SeenSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    name: span.name,
    beganAt: ms(span.startTimeUnixNano),
    endedAt: ms(span.endTimeUnixNano),
    attributes: plain(span.attributes),
    events: span.events.map(({ name, timeUnixNano, attributes }) => ({
      name,
      at: ms(timeUnixNano),
      attributes: plain(attributes),
    })),
    isError: span.status.code === 2,
    resource: plain(resource),
  };
}

const ms = (nanoseconds: string): number => Number(BigInt(nanoseconds) / 1_000_000n);

function plain(fields: Field[]): Record<string, unknown> {
  return Object.fromEntries(
    fields.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue]),
  );
}

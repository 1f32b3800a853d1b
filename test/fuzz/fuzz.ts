/** Asks a node for everything its document names, rightly and wrongly, and judges each answer by the document. */
import pg from 'pg';
import type { OpenApi } from '../support/openapi.js';
import { CONFIGURATION } from './configuration.js';
import { Exchange } from './exchange.js';
import type { Answer } from './exchange.js';
import { Known } from './known.js';
import { Node } from './node.js';
import { odd } from './odd-requests.js';
import { Participant } from './participant.js';
import { Random } from './random.js';
import { operationsOf, Requests } from './requests.js';
import type { Operation, Request } from './requests.js';
import { Tally } from './tally.js';
import { Values } from './values.js';
import { Judge } from './verdict.js';

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** Of the built project. */
  readonly root: string;
  /** An empty database. */
  readonly databaseUrl: string;
  readonly say?: (progress: string) => void;
  /** Ends the run before its time. */
  readonly signal?: AbortSignal;
}

export interface FuzzResult {
  readonly requests: number;
  /** By operation and status, for people. */
  readonly table: string;
  readonly failures: readonly string[];
  /** Operations that were never answered with a 2xx. */
  readonly unproven: readonly string[];
}

/** Requests beyond those that were wanted, as long as some call never went well: what it takes is a matter of luck. */
const MAX_MORE = 12_000;
const AT_A_TIME = 24;
const PROGRESS_EVERY = 1000;
const ODD_IN_PERCENT = 50;

/** What no request makes: messages that Kafka refused, where there is no Kafka, and locks of somebody else. */
async function leaveWork(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`
      INSERT INTO tercet.outbox_dead (bucket, id, message_id, topic, payload, headers, created_at, error)
      SELECT id % 64, id, 'gid/' || id, 'order-paid', 'null', '{}', now(), 'too large' FROM generate_series(1, 200) id;
      INSERT INTO tercet.lock (name, token, owner, node, since, until)
      SELECT 'job-' || id, nextval('tercet.lock_token'), 'owner', 'north', now(), now() + interval '1 day' FROM generate_series(1, 200) id`);
    await client.query(CONFIGURATION);
  } finally {
    await client.end();
  }
}

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { seed, root, databaseUrl } = options;
  const random = new Random(seed);
  const tally = new Tally(options.say);
  const participant = await Participant.start(new Random(seed + 1));
  try {
    const node = await Node.start(root, databaseUrl);
    let operations: Operation[] = [];
    try {
      await leaveWork(databaseUrl);
      const document = (await (await fetch(`${node.url}/openapi.json`)).json()) as OpenApi;
      operations = operationsOf(document);
      const run = new Run(random, tally, node, participant.url, document, operations);
      await run.all(options);
    } finally {
      const wrong = await node.stop();
      if (wrong !== null) tally.fail(null, wrong);
      for (const line of node.alarming) tally.fail(null, `the node said: ${line}`);
    }
    const unproven = operations.filter((operation) => !tally.isProven(operation));
    return {
      requests: tally.requests,
      table: tally.table(),
      failures: tally.failures,
      unproven: unproven.map(({ operationId }) => operationId),
    };
  } finally {
    await participant.stop();
  }
}

class Run {
  private readonly known: Known;
  private readonly make: Requests;
  private readonly judge: Judge;
  private readonly exchange: Exchange;
  /** Each as often as it is to be chosen. */
  private readonly weighted: readonly Operation[];

  constructor(
    private readonly random: Random,
    private readonly tally: Tally,
    private readonly node: Node,
    participantUrl: string,
    document: OpenApi,
    private readonly operations: readonly Operation[],
  ) {
    this.known = new Known(random);
    this.make = new Requests(random, this.known, new Values(random, this.known, participantUrl));
    this.judge = new Judge(document);
    this.exchange = new Exchange(node.url);
    this.weighted = operations.flatMap((operation) =>
      Array.from({ length: weightOf(operation, operations) }, () => operation),
    );
  }

  async all({ requests, say, signal }: FuzzOptions): Promise<void> {
    let left = requests;
    const isOver = (): boolean => {
      if (this.node.ended !== null || signal?.aborted === true) return true;
      return left <= 0 && (left <= -MAX_MORE || this.unproven().length === 0);
    };
    const lane = async (): Promise<void> => {
      while (!isOver()) {
        left -= 1;
        await this.one();
        if (this.tally.requests % PROGRESS_EVERY === 0) {
          say?.(`${this.tally.requests} requests, ${this.tally.failures.length} failures`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
    this.exchange.close();
  }

  private async one(): Promise<void> {
    const valid = this.make.valid(this.choose());
    const request = this.random.in(ODD_IN_PERCENT) ? odd(valid, this.operations, this.random) : valid;
    const answer = await this.exchange.send(request).catch((error: Error) => {
      this.tally.fail(request, `no answer: ${error.message}`);
      return undefined;
    });
    this.tally.count(request, answer);
    if (!answer) return;
    const wrong = this.judge.judge(request, answer);
    if (wrong !== null) this.tally.fail(request, wrong);
    else if (answer.status < 300 && request.operation) this.learn(request, request.operation, answer);
  }

  /** What never went well is tried more often, and so is what makes something that others need. */
  private choose(): Operation {
    const unproven = this.unproven();
    if (unproven.length > 0 && this.random.in(25)) return this.random.pick(unproven);
    return this.random.pick(this.weighted);
  }

  private unproven(): Operation[] {
    return this.operations.filter((operation) => !this.tally.isProven(operation));
  }

  private learn(request: Request, { template, requestBody }: Operation, { status, body }: Answer): void {
    this.make.took(request, status);
    // Of what nothing can be asked, such as a diagnosis, the names mean something else.
    const isAskedFor =
      template.includes('{') || this.operations.some((other) => other.template.startsWith(`${template}/{`));
    if (!isAskedFor || !body.startsWith('{')) return;
    const text = (requestBody && request.body?.toString().trim()) || 'null';
    const asked = JSON.parse(text) as { drive?: unknown } | null;
    const told = JSON.parse(body) as object;
    this.known.learn(asked?.drive ? { ...told, drive: asked.drive } : told, namedIn(template, request.path));
  }
}

/** The names in a path, by what the template calls them. */
function namedIn(template: string, path: string): Record<string, string> {
  const parts = (path.split('?')[0] ?? '').split('/');
  const named: Record<string, string> = {};
  for (const [index, part] of template.split('/').entries()) {
    if (part.startsWith('{')) named[part.slice(1, -1)] = decodeURIComponent(parts[index] ?? '');
  }
  return named;
}

/** Of what others need the more, the more they are; of what takes something away little. */
function weightOf({ method, template, responses }: Operation, operations: readonly Operation[]): number {
  if (method === 'DELETE') return 1;
  if (!('201' in responses)) return 3;
  return 3 + 4 * operations.filter((other) => other.template.startsWith(template)).length;
}

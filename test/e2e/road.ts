/**
 * The road between a coordinator and its PostgreSQL. It understands just enough of the protocol to know where a
 * statement of the group commit begins and ends, and can hold one back, or the answer to one.
 */
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { Moment } from './moment.js';

/** On its way there: it is not committed. On its way back: it is committed, and nobody was told. */
export const WAYS = ['there', 'back'] as const;
export type Way = (typeof WAYS)[number];

/** What a statement of the group commit carries, by the text of its parameters. */
const STATEMENTS = {
  begin: (gid: string) => (text: string) => text.includes(`"gid":"${gid}","owner"`) && text.includes('"content_hash"'),
  decision: (gid: string) => (text: string) => isSaved(text, gid, 'committing|aborting'),
  end: (gid: string) => (text: string) => isSaved(text, gid, 'committed|aborted'),
};
/** Or any save of a transaction that one coordinator began and has to itself, by its number from 1. */
export type Write = keyof typeof STATEMENTS | `save ${number}`;

function fits(write: Write, gid: string): (text: string) => boolean {
  if (write === 'begin' || write === 'decision' || write === 'end') return STATEMENTS[write](gid);
  const number = write.slice('save '.length);
  return (text) => new RegExp(`"gid":"${gid}","owner":"[^"]*","epoch":1,"version":${number},"status"`).test(text);
}

function isSaved(text: string, gid: string, status: string): boolean {
  return new RegExp(`"gid":"${gid}","owner":"[^"]*","epoch":\\d+,"version":\\d+,"status":"(${status})"`).test(text);
}

interface Order {
  readonly fits: (text: string) => boolean;
  readonly way: Way;
  readonly moment: Moment;
}

export class Road {
  private readonly server = createServer((client) => new Lane(client, this.target, this));
  private readonly lanes = new Set<Lane>();
  private orders: Order[] = [];

  private constructor(private readonly target: URL) {}

  static async open(url: string): Promise<Road> {
    const road = new Road(new URL(url));
    await new Promise<void>((ready) => road.server.listen(0, '127.0.0.1', ready));
    return road;
  }

  /** The target's URL by way of this road. */
  get url(): string {
    const address = this.server.address();
    const url = new URL(this.target);
    url.port = String(typeof address === 'object' ? address?.port : '');
    return url.href;
  }

  /** Holds the next statement of the group commit that fits, or the answer to it. */
  hold(write: Write, gid: string, way: Way): Moment {
    const moment = new Moment();
    this.orders.push({ fits: fits(write, gid), way, moment });
    return moment;
  }

  async close(): Promise<void> {
    for (const lane of this.lanes) lane.cut();
    await new Promise((done) => this.server.close(done));
  }

  /** Of a lane: what to do with this statement. */
  orderFor(text: string): Order | undefined {
    const order = this.orders.find(({ fits }) => fits(text));
    if (order) this.orders = this.orders.filter((other) => other !== order);
    return order;
  }

  enter(lane: Lane): void {
    this.lanes.add(lane);
  }

  leave(lane: Lane): void {
    this.lanes.delete(lane);
  }
}

const SYNC = 'S'.charCodeAt(0);
const PARTS_OF_A_STATEMENT = new Set([...'PBDEC'].map((letter) => letter.charCodeAt(0)));
/** The end of what the server says to a statement: ready for the next one. */
const READY = Buffer.from([...'Z'].map((letter) => letter.charCodeAt(0)).concat(0, 0, 0, 5));

/** One connection. */
class Lane {
  private readonly upstream: Socket;
  private unread = Buffer.alloc(0);
  private statement: Buffer[] = [];
  private hasStarted = false;
  private isFlushLane = false;
  /** Holds whatever the server says until it is settled. */
  private answerHeld: Moment | null = null;
  private answer = Buffer.alloc(0);
  /** Something is held: the connection to the server outlives the client, as if it were still on its way. */
  private isHeld = false;

  constructor(
    private readonly client: Socket,
    target: URL,
    private readonly road: Road,
  ) {
    road.enter(this);
    this.upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, this.upstream]) socket.setNoDelay().on('error', () => undefined);
    client.on('data', (chunk: Buffer) => this.fromClient(chunk));
    client.on('close', () => {
      if (!this.isHeld) this.cut();
    });
    this.upstream.on('data', (chunk: Buffer) => this.fromServer(chunk));
    this.upstream.on('close', () => this.cut());
  }

  cut(): void {
    this.road.leave(this);
    this.client.destroy();
    this.upstream.destroy();
  }

  private fromClient(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk]);
    for (;;) {
      // The first message has no letter.
      const lengthAt = this.hasStarted ? 1 : 0;
      if (this.unread.length < lengthAt + 4) return;
      const end = lengthAt + this.unread.readInt32BE(lengthAt);
      if (this.unread.length < end) return;
      const message = this.unread.subarray(0, end);
      this.unread = this.unread.subarray(end);
      this.take(message);
    }
  }

  private take(message: Buffer): void {
    if (!this.hasStarted) {
      this.hasStarted = true;
      this.isFlushLane = message.includes('tercet flush');
    }
    if (!this.isFlushLane || !(PARTS_OF_A_STATEMENT.has(message[0] ?? 0) || message[0] === SYNC)) {
      this.upstream.write(message);
      return;
    }
    this.statement.push(message);
    if (message[0] === SYNC) this.send(Buffer.concat(this.statement.splice(0)));
  }

  private send(statement: Buffer): void {
    const order = this.road.orderFor(statement.toString('utf8'));
    if (order?.way === 'there') this.hold(order.moment, () => this.deliver(statement));
    else {
      if (order) this.answerHeld = order.moment;
      this.upstream.write(statement);
    }
  }

  /** Resolves when the server is through with it. */
  private deliver(statement: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.upstream.on('data', (chunk: Buffer) => isReady(chunk) && resolve()).once('close', resolve);
      this.upstream.write(statement);
    });
  }

  private fromServer(chunk: Buffer): void {
    if (!this.answerHeld) {
      this.client.write(chunk);
      return;
    }
    this.answer = Buffer.concat([this.answer, chunk]);
    if (!isReady(this.answer)) return;
    const moment = this.answerHeld;
    this.answerHeld = null;
    this.hold(moment, async () => this.client.write(this.answer));
  }

  private hold(moment: Moment, passOn: () => Promise<unknown>): void {
    this.isHeld = true;
    const release = (): void => {
      this.isHeld = false;
      this.answer = Buffer.alloc(0);
      if (this.client.destroyed) this.cut();
    };
    moment.hold(passOn).then(release, () => this.cut());
  }
}

function isReady(chunk: Buffer): boolean {
  return chunk.subarray(-READY.length - 1, -1).equals(READY);
}

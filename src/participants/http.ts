/** Calls to participants over HTTP; docs/wire.md, section 7. */
import type { Outcome } from '../domain/transaction.js';
import type { CallRequest, Clock, Component, Instance, Participants, PreparedCall } from '../engine/ports.js';
import type { SigningSecrets } from '../protocol/signature.js';
import { quoted } from '../protocol/json.js';
import { HEADERS } from '../protocol/words.js';
import type { CallsView, Op } from '../protocol/words.js';
import { Balancer } from './balancer.js';
import type { Choice } from './balancer.js';
import { Detours } from './detours.js';
import { NOT_LEFT_MS } from './exchange.js';
import type { Result } from './exchange.js';
import { Pace } from './pace.js';
import { pathOf } from './sender.js';
import type { Outgoing, Sender } from './sender.js';
import { described } from './trouble.js';
import { traceparent } from './traceparent.js';
import { Turnstile } from './turnstile.js';
import { Waiters } from './waiters.js';

const NO_CALLS: CallsView = { inFlight: 0, failureRate: 0, breaker: 'closed' };

type Sendable = Omit<CallRequest, 'mayLeave' | 'leaveBy' | 'wake' | 'whenStopped'>;

/** With names and values of headers in turn, as undici takes them with the least work. */
type Prepared = Omit<PreparedCall, 'headers'> & { readonly headers: string[] };

interface Neighbour {
  readonly balancer: Balancer;
  readonly turnstile: Turnstile;
  readonly pace: Pace;
  /** Each operation may be called elsewhere. */
  readonly waiters: Map<Op, Waiters>;
}

export class HttpParticipants implements Participants {
  private readonly neighbours = new Map<string, Neighbour>();
  private readonly detours = new Detours();

  constructor(
    private readonly sender: Sender,
    private readonly clock: Clock,
    /** Null: calls are not signed. */
    private readonly signing: SigningSecrets | null = null,
  ) {}

  async call(request: CallRequest): Promise<Outcome> {
    const { component, op } = request;
    // It was replaced by one that lacks what was there at the begin.
    if (!component.targets[op])
      return { kind: 'unknown', detail: `component '${component.name}' has no URL for ${op} now`, hasLeft: false };
    const neighbour = this.neighbour(component);
    const { turnstile, pace } = neighbour;
    const turn = turnstile.enter();
    if (turn) await turn;
    try {
      const moment = pace.enter(request);
      if (moment) await moment;
      return await this.callOne(request, neighbour);
    } finally {
      turnstile.leave();
    }
  }

  /** A call that certainly never reached its instance goes to another one as the same attempt. */
  private async callOne(request: CallRequest, neighbour: Neighbour): Promise<Outcome> {
    const { tx, branch, op, component } = request;
    const { balancer, waiters } = neighbour;
    waiters.get(op)?.forget(request);
    let failed: Outcome | null = null;
    for (let sent = 1; ; sent += 1) {
      const choice = balancer.choose(component.instances(op), this.detours.of(tx.gid, branch.branchId));
      if (typeof choice === 'number') return failed ?? this.waitersOf(neighbour, op).join(request, choice);
      // Asked after the wait, as close to the call as can be: a lease may have ended meanwhile.
      if (!request.mayLeave()) {
        leave(neighbour, choice, null);
        return failed ?? { kind: 'postponed', retryAfterMs: NOT_LEFT_MS };
      }
      const { instance, live } = choice;
      const { outcome: answer, isAlive, hasLeft } = await this.exchange(request, instance);
      leave(neighbour, choice, { isAlive, hasLeft });
      const outcome = answer.kind === 'unknown' && !hasLeft ? { ...answer, hasLeft } : answer;
      if (outcome.kind === 'done' || outcome.kind === 'refused') this.detours.forget(tx.gid, branch.branchId);
      if (outcome.kind !== 'unknown' || isAlive === null || instance === null || live === 1) return outcome;
      this.detours.note(tx.gid, branch.branchId, instance.name);
      failed = { ...outcome, detail: `${outcome.detail} (instance ${instance.name})` };
      if (hasLeft || sent >= live) return failed;
    }
  }

  prepare(request: Sendable): PreparedCall {
    const { component, op } = request;
    const { headers, ...rest } = this.prepared(
      request,
      this.neighbour(component).balancer.peek(component.instances(op)),
    );
    const named = headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] ?? '']] : []));
    return { ...rest, headers: Object.fromEntries(named) as Record<string, string> };
  }

  /** What this node has seen of its calls to an instance, or with null to the component's own URLs. */
  observed(component: string, instance: string | null): CallsView {
    return this.neighbours.get(component)?.balancer.observed(instance) ?? NO_CALLS;
  }

  /** Limits may have changed: who waits in line goes by them from now on. @param component as it is now, if it is known */
  relimit(component: (name: string) => Component | undefined): void {
    for (const name of this.neighbours.keys()) {
      const found = component(name);
      if (found) this.neighbour(found);
    }
  }

  private prepared({ tx, branch, op, attempt, component }: Sendable, instance: Instance | null): Prepared {
    const url = urlOf(component, op, instance);
    // Payload and reply are JSON texts already, and go out as they came in.
    const body =
      `{"gid":${quoted(tx.gid)},"branchId":${quoted(branch.branchId)},"op":"${op}","attempt":${attempt},` +
      `"mode":"${tx.mode}","component":${quoted(branch.component)},"beganAt":"${new Date(tx.beganAt).toISOString()}",` +
      `"payload":${branch.payload},"reply":${branch.reply ?? 'null'}}`;
    const headers = [
      'content-type',
      'application/json',
      HEADERS.gid,
      tx.gid,
      HEADERS.branch,
      branch.branchId,
      HEADERS.op,
      op,
      HEADERS.attempt,
      String(attempt),
      HEADERS.timeoutMs,
      String(timeoutOf({ branch, component })),
      'traceparent',
      traceparent(tx, branch, op),
    ];
    if (this.signing && url !== '') {
      const signed = { method: 'POST', path: pathOf(new URL(url)), gid: tx.gid, op, body };
      headers.push(HEADERS.signature, this.signing.sign(signed, this.clock.now()));
    }
    return { url, headers, body };
  }

  async close(): Promise<void> {
    for (const { waiters } of this.neighbours.values()) for (const each of waiters.values()) each.close();
    await this.sender.close();
  }

  private exchange(request: CallRequest, instance: Instance | null): Promise<Result> {
    return new Promise((resolve) => {
      const timeoutMs = timeoutOf(request);
      // Who begins a saga may give a service less time than it needs: that must not keep others from calling it.
      const lateIsAlive = timeoutMs < request.component.timeoutMs ? null : false;
      try {
        const { url, headers, body } = this.prepared(request, instance);
        const outgoing: Outgoing = { url, headers, body, timeoutMs, lateIsAlive, leaveBy: request.leaveBy() };
        request.whenStopped(this.sender.send(outgoing, resolve));
      } catch (error) {
        resolve({ outcome: { kind: 'unknown', detail: described(error) }, isAlive: false, hasLeft: false });
      }
    });
  }

  private neighbour(component: Component): Neighbour {
    const there = this.neighbours.get(component.name);
    if (there) {
      there.turnstile.resize(component.concurrency);
      there.pace.adjust(component.callsPerSecond);
      return there;
    }
    const balancer = new Balancer(() => this.clock.monotonic());
    const turnstile = new Turnstile(component.concurrency);
    const pace = new Pace(component.callsPerSecond, this.clock);
    const neighbour = { balancer, turnstile, pace, waiters: new Map<Op, Waiters>() };
    this.neighbours.set(component.name, neighbour);
    return neighbour;
  }

  private waitersOf({ balancer, waiters }: Neighbour, op: Op): Waiters {
    const there = waiters.get(op);
    if (there) return there;
    const made = new Waiters(({ component }) => balancer.waitMs(component.instances(op)), this.clock);
    waiters.set(op, made);
    return made;
  }
}

function leave(
  { balancer, waiters }: Neighbour,
  choice: Choice,
  result: Pick<Result, 'isAlive' | 'hasLeft'> | null,
): void {
  balancer.leave(choice, result);
  if (choice.pass === 'probe') for (const each of waiters.values()) each.changed();
}

function urlOf({ targets }: Component, op: Op, instance: Instance | null): string {
  return instance ? `${instance.url}/${op}` : (targets[op] ?? '');
}

function timeoutOf({ branch, component }: Pick<CallRequest, 'branch' | 'component'>): number {
  return branch.plan?.timeoutMs ?? component.timeoutMs;
}

/** What the engine tells, counted. On the hot path: every series is looked up once and kept. */
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Transaction } from '../domain/transaction.js';
import type { AnsweredCall, Observer } from '../engine/ports.js';
import type { Decision, Mode, Op } from '../protocol/words.js';
import { Tallies, Timings } from './series.js';
import type { Tally, Timing } from './series.js';

/** From one millisecond, which a service beside us needs, to a minute, which is longer than anybody waits for. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Components with series of their own; those that come later share one name, so that no list of names fills a server. */
export const MAX_COMPONENTS = 200;
const OTHERS = 'other';

type Outcome = AnsweredCall['outcome']['kind'];

/** The series of one component and operation. */
interface CallSeries {
  readonly seconds: Timing;
  readonly outcomes: Map<Outcome, Tally>;
}

export class EngineMetrics implements Observer {
  private readonly begins: Tallies<'mode'>;
  private readonly decisions: Tallies<'mode' | 'decision' | 'reason'>;
  private readonly decisionSeconds: Timings<'mode'>;
  private readonly ends: Tallies<'mode' | 'status'>;
  private readonly parks: Counter<'mode'>;
  private readonly calls: Tallies<'component' | 'op' | 'outcome'>;
  private readonly callSeconds: Timings<'component' | 'op'>;
  private readonly leaseLosses: Counter;
  private readonly takeOvers: Counter;
  private readonly lostSaves: Counter;

  private readonly kept = new Map<string, Tally>();
  private readonly timers = new Map<Mode, Timing>();
  private readonly callSeries = new Map<string, Map<Op, CallSeries>>();
  private readonly components = new Set<string>();

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `tercet_${name}_total`, help, labelNames, registers });
    const tallies = <L extends string>(name: string, help: string, labelNames: L[]): Tallies<L> =>
      new Tallies(registry, { name: `tercet_${name}_total`, help, labelNames });
    const seconds = <L extends string>(name: string, help: string, labelNames: L[]): Timings<L> =>
      new Timings(registry, { name: `tercet_${name}_seconds`, help, labelNames }, SECONDS);
    this.begins = tallies('begins', 'New transactions recorded by this node.', ['mode']);
    this.decisions = tallies('decisions', 'Decisions that this node made durable; a commit has the reason none.', [
      'mode',
      'decision',
      'reason',
    ]);
    this.decisionSeconds = seconds('begin_to_decision', 'From the begin of a transaction to its decision.', ['mode']);
    this.ends = tallies('ends', 'Transactions that this node brought to their end.', ['mode', 'status']);
    this.parks = counter('parks', 'Transactions that this node gave up and parked; not those an operator parked.', [
      'mode',
    ]);
    this.calls = tallies('calls', 'Calls to participants by what came of them; postponed ones did not leave.', [
      'component',
      'op',
      'outcome',
    ]);
    this.callSeconds = seconds('call', 'Calls to participants, waiting in line for the component included.', [
      'component',
      'op',
    ]);
    this.leaseLosses = counter('lease_losses', 'Times that another node declared this one dead.');
    this.takeOvers = counter('take_overs', 'Transactions of dead nodes that this node took over.');
    this.lostSaves = counter('lost_saves', 'Writes that counted no more, because another node or request wrote first.');
  }

  begun({ mode }: Transaction): void {
    this.keep(mode, () => this.begins.labels(mode)).inc();
  }

  decided({ mode, decision, reason, beganAt, decidedAt }: Transaction): void {
    const why = reason?.kind ?? 'none';
    const what: Decision = decision ?? 'abort';
    this.keep(`${mode} ${what} ${why}`, () => this.decisions.labels(mode, what, why)).inc();
    let timer = this.timers.get(mode);
    if (!timer) this.timers.set(mode, (timer = this.decisionSeconds.labels(mode)));
    timer.observe(Math.max(0, (decidedAt ?? beganAt) - beganAt) / 1000);
  }

  answered({ branch, op, outcome: { kind }, durationMs }: AnsweredCall): void {
    const series = this.callSeries.get(branch.component)?.get(op) ?? this.seriesOf(branch.component, op);
    let count = series.outcomes.get(kind);
    if (!count) {
      count = this.calls.labels(this.labelOf(branch.component), op, kind);
      series.outcomes.set(kind, count);
    }
    count.inc();
    if (kind !== 'postponed') series.seconds.observe(durationMs / 1000);
  }

  parked({ mode }: Transaction): void {
    this.parks.labels(mode).inc();
  }

  ended({ mode, status }: Transaction): void {
    this.keep(`${mode} ${status}`, () => this.ends.labels(mode, status)).inc();
  }

  saveLost(): void {
    this.lostSaves.inc();
  }

  leaseLost(): void {
    this.leaseLosses.inc();
  }

  tookOver({ length }: readonly Transaction[]): void {
    this.takeOvers.inc(length);
  }

  private keep(key: string, make: () => Tally): Tally {
    let there = this.kept.get(key);
    if (!there) this.kept.set(key, (there = make()));
    return there;
  }

  private seriesOf(component: string, op: Op): CallSeries {
    const label = this.labelOf(component);
    const series = { seconds: this.callSeconds.labels(label, op), outcomes: new Map<Outcome, Tally>() };
    // The name is not kept either where there are too many.
    if (label !== component) return series;
    const ofComponent = this.callSeries.get(component) ?? new Map<Op, CallSeries>();
    this.callSeries.set(component, ofComponent.set(op, series));
    return series;
  }

  private labelOf(component: string): string {
    if (this.components.has(component)) return component;
    if (this.components.size >= MAX_COMPONENTS) return OTHERS;
    this.components.add(component);
    return component;
  }
}

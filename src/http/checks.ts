/** What the facts mean: what is right, what may become wrong, what is wrong, and what to do about it. */
import type { CheckView } from '../protocol/words.js';
import type { DatabaseFacts, ServerFacts, WorkFacts } from '../storage/diagnosis.js';

/** Connections that one node may open at most, without Kafka: docs/operations.md. */
const CONNECTIONS_OF_A_NODE = 31;
const SLOW_ROUND_TRIP_MS = 20;
const CLOCK_MS = 500;
const MANY_UNFINISHED = 10_000;
/** A transaction that could go on and has not for so long. */
const OLD_MS = 5 * 60_000;
/** History must have a partition for the day after tomorrow, or nobody made one for days. */
const AHEAD_MS = 2 * 86_400_000;

export const good = (name: string, detail: string): CheckView => ({ name, ok: true, detail, advice: null });
export const doubtful = (name: string, detail: string, advice: string): CheckView => {
  return { name, ok: 'warning', detail, advice };
};
export const wrong = (name: string, detail: string, advice: string): CheckView => ({ name, ok: false, detail, advice });

export function databaseChecks(facts: DatabaseFacts): CheckView[] {
  return [
    roundTrip(facts),
    ...serverChecks(facts.server),
    clock(facts.clockOffsetMs),
    schema(facts),
    rights(facts),
    history(facts),
    nodes(facts),
    ...workChecks(facts.work),
  ];
}

function roundTrip({ roundTripMs, server }: DatabaseFacts): CheckView {
  const detail = `PostgreSQL ${server.version}, ${roundTripMs.toFixed(1)} ms away, as user ${server.user}`;
  if (server.isReplica) return wrong('database', `${detail}; it is a replica`, 'point DATABASE_URL to the primary');
  if (roundTripMs <= SLOW_ROUND_TRIP_MS) return good('database', detail);
  return doubtful('database', detail, 'each transaction waits for it three times: move the node nearer to it');
}

function serverChecks(server: ServerFacts): CheckView[] {
  return [commits(server), disk(server), vacuum(server), timeZone(server), room(server)];
}

function commits({ synchronousCommit: value }: ServerFacts): CheckView {
  const detail = `synchronous_commit is ${value} in our sessions`;
  if (value === 'on' || value === 'remote_apply') return good('commits', detail);
  return wrong(
    'commits',
    detail,
    'something between takes away the options of a connection: use a pooler in session mode, or none',
  );
}

function disk({ fsync, fullPageWrites }: ServerFacts): CheckView {
  const detail = `fsync is ${fsync}, full_page_writes ${fullPageWrites}`;
  if (fsync === 'on' && fullPageWrites === 'on') return good('disk', detail);
  return wrong('disk', detail, 'turn both on: a power cut loses decisions, and may ruin the database');
}

function vacuum({ autovacuum, trackCounts }: ServerFacts): CheckView {
  if (autovacuum === 'on' && trackCounts === 'on') return good('autovacuum', 'on');
  const detail = `autovacuum is ${autovacuum}, track_counts ${trackCounts}`;
  return wrong('autovacuum', detail, 'turn both on: tables grow and get slow without end');
}

function timeZone({ timeZone: zone }: ServerFacts): CheckView {
  const detail = `${zone} in our sessions, ${Intl.DateTimeFormat().resolvedOptions().timeZone} in this process`;
  if (zone === 'UTC') return good('time zone', detail);
  return doubtful('time zone', detail, 'something between takes away the options of a connection, or sets its own');
}

function room({ maxConnections, reservedConnections, connections }: ServerFacts): CheckView {
  const left = maxConnections - reservedConnections - connections;
  const detail = `${connections} of max_connections = ${maxConnections} are in use, ${Math.max(0, left)} are left`;
  if (left >= CONNECTIONS_OF_A_NODE) return good('connections', detail);
  return doubtful('connections', detail, `a node may open ${CONNECTIONS_OF_A_NODE}: raise max_connections`);
}

function clock(offsetMs: number): CheckView {
  const ms = Math.round(offsetMs);
  const detail = `the database's is ${Math.abs(ms)} ms ${ms < 0 ? 'behind' : 'ahead of'} that of this node`;
  if (Math.abs(ms) <= CLOCK_MS) return good('clock', detail);
  return doubtful('clock', detail, 'deadlines follow the database, but logs will not line up: let both follow NTP');
}

function schema({ lackingMigrations }: DatabaseFacts): CheckView {
  if (lackingMigrations.length === 0) return good('migrations', 'all of this version were run');
  return wrong('migrations', `not run: ${lackingMigrations.join(', ')}`, 'run `tercet migrate` with DATABASE_URL');
}

function rights({ lackingRight }: DatabaseFacts): CheckView {
  if (lackingRight === null) return good('rights', 'the user may use every table');
  return wrong(
    'rights',
    `the user lacks ${lackingRight}`,
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES and USAGE ON ALL SEQUENCES IN SCHEMA tercet to it',
  );
}

function history({ history: facts }: DatabaseFacts): CheckView {
  const days = (facts.aheadMs / 86_400_000).toFixed(1);
  const detail = `${facts.partitions} partitions, made ahead for ${days} days`;
  const advice = 'one of the nodes makes them: their logs say why it could not';
  if (facts.isDefaultUsed) return wrong('history', `${detail}; history_default holds rows`, advice);
  return facts.aheadMs >= AHEAD_MS ? good('history', detail) : wrong('history', detail, advice);
}

function nodes({ nodes: all }: DatabaseFacts): CheckView {
  // One that has gone and left nothing is forgotten soon.
  const shown = all.filter(({ isDead, owned }) => !isDead || owned > 0);
  const detail = shown
    .map(({ node, leftMs, isDead, owned }) => {
      const lease = isDead ? 'gone' : leftMs < 0 ? `silent for ${duration(-leftMs)}` : `lease ${duration(leftMs)}`;
      return `${node} (${lease}, drives ${owned})`;
    })
    .join(', ');
  const isWaiting = all.some(({ isDead, leftMs, owned }) => (isDead || leftMs < 0) && owned > 0);
  if (!isWaiting) return good('nodes', detail);
  return doubtful('nodes', detail, 'what the silent ones drive is being taken over; look again in a lease');
}

function workChecks({ open, committing, aborting, parked, oldest }: WorkFacts): CheckView[] {
  const unfinished = open + committing + aborting;
  const detail = `${unfinished} unfinished: ${open} open, ${committing} committing, ${aborting} aborting`;
  const many = 'a service is slow or down: `tercet component list`, then `tercet tx list --unfinished`';
  return [
    unfinished < MANY_UNFINISHED ? good('backlog', detail) : doubtful('backlog', detail, many),
    age(oldest),
    parked === 0
      ? good('parked', 'nothing waits for a person')
      : wrong(
          'parked',
          `waiting for a person: ${parked}`,
          '`tercet tx list --parked` says why; repair, then `tercet tx resume`',
        ),
  ];
}

function age(oldest: WorkFacts['oldest']): CheckView {
  if (oldest === null) return good('oldest', 'nothing is late');
  const detail = `${oldest.gid} has been ${oldest.status} for ${duration(oldest.ageMs)}`;
  if (oldest.ageMs < OLD_MS) return good('oldest', detail);
  return doubtful('oldest', detail, `\`tercet tx show ${oldest.gid}\` says what it waits for`);
}

export function duration(ms: number): string {
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** A consumer whose effect is a row, numbered within its key; asked over HTTP, it says how many messages are ahead of its group. */
import { createServer } from 'node:http';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { consume } from '@tercet/client/kafka';

const { broker, database, topic, groupId } = JSON.parse(process.argv[2]);
const pool = new pg.Pool({ connectionString: database });
pool.on('error', () => undefined);

const consumption = consume({
  kafka: new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, connectionTimeout: 1000, requestTimeout: 5000 }),
  pool,
  groupId,
  topics: [topic],
  retry: { baseMs: 20, capMs: 200 },
  // The shortest that a broker allows.
  consumer: { sessionTimeout: 6000 },
  logger: { warn() {}, error() {} },
  handler: ({ gid, key, manager }) =>
    manager.query(
      `WITH counted AS (
         INSERT INTO tally (key, n) VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET n = tally.n + 1 RETURNING n
       )
       INSERT INTO effect (key, n, gid) SELECT $1, n, $2 FROM counted`,
      [key, gid],
    ),
});

async function ahead() {
  const lag = await consumption.lag();
  return lag.reduce((sum, { messages }) => sum + messages, 0);
}

const server = createServer((_request, response) => {
  ahead().then(
    (count) => response.end(String(count)),
    (error) => response.writeHead(503).end(error.message),
  );
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`));

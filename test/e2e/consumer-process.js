/**
 * A consumer in a process of its own, with the built package. It tells its parent `begun` when the handler of a message has
 * written its effect, and `committed` when the database has; asked to halt there, it does nothing more.
 */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { consume } from '@tercet/client/kafka';

const { brokers, database, topic, groupId, haltAt } = JSON.parse(process.argv[2]);
const pool = new pg.Pool({ connectionString: database });
let goOn;
const told = new Promise((resolve) => (goOn = resolve));

/** @param {string} moment */
async function reached(moment) {
  process.send(moment);
  if (moment === haltAt) await told;
}

/** The pool, with a word when a transaction has been committed. */
const watched = {
  query: (...args) => pool.query(...args),
  async connect() {
    const client = await pool.connect();
    return {
      async query(text, values) {
        const result = await client.query(text, values);
        if (text === 'COMMIT') await reached('committed');
        return result;
      },
      on: (...args) => client.on(...args),
      off: (...args) => client.off(...args),
      release: (...args) => client.release(...args),
    };
  },
};

const consumption = consume({
  kafka: new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }),
  pool: watched,
  groupId,
  topics: [topic],
  consumer: { sessionTimeout: 6000 },
  logger: { warn() {}, error() {} },
  async handler({ key, payload, manager }) {
    await manager.query('INSERT INTO effect (key, payload) VALUES ($1, $2)', [key, JSON.stringify(payload)]);
    await reached('begun');
  },
});

process.on('message', () => goOn());
process.once('SIGTERM', () => consumption.stop().then(() => process.exit(0)));

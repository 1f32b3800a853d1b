/** Names that lead elsewhere once they were checked. 127.0.0.2 stands for where calls may go, 127.0.0.3 for where not. */
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { unreachable } from '../../src/participants/reach.js';
import { Listener } from './listener.js';
import { ManualClock } from './manual-clock.js';
import { component, request } from './request.js';
import { json, Service } from './service.js';

const ALLOWED = '127.0.0.2';
const FORBIDDEN = '127.0.0.3';

let service: Service;
let forbidden: Listener;
/** What the name leads to, one lookup after the other; the last one stays. */
let answers: string[][];
let lookups: number;
let allowList: AllowList;
let participants: HttpParticipants;

beforeEach(async () => {
  service = await Service.start(json({ reached: true }, 200, { connection: 'close' }), ALLOWED);
  forbidden = await Listener.start(FORBIDDEN, service.port);
  lookups = 0;
  allowList = new AllowList(ALLOWED, (_host, _options, done) => {
    lookups += 1;
    const found = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    process.nextTick(() =>
      done(
        null,
        found.map((address) => ({ address, family: 4 })),
      ),
    );
  });
  participants = new HttpParticipants(new PoolSender(allowList, new ManualClock()), new ManualClock());
});

afterEach(async () => {
  await participants.close();
  await service.stop();
  expect(forbidden.connections).toBe(0);
  await forbidden.stop();
});

const urlOf = (scheme = 'http'): string => `${scheme}://rebound.example:${service.port}`;
const NOT_PERMITTED = {
  kind: 'unknown',
  hasLeft: false,
  detail: `rebound.example resolves to ${FORBIDDEN}, which the allow-list does not permit`,
};

test.each(['http', 'https'])('%s: one that led to an allowed address when it was registered, only', async (scheme) => {
  answers = [[ALLOWED], [FORBIDDEN]];
  await allowList.check(urlOf(scheme), 'url');
  expect(await participants.call(request(urlOf(scheme)))).toEqual(NOT_PERMITTED);
});

test('one that leads to both is not taken, and when it was, only the allowed address is tried, even if nobody is there', async () => {
  answers = [[ALLOWED, FORBIDDEN]];
  await expect(allowList.check(urlOf(), 'url')).rejects.toMatchObject({ code: 'TERCET_TARGET_FORBIDDEN' });
  expect(await participants.call(request(urlOf()))).toMatchObject({ kind: 'done' });
  await service.stop();
  const refused = { kind: 'unknown', hasLeft: false, detail: `connection refused by ${ALLOWED}:${service.port}` };
  expect(await participants.call(request(urlOf()))).toEqual(refused);
  service = await Service.start(json({}), ALLOWED);
});

test('what was checked is what is connected to: one lookup for each connection', async () => {
  answers = [[ALLOWED], [FORBIDDEN]];
  expect(await participants.call(request(urlOf()))).toMatchObject({ kind: 'done' });
  expect(lookups).toBe(1);
  expect(await participants.call(request(urlOf()))).toEqual(NOT_PERMITTED);
  expect([lookups, service.asked.length]).toEqual([2, 1]);
});

test('an instance that leads elsewhere now is passed over for one that does not', async () => {
  answers = [[FORBIDDEN]];
  const instances = [
    { name: 'moved', url: urlOf(), aliveUntil: Infinity },
    { name: 'true', url: `http://${ALLOWED}:${service.port}`, aliveUntil: Infinity },
  ];
  const to = component(urlOf(), { instances: () => instances });
  for (let call = 0; call < 3; call += 1) expect(await participants.call(request(to))).toMatchObject({ kind: 'done' });
});

test('who looks whether services can be reached connects to none of them either', async () => {
  answers = [[FORBIDDEN]];
  const direct = `http://${FORBIDDEN}:${service.port}`;
  const troubles = await unreachable([urlOf(), urlOf('https'), `${direct}/try`], allowList, null);
  expect(Object.fromEntries(troubles)).toEqual({
    [urlOf()]: NOT_PERMITTED.detail,
    [urlOf('https')]: NOT_PERMITTED.detail,
    [direct]: `${FORBIDDEN} is not on the allow-list`,
  });
});

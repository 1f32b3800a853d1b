/** Which targets components may point to, and where calls may connect: TERCET_ALLOWED_TARGETS. */
import { AllowList } from '../../src/participants/allow-list.js';
import type { Resolver } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import type { TercetError } from '../../src/protocol/errors.js';
import { ManualClock } from './manual-clock.js';
import { request } from './request.js';
import { json, Service } from './service.js';

/** What the names of this test resolve to; nobody can say so to a real name server. */
const zone = new Map<string, string[]>();

const resolver: Resolver = (host, _options, done) => {
  const addresses = zone.get(host.replace(/\.$/, '')) ?? [];
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  process.nextTick(() => done(found.length > 0 ? null : new Error(`ENOTFOUND ${host}`), found));
};

beforeEach(() => zone.clear());

/** 'yes', or what the refusal says. */
async function registered(list: string, url: string): Promise<string> {
  const allowList = new AllowList(list, resolver);
  return allowList.check(url, 'endpoints.try').then(
    () => 'yes',
    (error: unknown) => {
      const { code, errors } = error as TercetError;
      expect(code).toBe('TERCET_TARGET_FORBIDDEN');
      expect(errors).toEqual([{ path: 'endpoints.try', message: expect.any(String) }]);
      return errors?.[0]?.message ?? '';
    },
  );
}

describe('at registration', () => {
  const DEFAULT = '127.0.0.0/8,[::1]';

  test.each([
    [DEFAULT, 'http://127.0.0.1:3001/tercet'],
    [DEFAULT, 'https://127.200.3.4/'],
    [DEFAULT, 'http://[::1]:3001/'],
    [DEFAULT, 'http://2130706433/'],
    [DEFAULT, 'http://0x7f.1/'],
    [DEFAULT, 'http://[::ffff:127.0.0.1]/'],
    ['10.1.0.0/16', 'http://10.1.255.255/'],
    ['10.1.2.3', 'http://10.1.2.3/'],
    ['fd00::/8', 'http://[fd12:3456::1]/'],
    ['[fd00::]/8', 'http://[fd12:3456::1]/'],
    ['fd12::1', 'http://[FD12:0:0::1]/'],
    ['169.254.0.0/16', 'http://169.254.1.1/'],
    ['account', 'http://account:3001/'],
    ['Account.Shop.Example', 'http://ACCOUNT.shop.example/'],
    ['account.shop', 'http://account.shop./'],
    ['.svc.local', 'http://account.shop.svc.local/'],
    [' a.example , .svc.local,, ', 'http://b.svc.local/'],
    ['my_service', 'http://my_service/'],
    ['::ffff:10.1.2.3', 'http://10.1.2.3/'],
    ['[::ffff:10.1.0.0]/112', 'http://[::ffff:10.1.255.255]/'],
    ['64:ff9b::/96,10.1.0.0/16', 'http://[64:ff9b::10.1.2.3]/'],
    ['2000::/3', 'http://[2a00::1]/'],
  ])('%s allows %s', async (list, url) => {
    expect(await registered(list, url)).toBe('yes');
  });

  test.each([
    [DEFAULT, 'http://10.0.0.1/', /^10\.0\.0\.1 is on no network of the allow-list/],
    [DEFAULT, 'http://128.0.0.1/', /on no network/],
    [DEFAULT, 'http://[::2]/', /on no network/],
    [DEFAULT, 'http://[::ffff:10.0.0.1]/', /on no network/],
    [DEFAULT, 'http://[::]/', /on no network/],
    [DEFAULT, 'http://0.0.0.0/', /on no network/],
    [DEFAULT, 'http://169.254.169.254/latest/meta-data', /on no network/],
    ['10.1.0.0/16', 'http://10.2.0.0/', /on no network/],
    ['.svc.local', 'http://svc.local/', /^svc\.local is not on the allow-list/],
    ['.svc.local', 'http://svc.local.example/', /is not on the allow-list/],
    ['.svc.local', 'http://evilsvc.local/', /is not on the allow-list/],
    ['account', 'http://account.example/', /is not on the allow-list/],
    ['', 'http://127.0.0.1/', /on no network/],
    ['account', 'http://account../', /is not on the allow-list/],
    ['[::]/0', 'http://127.0.0.1/', /on no network/],
    ['[::]/0', 'http://[::ffff:127.0.0.1]/', /^::ffff:7f00:1 \(127\.0\.0\.1\) is on no network/],
  ])('%s refuses %s', async (list, url, message) => {
    expect(await registered(list, url)).toMatch(message);
    expect(await registered(list, url)).toContain('TERCET_ALLOWED_TARGETS');
  });

  test('a name that is not listed is allowed where all its addresses are', async () => {
    zone.set('account.example', ['10.1.0.1', '10.1.0.2']);
    zone.set('mixed.example', ['10.1.0.1', '8.8.8.8']);
    expect(await registered('10.1.0.0/16', 'http://account.example/')).toBe('yes');
    expect(await registered('10.1.0.0/16', 'http://mixed.example/')).toMatch(/nor is its address 8\.8\.8\.8/);
  });

  test('a listed name need not resolve yet', async () => {
    expect(await registered('account.example', 'http://account.example/')).toBe('yes');
  });

  test.each([
    '169.254.169.254',
    'fe80::1',
    '::ffff:169.254.169.254',
    'fd00:ec2::254',
    'fd20:ce::254',
    '100.100.100.200',
  ])(
    'a listed name that resolves to %s, link-local or where a cloud keeps credentials, needs that network listed too',
    async (address) => {
      zone.set('account.example', ['10.1.0.1', address]);
      const url = 'http://account.example/';
      expect(await registered('account.example', url)).toContain('link-local');
      expect(await registered('.example', url)).toContain('link-local');
      const networks = '169.254.0.0/16,fe80::/10,fd00::/8,100.100.100.200';
      expect(await registered(`account.example,${networks}`, url)).toBe('yes');
    },
  );

  /** Each carries 169.254.169.254. */
  describe.each([
    ['NAT64', '64:ff9b::a9fe:a9fe', '64:ff9b::/96'],
    ['NAT64 of one network', '64:ff9b:1::a9fe:a9fe', '64:ff9b:1::/48'],
    ['SIIT', '::ffff:0:a9fe:a9fe', '::ffff:0:0:0/96'],
    ['IPv4-compatible', '::a9fe:a9fe', '::/96'],
    ['6to4', '2002:a9fe:a9fe::1', '2002::/16'],
    ['Teredo', '2001:0:1:2:3:4:5601:5601', '2001::/32'],
  ])('%s: %s', (_name, address, network) => {
    const url = `http://[${address}]/`;

    test('is refused where only the one or only the other is listed', async () => {
      expect(await registered('169.254.0.0/16', url)).toMatch(/is on no network/);
      expect(await registered(network, url)).toMatch(/\(169\.254\.169\.254\) is on no network/);
      expect(await registered('[::]/0', url)).toMatch(/\(169\.254\.169\.254\) is on no network/);
      expect(await registered(`169.254.0.0/16,${network}`, url)).toBe('yes');
    });

    test('is not where a listed name may lead', async () => {
      zone.set('account.example', [address]);
      const refusal = await registered('account.example', 'http://account.example/');
      expect(refusal).toContain(`resolves to ${address} (169.254.169.254), link-local`);
    });
  });

  const UNCLEAR = [
    '10/8',
    '10.1/16',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '167772160/8',
    '0x7f000001',
    '127.0x1',
    'fe80::1%eth0',
  ];
  const NOT_ENTRIES = [
    'http://x',
    '10.0.0.0/33',
    'a b',
    '*.example',
    '10.0.0',
    'fd00::/129',
    '10.0.0.0/8/8',
    '[::1',
    '-',
  ];
  test.each([...NOT_ENTRIES, ...UNCLEAR])('the entry %s is none, and is named', (entry) => {
    expect(() => new AllowList(`127.0.0.1,${entry}`)).toThrow(`'${entry}'`);
  });
});

describe('at the connection', () => {
  let service: Service;

  beforeEach(async () => {
    service = await Service.start(json({ reached: true }));
  });

  afterEach(() => service.stop());

  async function called(list: string, host: string): Promise<string> {
    const participants = new HttpParticipants(
      new PoolSender(new AllowList(list, resolver), new ManualClock()),
      new ManualClock(),
    );
    const outcome = await participants.call(request(`http://${host}:${service.port}`));
    await participants.close();
    return outcome.kind === 'unknown' ? outcome.detail : outcome.kind;
  }

  test.each(['account.example', 'account.example.'])('%s, which is listed, is reached', async (host) => {
    zone.set('account.example', ['127.0.0.1']);
    expect(await called('account.example', host)).toBe('done');
  });

  test('a name that resolved to an allowed address when it was registered, and to another one now', async () => {
    zone.set('account.example', ['10.1.0.1']);
    expect(await registered('10.1.0.0/16', 'http://account.example/')).toBe('yes');
    zone.set('account.example', ['127.0.0.1']);
    expect(await called('10.1.0.0/16', 'account.example')).toMatch(
      /account\.example resolves to 127\.0\.0\.1, which the allow-list does not permit/,
    );
    expect(service.asked).toEqual([]);
  });

  test('only those addresses of a name are tried that are allowed', async () => {
    zone.set('account.example', ['8.8.8.8', '127.0.0.1']);
    expect(await called('127.0.0.0/8', 'account.example')).toBe('done');
  });

  test.each(['169.254.1.1', 'fe80::1'])('a listed name that leads to %s', async (address) => {
    zone.set('account.example', [address]);
    expect(await called('account.example', 'account.example')).toContain('which the allow-list does not permit');
  });

  test('an address that is not allowed, although it was when the component was registered', async () => {
    expect(await called('10.1.0.0/16', '127.0.0.1')).toBe('127.0.0.1 is not on the allow-list');
    expect(service.asked).toEqual([]);
  });

  test('an IPv4 address in the spelling of IPv6', async () => {
    expect(await called('10.1.0.0/16', '[::ffff:127.0.0.1]')).toContain('is not on the allow-list');
    zone.set('account.example', ['::ffff:127.0.0.1']);
    expect(await called('10.1.0.0/16', 'account.example')).toContain('does not permit');
    expect(service.asked).toEqual([]);
  });

  test('a name that does not resolve', async () => {
    expect(await called('account.example', 'account.example')).toContain('ENOTFOUND');
  });

  test('IPv6 loopback is reached where it is listed', async () => {
    const six = await Service.start(json({}), '::1');
    const participants = new HttpParticipants(
      new PoolSender(new AllowList('[::1]'), new ManualClock()),
      new ManualClock(),
    );
    const outcome = await participants.call(request(`http://[::1]:${six.port}`));
    await participants.close();
    await six.stop();
    expect(outcome).toMatchObject({ kind: 'done' });
  });
});

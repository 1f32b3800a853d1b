/** docker-compose.yml, as far as it can be looked at without an engine that runs it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { hashOf } from '../../src/http/keys.js';
import { readSettings } from '../../src/settings.js';
import { programOf } from '../support/debian.js';
import { environmentOf, stages, text, yaml } from './compose.js';
import type { Compose, ComposeService } from './compose.js';

const { services, volumes } = yaml('docker-compose.yml') as Compose;
const COORDINATORS = ['coordinator-1', 'coordinator-2'];
/** And what they are instances of. */
const SAMPLES = {
  order: 'order',
  'account-1': 'account',
  'account-2': 'account',
  inventory: 'inventory',
  points: 'points',
};
const names = Object.keys(services);

function service(name: string): ComposeService {
  const found = services[name];
  if (!found) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

/** All that a sample is made of. */
const sourceOf = (folder: string): string =>
  readdirSync(new URL(`../../examples/${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => text(`examples/${folder}/${file}`))
    .join('\n');

const coordinator = (name: string): Record<string, string> => ({
  ...environmentOf('coordinator'),
  ...service(name).environment,
});
const sample = (name: string): Record<string, string> => ({
  ...environmentOf('samples'),
  ...service(name).environment,
});

describe('docker-compose.yml', () => {
  test('names services, volumes, files and stages that there are', () => {
    expect(names.length).toBeGreaterThan(8);
    const used = new Set<string>();
    for (const one of Object.values(services)) {
      for (const needed of Object.keys(one.depends_on ?? {})) expect(names).toContain(needed);
      for (const [source = ''] of (one.volumes ?? []).map((volume) => volume.split(':'))) {
        if (!source.startsWith('./')) used.add(source);
        else
          expect({ source, isHere: existsSync(new URL(`../../${source}`, import.meta.url)) }).toHaveProperty(
            'isHere',
            true,
          );
      }
      if (one.build === undefined) continue;
      const { context, target } = typeof one.build === 'string' ? { context: one.build, target: undefined } : one.build;
      expect(context).toBe('.');
      if (target !== undefined) expect(stages().map(({ name }) => name)).toContain(target);
    }
    expect([...used].sort()).toEqual(Object.keys(volumes).sort());
  });

  test('who waits for another to be healthy waits for one that has a health check', () => {
    for (const { depends_on: needs = {} } of Object.values(services)) {
      for (const [name, { condition }] of Object.entries(needs)) {
        const hasCheck = service(name).healthcheck !== undefined || service(name).build !== undefined;
        if (condition === 'service_healthy') expect({ name, hasCheck }).toEqual({ name, hasCheck: true });
      }
    }
  });

  test('opens ports on this machine alone, each once', () => {
    const taken = Object.values(services).flatMap(({ ports = [] }) => ports);
    for (const port of taken) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const ours = taken.map((port) => port.split(':')[1]);
    expect(new Set(ours).size).toBe(ours.length);
    expect(ours).toContain('8372');
  });

  test('every address in it, and in what it mounts, is that of a service and of a port on which it listens', () => {
    const listening: Record<string, string> = { postgres: '5432', kafka: '19092', tercet: '8372', prometheus: '9090' };
    for (const name of COORDINATORS) listening[name] = coordinator(name)['TERCET_LISTEN']!.split(':')[1]!;
    for (const name of Object.keys(SAMPLES)) listening[name] = sample(name)['PORT']!;
    const files = ['haproxy.cfg', 'prometheus.yml', 'grafana/sources.yml']
      .map((file) => text(`ops/${file}`))
      .join('\n');
    const environments = Object.values(services).flatMap(({ environment = {} }) => Object.values(environment));
    const addresses = [...environments.join('\n').matchAll(/[/@]([a-z][a-z0-9-]*):(\d+)/g)];
    addresses.push(...files.matchAll(/\b((?:coordinator|prometheus)[a-z0-9-]*):(\d+)/g));
    expect(addresses.length).toBeGreaterThan(15);
    for (const [, name = '', port] of addresses) expect({ name, port }).toEqual({ name, port: listening[name] });
  });
});

describe('the coordinators', () => {
  test.each(COORDINATORS)('%s starts with what it is given, and its image', (name) => {
    const settings = readSettings(coordinator(name));
    expect({ node: settings.node, host: settings.host }).toEqual({ node: name, host: '0.0.0.0' });
    expect(settings.databaseUrl).not.toBeNull();
    expect(settings.signing).not.toBeNull();
  });

  test('are given the same, but for their names, and time to drain', () => {
    const [one, two] = COORDINATORS.map((name) => ({ ...coordinator(name), TERCET_NODE: '' }));
    expect(one).toEqual(two);
    for (const name of COORDINATORS) expect(parseInt(service(name).stop_grace_period!)).toBeGreaterThanOrEqual(15);
  });

  test('may call every sample where it says that it is, and nothing else', () => {
    const { allowList } = readSettings(coordinator('coordinator-1'));
    const hosts = Object.keys(SAMPLES).map((name) => new URL(sample(name)['PUBLIC_URL']!).hostname);
    expect(hosts).toEqual(Object.keys(SAMPLES));
    for (const host of hosts) expect(allowList.permits(host, '172.18.0.9')).toBe(true);
    for (const host of ['postgres', 'tercet', '172.18.0.9']) expect(allowList.permits(host, '172.18.0.9')).toBe(false);
  });

  test('are all behind the proxy, and watched by Prometheus', () => {
    const servers = [...text('ops/haproxy.cfg').matchAll(/^ +server (\S+) \S+$/gm)].map(([, name]) => name);
    expect(servers).toEqual(COORDINATORS);
    const targets = [...text('ops/prometheus.yml').matchAll(/'(coordinator-\d):8372'/g)].map(([, name]) => name);
    expect(targets).toEqual(COORDINATORS);
  });
});

describe('keys and secrets', () => {
  const entryOf = (key: string | undefined): { name: string; roles: string[]; components: string[] } | null => {
    const hash = hashOf(key ?? '');
    const found = readSettings(coordinator('coordinator-1')).keys.find((entry) => entry.hash.equals(hash));
    return found
      ? { name: found.name, roles: [...found.roles], components: [...(found.scopes.get('component') ?? [])] }
      : null;
  };

  test.each(Object.entries(SAMPLES))('%s has a key that lets it do what it does, and no more', (name, folder) => {
    const components = [...sourceOf(folder).matchAll(/@(?:Tcc|Saga|Message)Component\('([^']+)'/g)].map(
      ([, found]) => found,
    );
    const found = entryOf(sample(name)['TERCET_KEY']);
    const isConfigured = sourceOf(folder).includes('TercetConfigModule');
    const roles = [
      ...(folder === 'order' ? ['initiator'] : []),
      'component',
      ...(isConfigured ? ['config-reader'] : []),
    ];
    expect({ ...found, roles: [...new Set(found?.roles)] }).toMatchObject({ name: folder, roles });
    expect(found?.components.sort()).toEqual(components.sort());
  });

  test('Prometheus has the key of a viewer, and the operator finds his in a comment', () => {
    const [, metrics] = /credentials: (tercet_\S+)/.exec(text('ops/prometheus.yml')) ?? [];
    expect(entryOf(metrics)).toMatchObject({ name: 'metrics', roles: ['viewer'] });
    const [, operator] = /# .*TERCET_KEY=(tercet_\S+)/.exec(text('docker-compose.yml')) ?? [];
    expect(entryOf(operator)).toMatchObject({ name: 'ops', roles: ['operator'] });
  });

  test('are the same secret for all, and say of themselves that they are to be thrown away', () => {
    const secrets = [...COORDINATORS, ...Object.keys(SAMPLES)].map(
      (name) => service(name).environment!['TERCET_SIGNING_SECRET'],
    );
    expect(new Set(secrets).size).toBe(1);
    const keys = [...`${text('docker-compose.yml')}${text('ops/prometheus.yml')}`.matchAll(/tercet_[\w-]{43}/g)];
    expect(keys.length).toBeGreaterThanOrEqual(5);
    for (const secret of [...secrets, ...keys.map(([key]) => key)]) expect(secret).toContain('throw-away');
  });
});

describe('the samples', () => {
  test.each(Object.entries(SAMPLES))('%s reads all that it is given', (name, folder) => {
    const source = [sourceOf(folder), ...['src/client/transport.ts', 'src/client/nest/signatures.ts'].map(text)].join(
      '\n',
    );
    const readNames = new Set(
      [...source.matchAll(/process\.env(?:\['(\w+)'\]|\.(\w+))/g)].map(([, one, two]) => one ?? two),
    );
    const given = Object.keys(sample(name)).filter((variable) => variable !== 'NODE_ENV');
    expect(given).toEqual(
      expect.arrayContaining(['DATABASE_URL', 'PUBLIC_URL', 'TERCET_URL', 'TERCET_KEY', 'LISTEN_HOST']),
    );
    expect(given.filter((variable) => !readNames.has(variable))).toEqual([]);
  });

  test('each component has a database of its own, which ops/databases.sql makes', () => {
    const statements = text('ops/databases.sql').replaceAll('"', '');
    for (const [name, component] of Object.entries(SAMPLES)) {
      const { username, password, pathname } = new URL(sample(name)['DATABASE_URL']!);
      expect({ username, pathname }).toEqual({ username: component, pathname: `/${component}` });
      expect(statements).toContain(`CREATE ROLE ${username} LOGIN PASSWORD '${password}';`);
      expect(statements).toContain(`CREATE DATABASE ${component} OWNER ${username};`);
    }
  });
});

describe('the profile of monitoring', () => {
  test('is left out unless it is asked for', () => {
    expect(names.filter((name) => service(name).profiles !== undefined)).toEqual(['prometheus', 'grafana']);
    for (const name of ['prometheus', 'grafana']) expect(service(name).profiles).toEqual(['monitoring']);
  });

  test('Grafana finds its dashboard where it looks', () => {
    const { options } = (yaml('ops/grafana/dashboards.yml') as { providers: { options: { path: string } }[] })
      .providers[0]!;
    const mounts = service('grafana').volumes!.map((volume) => volume.split(':'));
    expect(mounts.find(([source]) => source === './ops/grafana-dashboard.json')?.[1]).toMatch(`${options.path}/`);
  });

  const promtool = programOf('promtool', 'prometheus');
  (promtool === null ? test.skip : test)('Prometheus can read its configuration', () => {
    const file = new URL('../../ops/prometheus.yml', import.meta.url).pathname;
    const { status, stdout, stderr } = spawnSync(promtool ?? '', ['check', 'config', file], { encoding: 'utf8' });
    expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});

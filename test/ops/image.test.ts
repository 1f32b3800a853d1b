/** The Dockerfile: that what it copies and runs is there, and that its health checks tell the truth. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { json, Service } from '../participants/service.js';
import { environmentOf, healthCheckOf, stages, text } from './compose.js';

const { scripts, dependencies, engines } = JSON.parse(text('package.json')) as {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  engines: { node: string };
};
const all = stages();
const here = (path: string): boolean => existsSync(new URL(`../../${path}`, import.meta.url));

describe('the Dockerfile', () => {
  test('copies from the clone what is there and not ignored, and between stages what an earlier one has', () => {
    const lines = text('.dockerignore').split('\n');
    expect(lines).toContain('*');
    const letIn = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const copied: string[] = [];
    for (const [index, { steps }] of all.entries()) {
      for (const { rest } of steps.filter(({ word }) => word === 'COPY')) {
        const [, from, sources = ''] = /^(?:--from=(\S+) )?(.*) \S+$/.exec(rest) ?? [];
        for (const source of sources.split(' ')) {
          if (from === undefined) {
            expect({ source, isHere: here(source) }).toEqual({ source, isHere: true });
            expect(letIn).toContain(source.split('/').length > 1 ? source.split('/')[0] : source);
            copied.push(source.split('/')[0]!);
          } else {
            expect(all.slice(0, index).map(({ name }) => name)).toContain(from);
            expect(source).toMatch(/^\/opt\/tercet(\/|$)/);
            const path = source.replace('/opt/tercet', '.');
            expect({ path, isHere: here(path) }).toEqual({ path, isHere: true });
          }
        }
      }
    }
    expect(new Set(copied)).toEqual(new Set(letIn));
  });

  test('runs scripts of package.json, and programs that it copied, as `npm start` does', () => {
    const ran = all.flatMap(({ steps }) => steps.filter(({ word }) => word === 'RUN').map(({ rest }) => rest));
    for (const [, script = ''] of ran.join('\n').matchAll(/npm run (\S+)/g)) expect(scripts).toHaveProperty([script]);
    const [entry, command] = ['ENTRYPOINT', 'CMD'].map((wanted) => {
      const step = all.at(-1)?.steps.find(({ word }) => word === wanted);
      return JSON.parse(step?.rest ?? '[]') as string[];
    });
    expect([...entry!, ...command!].join(' ')).toBe(scripts['start']);
    for (const name of ['order', 'account', 'inventory']) expect(here(`dist/examples/${name}/main.js`)).toBe(true);
  });

  test('is not root in what it makes, ends by SIGTERM, and has a Node that may be', () => {
    const runtime = all.find(({ name }) => name === 'runtime');
    expect(runtime?.steps).toContainEqual({ word: 'USER', rest: 'node' });
    expect(runtime?.steps).toContainEqual({ word: 'STOPSIGNAL', rest: 'SIGTERM' });
    for (const name of ['samples', 'coordinator']) {
      const stage = all.find((one) => one.name === name);
      expect(stage?.from).toBe('runtime');
      expect(stage?.steps.map(({ word }) => word)).not.toContain('USER');
    }
    expect(all.at(-1)?.name).toBe('coordinator');
    const [, major = ''] = /^node:(\d+)\.\d+\.\d+-slim$/.exec(runtime?.from ?? '') ?? [];
    expect(Number(major)).toBeGreaterThan(Number(/\d+/.exec(engines.node)?.[0]));
  });

  test('installs for production every package that its programs import', () => {
    const folders = ['src', 'migrations', ...['order', 'account', 'inventory'].map((name) => `examples/${name}`)];
    const files = folders.flatMap((folder) =>
      readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.ts$/.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
        .map((file) => `${folder}/${file}`),
    );
    const imported = new Set<string>();
    for (const file of files) {
      for (const [, name = ''] of text(file).matchAll(/^(?:import (?!type ).*|\} )from '([^.'][^']*)'/gm)) {
        imported.add(/^(@[^/]+\/)?[^/]+/.exec(name)![0]);
      }
    }
    expect(imported.size).toBeGreaterThan(15);
    const known = new Set([...Object.keys(dependencies), ...builtinModules, '@tercet/client']);
    expect([...imported].filter((name) => !name.startsWith('node:') && !known.has(name))).toEqual([]);
  });
});

describe('a health check', () => {
  test.each([
    ['coordinator', '/health/live'],
    ['samples', '/tercet/ready'],
  ])('of %s says what %s says', async (stage, path) => {
    let status = 200;
    const service = await Service.start((response, asked) => {
      response.writeHead(asked.path === path ? status : 404).end();
    });
    expect(await healthOf(stage, service.port)).toBe(0);
    status = 503;
    expect(await healthOf(stage, service.port)).toBe(1);
    service.answer = json({});
    await service.stop();
    expect(await healthOf(stage, service.port)).toBe(1);
  });
});

/** The exit code of the health check of an image in which something listens on `port`. */
function healthOf(stage: string, port: number): Promise<number | null> {
  const [program = '', ...args] = healthCheckOf(stage);
  expect(program).toBe('node');
  const env = { ...environmentOf(stage), PORT: String(port) };
  const here = args.map((arg) => arg.replace(':8372/', `:${port}/`));
  return new Promise((resolve) => spawn(process.execPath, here, { env }).once('exit', resolve));
}

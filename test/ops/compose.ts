/** docker-compose.yml and Dockerfile, as tests read them. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ComposeService {
  readonly image: string;
  readonly build?: string | { readonly context: string; readonly target?: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly stop_grace_period?: string;
  readonly profiles?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** One stage of the Dockerfile: its name, and its instructions in their order. */
export interface Stage {
  readonly name: string;
  readonly from: string;
  readonly steps: readonly { readonly word: string; readonly rest: string }[];
}

export function text(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

export function yaml(path: string): unknown {
  return parse(text(path), { merge: true });
}

export function stages(): Stage[] {
  const joined = text('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '');
  const variables = new Map([...joined.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]));
  return joined
    .split(/^FROM /m)
    .slice(1)
    .map((part) => {
      const [head = '', ...lines] = part.split('\n').filter((line) => line !== '');
      const [, from = '', name = ''] = /^(\S+) AS (\S+)$/.exec(head) ?? [];
      const steps = lines
        .filter((line) => !line.startsWith('ARG '))
        .map((line) => {
          const [, word = '', rest = ''] = /^(\S+) (.*)$/.exec(line) ?? [];
          return { word, rest };
        });
      return { name, from: from.replace(/\$\{(\w+)\}/, (_, variable: string) => variables.get(variable) ?? ''), steps };
    });
}

/** What ENV of a stage sets, with that of the stages that it is made from. */
export function environmentOf(name: string): Record<string, string> {
  const stage = stages().find((one) => one.name === name);
  if (!stage) return {};
  const own = stage.steps.filter(({ word }) => word === 'ENV').flatMap(({ rest }) => rest.split(' '));
  return {
    ...environmentOf(stage.from),
    ...Object.fromEntries(own.map((pair) => pair.split('=') as [string, string])),
  };
}

export function healthCheckOf(name: string): string[] {
  const step = stages()
    .find((one) => one.name === name)
    ?.steps.find(({ word }) => word === 'HEALTHCHECK');
  return JSON.parse(/CMD (\[.*\])$/.exec(step?.rest ?? '')?.[1] ?? '[]') as string[];
}

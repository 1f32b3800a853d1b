/** Throughput and latency against the number of initiators, as a picture for people who read it in either light. */
import type { Point, Result } from './bench.js';

const WIDTH = 800;
const HEIGHT = 720;
/** Of what is drawn in; to its right are the names of the lines. */
const LEFT = 76;
const RIGHT = 650;
const TOP = { throughput: 116, latency: 436 };
const TALL = 210;
/** Two names are never nearer. */
const LINE_HEIGHT = 19;

const STYLE = `
  svg { --paper: #fff; --ink: #1f2328; --faint: #59636e; --rule: #d1d9e0; --own: #0969da; --bare: #6e7781; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --rule: #3d444d; --own: #58a6ff; --bare: #9198a1; }
  }
  text { font: 15px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
  .title { font-size: 20px; font-weight: 600; } .head { font-weight: 600; } .faint { fill: var(--faint); font-size: 14px; }
  .own { --line: var(--own); } .bare { --line: var(--bare); }
  path { fill: none; stroke: var(--line); stroke-width: 2.5; stroke-linejoin: round; } .p99 { stroke-dasharray: 7 5; }
  circle { fill: var(--line); } .name, .value { fill: var(--line); } .name { font-weight: 600; }
  .value { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
  .rule { stroke: var(--rule); stroke-width: 1; }`;

interface Line {
  readonly name: string;
  readonly of: (point: Point) => number | null;
  readonly style: 'own' | 'bare';
  readonly isDashed?: true;
  /** Whether each point has its number beside it. */
  readonly isTold?: 'above' | 'below';
}

const THROUGHPUT: readonly Line[] = [
  { name: 'bare calls', of: ({ bare }) => bare.perSecond, style: 'bare', isTold: 'above' },
  { name: 'Tercet', of: ({ tercet }) => tercet.perSecond, style: 'own', isTold: 'below' },
];
const LATENCY: readonly Line[] = [
  { name: 'Tercet p99', of: ({ tercet }) => tercet.p99, style: 'own', isDashed: true },
  { name: 'Tercet p50', of: ({ tercet }) => tercet.p50, style: 'own' },
  { name: 'bare p99', of: ({ bare }) => bare.p99, style: 'bare', isDashed: true },
  { name: 'bare p50', of: ({ bare }) => bare.p50, style: 'bare' },
];

/** A whole SVG document. */
export function chart({ closedLoop: points, machine, asked, at }: Result): string {
  const { postgresql } = machine;
  const what = `${{ tcc: 'TCC', saga: 'Sagas', message: 'Messages' }[asked.mode]}, ${asked.branches} ${
    asked.mode === 'message' ? 'deliveries' : 'branches'
  } each`;
  const told = points.map((point) => {
    const { initiators, tercet, bare } = point;
    return `${initiators} initiators: Tercet ${whole(tercet.perSecond)} a second, bare calls ${whole(bare.perSecond)}; p99 ${short(tercet.p99)} and ${short(bare.p99)} ms.`;
  });
  const columns = points.map(
    (_point, index) => LEFT + 30 + (index * (RIGHT - LEFT - 60)) / Math.max(1, points.length - 1),
  );
  const most = Math.max(...points.flatMap((point) => THROUGHPUT.map(({ of }) => of(point) ?? 0)));
  const latencies = points.flatMap((point) => LATENCY.map(({ of }) => of(point)).filter((value) => value !== null));
  const parts = [
    `<text class="title" x="${LEFT - 52}" y="34">${escaped(what)}</text>`,
    `<text class="faint" x="${LEFT - 52}" y="58">against the same calls with no coordinator; medians of ${asked.rounds} turns of ${asked.seconds} s after ${asked.warmUpSeconds} s</text>`,
    panel('transactions a second', TOP.throughput, columns, points, THROUGHPUT, linear(most)),
    panel('latency, ms', TOP.latency, columns, points, LATENCY, logarithmic(latencies)),
    `<text class="faint" x="${LEFT - 52}" y="${HEIGHT - 16}">${escaped(
      `${machine.cores} × ${machine.cpu}; Node ${machine.node}; PostgreSQL ${postgresql.version}; ${at.slice(0, 10)}`,
    )}</text>`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title about">
<title id="title">${escaped(what)}: throughput and latency against the number of initiators</title>
<desc id="about">${escaped(told.join(' '))}</desc>
<style>${STYLE}
</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="var(--paper)"/>
${parts.join('\n')}
</svg>
`;
}

interface Scale {
  /** From 0 at the bottom to 1 at the top. */
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

function panel(
  title: string,
  top: number,
  columns: readonly number[],
  points: readonly Point[],
  lines: readonly Line[],
  { place, ticks }: Scale,
): string {
  const y = (value: number): number => top + TALL * (1 - place(value));
  const drawn = lines.map(({ of, style, isDashed, isTold }) => {
    const known = points.flatMap((point, index) => {
      const value = of(point);
      return value === null ? [] : [{ x: columns[index] ?? 0, y: y(value), value }];
    });
    const path = known.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join(' ');
    const values = isTold
      ? known.map(({ x, y, value }) =>
          centred(x, isTold === 'above' || y > top + TALL - 24 ? y - 11 : y + 22, whole(value), 'value'),
        )
      : [];
    const dots = known.map(({ x, y }) => `<circle cx="${round(x)}" cy="${round(y)}" r="4"/>`);
    return `<g class="${style}"><path${isDashed ? ' class="p99"' : ''} d="${path}"/>${dots.join('')}${values.join('')}</g>`;
  });
  const last = points.at(-1);
  const ends = lines.map((line) => ({ ...line, y: y((last && line.of(last)) ?? ticks[0] ?? 0) }));
  return [
    `<text class="head" x="${LEFT - 52}" y="${top - 18}">${title}</text>`,
    ...ticks.map(
      (tick) =>
        `<line class="rule" x1="${LEFT}" x2="${RIGHT}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>` +
        `<text class="faint" text-anchor="end" x="${LEFT - 8}" y="${round(y(tick) + 5)}">${short(tick)}</text>`,
    ),
    ...drawn,
    ...points.map(({ initiators }, index) => centred(columns[index] ?? 0, top + TALL + 24, whole(initiators))),
    `<text class="faint" x="${RIGHT + 14}" y="${top + TALL + 24}">initiators</text>`,
    ...apart(ends).map(
      (end) => `<text class="${end.style} name" x="${RIGHT + 14}" y="${round(end.y + 5)}">${end.name}</text>`,
    ),
  ].join('\n');
}

/** Names beside the ends of their lines, or as near to them as others leave room. */
function apart<End extends { readonly y: number }>(ends: readonly End[]): End[] {
  let least = -Infinity;
  return ends
    .toSorted((a, b) => a.y - b.y)
    .map((end) => {
      least = Math.max(end.y, least + LINE_HEIGHT);
      return { ...end, y: least };
    });
}

/** From 0 to a round number above `most`, in five steps at the most. */
function linear(most: number): Scale {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most) / 5));
  const step = power * ([1, 2, 5].find((times) => times * power * 5 >= most) ?? 10);
  const count = Math.max(1, Math.ceil(most / step));
  const ticks = Array.from({ length: count + 1 }, (_, index) => index * step);
  return { place: (value) => value / (count * step), ticks };
}

/** From a power of ten to another, around all `values`. */
function logarithmic(values: readonly number[]): Scale {
  const from = Math.floor(Math.log10(Math.max(0.01, Math.min(...values, 1))));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values, 1))));
  const place = (value: number): number => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from);
  return { place, ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)) };
}

function centred(x: number, y: number, text: string, style = 'faint'): string {
  return `<text class="${style}" text-anchor="middle" x="${round(x)}" y="${round(y)}">${text}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const short = (value: number | null): string =>
  value === null ? '–' : value < 10 ? String(Math.round(value * 100) / 100) : whole(value);
const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

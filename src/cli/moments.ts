/** Times as people say them: `2h` ago, `+0.012 s` after the begin. */
import { WrongUse } from './exit.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** `90s`, `1h30m`, `2d` in ms; null: it is none of these. */
function duration(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(text)) return null;
  let ms = 0;
  for (const [, count, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    ms += Number(count) * (UNITS[unit] ?? 0);
  }
  return ms;
}

/** @throws WrongUse naming `option` */
export function durationOf(text: string, option: string): number {
  const ms = duration(text);
  if (ms !== null) return ms;
  throw new WrongUse(`--${option} is '${text}'; it must be a duration such as 30s, 5m or 1h30m`);
}

/**
 * A time as the wire wants it: a duration counts back from now; a date or a time without an offset is UTC, as
 * everything that is printed.
 *
 * @throws WrongUse naming `option`
 */
export function momentOf(text: string, option: string): string {
  const ms = duration(text);
  if (ms !== null) return new Date(Date.now() - ms).toISOString();
  const [, date = '', time = '00:00:00', offset = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:\d\d)?$/i.exec(text) ?? [];
  const at = Date.parse(`${date}T${time}${offset}`);
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new WrongUse(
    `--${option} is '${text}'; it must be how long ago (30s, 2h, 3d), or a time such as 2026-11-21T08:00Z`,
  );
}

/** How long, in the two largest units that matter: `4s`, `3m 20s`, `2d 4h`. */
export function span(ms: number): string {
  const pairs: [number, string, number, string][] = [
    [DAY, 'd', HOUR, 'h'],
    [HOUR, 'h', MINUTE, 'm'],
    [MINUTE, 'm', SECOND, 's'],
  ];
  for (const [large, largeName, small, smallName] of pairs) {
    if (ms < large) continue;
    const rest = Math.floor((ms % large) / small);
    return `${Math.floor(ms / large)}${largeName}${rest > 0 ? ` ${rest}${smallName}` : ''}`;
  }
  return `${Math.max(0, Math.floor(ms / SECOND))}s`;
}

/** The same in one unit, for a column. */
export function age(ms: number): string {
  return span(ms).split(' ')[0] ?? '';
}

/** How long after the begin, to the millisecond while that means something. */
export function offset(ms: number): string {
  return ms < MINUTE ? `+${(ms / SECOND).toFixed(3)} s` : `+${span(ms)}`;
}

/** `2026-11-21 08:00:00Z` */
export function clock(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

/** Rules that bind one value to another one: the pause is shorter than the deadline, and the like. */
import { canonicalJson } from '../config/canonical.js';
import { POINTER, valueAt } from '../config/pointer.js';
import { CONFIG_LIMITS } from '../protocol/config.js';
import type { ConfigContent, ConfigRule } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';

const RELATIONS: Readonly<Record<ConfigRule['is'], (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

/** What of these rules makes no sense, by field. */
export function rulesProblems(rules: readonly ConfigRule[]): FieldError[] {
  const problems: FieldError[] = [];
  if (rules.length > CONFIG_LIMITS.rules) {
    problems.push({
      path: 'rules',
      message: `has ${rules.length} rules; at most ${CONFIG_LIMITS.rules} are looked at`,
    });
  }
  for (const [index, { path, is, than, times }] of rules.entries()) {
    const at = `rules/${index}`;
    const pointer = 'must be a JSON pointer: empty, or each step behind a slash';
    if (!POINTER.test(path)) problems.push({ path: `${at}/path`, message: pointer });
    if (!POINTER.test(than)) problems.push({ path: `${at}/than`, message: pointer });
    if (!Object.hasOwn(RELATIONS, is)) {
      problems.push({ path: `${at}/is`, message: `must be one of ${Object.keys(RELATIONS).join(' ')}` });
    }
    if (times !== undefined && !Number.isFinite(times))
      problems.push({ path: `${at}/times`, message: 'must be a number' });
  }
  return problems;
}

/** Which rules do not hold, none naming a value: it may be secret. @param content with its secrets in clear */
export function brokenRules(rules: readonly ConfigRule[], content: ConfigContent): FieldError[] {
  return rules.flatMap((rule) => {
    const [value, other] = [valueAt(content, rule.path), valueAt(content, rule.than)];
    if (value === undefined || other === undefined || holds(rule, value, other)) return [];
    return [{ path: rule.path, message: rule.message ?? said(rule) }];
  });
}

function holds({ is, times }: ConfigRule, value: Json, other: Json): boolean {
  if (typeof value === 'number' && typeof other === 'number') return RELATIONS[is](value, other * (times ?? 1));
  // What are no numbers are the same or not, and have no order.
  if (times !== undefined || (is !== '=' && is !== '!=')) return false;
  return (canonicalJson(value) === canonicalJson(other)) === (is === '=');
}

function said({ is, than, times }: ConfigRule): string {
  const relation = `must be ${is} ${times === undefined ? '' : `${times} times `}${than === '' ? 'the whole' : than}`;
  return times === undefined && (is === '=' || is === '!=') ? relation : `${relation}, and both must be numbers`;
}

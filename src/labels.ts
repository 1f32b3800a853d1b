/** Labels of an instance: `zone=a,tier=canary`. */
import { CONFIG_LIMITS, LABEL } from './protocol/config.js';

const MAX_LABELS = CONFIG_LIMITS.labels;

/** @throws Error saying what is wrong */
export function labels(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  const isGood = pairs.every((pair) => pair.length === 2 && pair.every((word) => LABEL.test(word)));
  if (!isGood) throw new Error('it must be like zone=a,tier=canary: names and values of 1 to 63 of A-Z a-z 0-9 . _ -');
  if (pairs.length > MAX_LABELS) throw new Error(`it names ${pairs.length} labels, and may name ${MAX_LABELS}`);
  const names = pairs.map(([name = '']) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`it gives ${twice} twice`);
  return Object.freeze(Object.fromEntries(pairs) as Record<string, string>);
}

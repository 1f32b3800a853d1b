/** The table of docs/operations.md that says which role may do what is the one that the guard has. */
import { readFileSync } from 'node:fs';
import { CALLS } from '../../src/http/openapi-calls.js';

const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const [head = [], , ...rows] = (/^\| role \|.*\n(?:\|.*\n)+/m.exec(document)?.[0] ?? '').trim().split('\n').map(cells);

/** Which calls a column is about. */
function columnOf(call: string): string {
  if (call.startsWith('get ')) return 'reads';
  if (call.includes(' /v1/config')) return columnOfConfig(call);
  if (/\/(abort|submit)$/.test(call)) return 'submits, aborts';
  if (/\/(branches|transactions)$/.test(call)) return 'begins, registers branches';
  if (call === 'delete /v1/components/{name}') return 'takes a component out';
  return call.includes('/components/')
    ? 'puts a component and its instances'
    : 'retries, parks, resumes, forces, bulk, dead letters';
}

function columnOfConfig(call: string): string {
  if (call.endsWith('/rotate')) return 'rotates keys';
  if (call.includes('/nodes/')) return 'reports';
  return /\/(releases|rollback|promote|abort|widen)$/.test(call) ? 'releases, rollouts' : 'drafts, edit locks';
}

test.each(Object.entries(CALLS).filter(([, { roles }]) => roles !== 'no key'))('%s', (call, { roles }) => {
  const column = head.indexOf(columnOf(call));
  expect(column).toBeGreaterThan(0);
  const shown = rows.filter((row) => row[column] !== '').map(([role = '']) => role.replace(/`|=NAME|=ENV/g, ''));
  const all = rows.map(([role = '']) => role.replace(/`|=NAME|=ENV/g, ''));
  expect(shown).toEqual(
    roles === 'any role' ? all : all.filter((role) => role === 'admin' || roles.includes(role as never)),
  );
});

/** The page at /docs, and docs/openapi.json beside the other documents. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EXAMPLES } from '../../src/http/openapi-examples.js';
import { newKey } from '../../src/http/keys.js';
import { TestNode } from './node.js';

interface Operation {
  readonly operationId: string;
  readonly tags: string[];
  readonly requestBody?: { content: { 'application/json': { schema: object; example?: unknown } } };
}
interface Document {
  readonly tags: { name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
}

let node: TestNode;

beforeAll(async () => {
  // With keys: the page needs none.
  node = await TestNode.start({ TERCET_KEYS: newKey('ops', 'admin').entry });
});
afterAll(() => node.stop());

test.each(['/docs', '/docs/'])('%s is a page that loads nothing from elsewhere', async (path) => {
  const { status, headers, body } = await node.get<string>(path);
  expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  const loaded = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => url);
  expect(loaded.length).toBeGreaterThan(3);
  for (const url of loaded) {
    expect(url).toMatch(/^\/docs\/[\w.-]+$/);
    const file = await fetch(node.url + url);
    expect([url, file.status, file.headers.get('x-content-type-options')]).toEqual([url, 200, 'nosniff']);
    expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(50);
  }
  expect(body).not.toMatch(/<script(?![^>]*src=)[^>]*>|style=/);
});

test('what was seen and has not changed is not sent again', async () => {
  const { headers } = await node.get('/docs/swagger-ui.js');
  const etag = headers.get('etag') ?? '';
  expect(etag).toMatch(/^"\w+"$/);
  const again = await fetch(`${node.url}/docs/swagger-ui.js`, { headers: { 'if-none-match': etag } });
  expect([again.status, await again.text()]).toEqual([304, '']);
});

test.each(['index.html', '..%2fpackage.json', 'swagger-ui-bundle.js.map', '__proto__', 'a%00b'])(
  'there is no file %s',
  async (name) => {
    const { status, body } = await node.send('GET', `/docs/${name}`);
    expect([status, body.code]).toEqual([404, 'TERCET_ROUTE_UNKNOWN']);
  },
);

describe('the document', () => {
  let document: Document;
  let operations: Operation[];

  beforeAll(async () => {
    ({ body: document } = await node.get<Document>('/openapi.json'));
    operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  });

  test('is docs/openapi.json; where it is not, `npm run openapi` writes it', () => {
    const kept = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
    expect(JSON.parse(kept)).toEqual(document);
  });

  test('has for each body an example that its schema allows, and none of another call', () => {
    const withBody = operations.filter(({ requestBody }) => requestBody);
    expect(withBody.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(EXAMPLES).sort());
    for (const { operationId, requestBody } of withBody) {
      const { schema, example } = requestBody!.content['application/json'];
      const problem = z.fromJSONSchema(schema as never).safeParse(example).error?.issues ?? [];
      expect([operationId, problem]).toEqual([operationId, []]);
    }
  });

  test('has a section for each call', () => {
    const known = document.tags.map(({ name }) => name);
    for (const { operationId, tags } of operations)
      expect([operationId, known]).toEqual([operationId, expect.arrayContaining(tags)]);
    expect(new Set(operations.flatMap(({ tags }) => tags)).size).toBe(known.length);
  });
});

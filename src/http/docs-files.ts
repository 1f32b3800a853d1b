/** What the page of the API at /docs is made of: three small files of ours, and three of Swagger UI's as they are. */
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface DocsFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Changes with the bytes. */
  readonly etag: string;
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tercet: the API</title>
<link rel="icon" type="image/png" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
<div id="page"></div>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/page.js"></script>
`;
// The validator would be a third party that is told where this coordinator is.
const SCRIPT = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#page',
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
});
`;
const STYLE = `html { overflow-y: scroll }
body { margin: 0; background: #fafafa }
.swagger-ui .info { margin: 30px 0 }
`;

const css = 'text/css; charset=utf-8';
const javascript = 'text/javascript; charset=utf-8';
/** By name below /docs/: its type, and its text or its name in the package. A name that is not here is no file. */
const FILES = new Map<string, readonly [type: string, text: string | null, packaged?: string]>([
  ['', ['text/html; charset=utf-8', PAGE]],
  ['page.js', [javascript, SCRIPT]],
  ['page.css', [css, STYLE]],
  ['swagger-ui.js', [javascript, null, 'swagger-ui-bundle.js']],
  ['swagger-ui.css', [css, null, 'swagger-ui.css']],
  ['favicon.png', ['image/png', null, 'favicon-32x32.png']],
]);

/** All but the page itself. */
export const DOCS_FILES: readonly string[] = [...FILES.keys()].filter((name) => name !== '');

const loaded = new Map<string, Promise<DocsFile>>();

/** Read when it is first asked for, then kept. Null: there is no such file. */
export async function docsFile(name: string): Promise<DocsFile | null> {
  const known = FILES.get(name);
  if (!known) return null;
  let file = loaded.get(name);
  if (!file) {
    const [type, text, packaged = ''] = known;
    file = (text === null ? readFile(join(folder(), packaged)) : Promise.resolve(Buffer.from(text))).then((bytes) => ({
      type,
      bytes,
      etag: `"${hash('sha256', bytes).slice(0, 32)}"`,
    }));
    loaded.set(name, file);
    // What could not be read once may be there the next time.
    file.catch(() => loaded.delete(name));
  }
  return file;
}

function folder(): string {
  return dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
}

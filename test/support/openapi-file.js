/** npm run openapi: writes docs/openapi.json, which a test compares with what a node serves. */
import { writeFileSync } from 'node:fs';
import { openApi } from '../../dist/src/http/openapi.js';

writeFileSync(new URL('../../docs/openapi.json', import.meta.url), `${JSON.stringify(openApi(), null, 2)}\n`);

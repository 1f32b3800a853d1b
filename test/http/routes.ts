/** The routes that the application really has. */
import type { Parts } from '../../src/app.module.js';
import { createServer } from '../../src/http/server.js';
import { readSettings } from '../../src/settings.js';

/** As the OpenAPI document names them: `get /v1/transactions/{gid}`. */
export async function routesOfApplication(): Promise<string[]> {
  const parts = {
    coordinator: {},
    components: {},
    allowList: {},
    metrics: {},
    readiness: {},
    config: {},
    diagnosis: {},
  } as unknown as Parts;
  const logger = { info() {}, warn() {}, error() {} };
  const app = await createServer(parts, logger, readSettings({}));
  const routes: string[] = [];
  const fastify = app.getHttpAdapter().getInstance() as unknown as {
    addHook(event: 'onRoute', note: (route: { method: string | string[]; url: string }) => void): void;
  };
  fastify.addHook('onRoute', ({ method, url }) => {
    const path = url.replace(/:(\w+)/g, '{$1}');
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one.toLowerCase()} ${path}`);
  });
  await app.init();
  await app.close();
  return routes.sort();
}

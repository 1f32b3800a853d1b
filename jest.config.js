export default {
  testEnvironment: 'node',
  // Most tests wait for something more than they compute.
  maxWorkers: '100%',
  // A test that waits for what does not come fails; a slow machine fails none.
  testTimeout: 60_000,
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^@tercet/client$': '<rootDir>/src/client/index.ts',
    '^@tercet/client/config$': '<rootDir>/src/client/config/index.ts',
    '^@tercet/client/kafka$': '<rootDir>/src/client/kafka/index.ts',
    '^@tercet/client/nest/kafka$': '<rootDir>/src/client/nest/kafka/index.ts',
    '^@tercet/client/nest$': '<rootDir>/src/client/nest/index.ts',
    '^@tercet/client/redis$': '<rootDir>/src/client/redis/index.ts',
    '^@tercet/client/testing$': '<rootDir>/src/client/testing/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/src/client/dist/'],
  reporters: ['default', '<rootDir>/test/support/closing-line.js'],
};

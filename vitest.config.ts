import { defineConfig } from 'vitest/config';
import { isLateWrite } from './src/nats/late-write.ts';

// Integration tests start real servers: two files at a time keeps a two-core machine honest.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // real servers on a busy machine: a test that fails is tried again, and named as flaky when it then passes
    retry: 2,
    maxWorkers: 2,
    // programs that tests start read their modules compiled
    env: { NODE_COMPILE_CACHE: new URL('.tools/compiled', import.meta.url).pathname },
    // a daemon survives it too: see there
    onUnhandledError: (error) => !isLateWrite(error),
    reporters: ['default'],
  },
});

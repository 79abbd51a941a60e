import { configDefaults, defineConfig } from 'vitest/config';
import { isLateWrite } from './src/nats/late-write.ts';

// Many kills, disks and clocks of a whole bus: a minute each and more. `npm run test:long` runs them, `npm test` does not.
const long = [
  'test/fault/backlog-memory.test.ts',
  'test/fault/campaign.test.ts',
  'test/fault/disk-full.test.ts',
  'test/fault/disks.test.ts',
  'test/fault/identity.test.ts',
  'test/fault/local-group-server-killed.test.ts',
  'test/fault/redundant-servers.test.ts',
  'test/fault/redundant-site.test.ts',
  'test/integration/bus/dead-letters.test.ts',
  'test/integration/bus/full-group.test.ts',
  'test/integration/bus/stuck.test.ts',
  'test/integration/bus/two-builds.test.ts',
  'test/integration/keys/retickets.test.ts',
  'test/integration/keys/revocation.test.ts',
  'test/integration/keys/rotation.test.ts',
  'test/integration/cli/adopt.test.ts',
  'test/integration/console/browser.test.ts',
  'test/integration/control/audit.test.ts',
  'test/integration/control/backup.test.ts',
  'test/integration/control/master-key.test.ts',
  'test/integration/demo/demo.test.ts',
  'test/integration/docs/deploy.test.ts',
  'test/integration/docs/examples.test.ts',
  'test/integration/docs/operations.test.ts',
  'test/integration/docs/pages.test.ts',
  'test/integration/groups/forget.test.ts',
  'test/integration/groups/move.test.ts',
  'test/integration/ops/compose.test.ts',
  'test/integration/package/installed.test.ts',
  'test/integration/routing/clients.test.ts',
  'test/integration/site/apart-three-servers.test.ts',
  'test/integration/site/link-tokens.test.ts',
  'test/integration/routing/liar.test.ts',
];
const isLong = process.env.MBUS_TESTS === 'long';

// Integration tests start real servers: two files at a time keeps a two-core machine honest.
export default defineConfig({
  test: {
    include: isLong ? long : ['test/**/*.test.ts'],
    exclude: isLong ? [] : [...configDefaults.exclude, ...long],
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

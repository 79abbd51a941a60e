import { expect, test } from 'vitest';
import { readEnv } from '../../../src/config/env.ts';

test('reads what is set and takes an empty variable as absent', () => {
  expect(readEnv({ DATABASE_URL: 'postgres://u:p@h/db', MBUS_DIR: '', MBUS_DEBUG: '1' })).toMatchObject({
    databaseUrl: 'postgres://u:p@h/db',
    dir: undefined,
    isDebug: true,
    logLevel: 'info',
  });
});

test('is frozen', () => {
  expect(Object.isFrozen(readEnv({}))).toBe(true);
});

test('tells all bad variables at once, and no secret', () => {
  const read = (): unknown =>
    readEnv({ DATABASE_URL: 'mysql://root:hunter2@h/db', MBUS_LOG_LEVEL: 'loud', MBUS_DEBUG: 'perhaps' });
  expect(read).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  expect(read).toThrow(/^3 problems\n/);
  expect(read).toThrow(/MBUS_LOG_LEVEL: .*\(got "loud"\)/);
  expect(read).not.toThrow(/hunter2/);
});

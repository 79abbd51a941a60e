import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createKey,
  encodeAccountJwt,
  encodeOperatorJwt,
  encodeScopedUserJwt,
  formatCreds,
  isPublicKey,
  keyFromSeed,
  loadOrCreateKey,
  loadOrCreateSecret,
  readJwt,
  seedText,
} from '../../../src/trust/index.ts';
import { testScope } from '../../support/nats-server.ts';

const scope = testScope();

test('a key is made once, kept 0600, and read back', async () => {
  const path = join(scope.dir(), 'keys/operator.nk');
  const first = await loadOrCreateKey(path, 'operator');
  expect((await loadOrCreateKey(path, 'operator')).getPublicKey()).toBe(first.getPublicKey());
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('of many processes that make a secret at once all get the same', async () => {
  const path = join(scope.dir(), 'secret');
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => loadOrCreateSecret(path, () => Buffer.from([i]))));
  expect(new Set(all.map((bytes) => bytes[0])).size).toBe(1);
});

test('a file with another kind of key, or none, is named', async () => {
  const path = join(scope.dir(), 'x.nk');
  writeFileSync(path, seedText(createKey('user')));
  await expect(loadOrCreateKey(path, 'account')).rejects.toMatchObject({
    code: 'E_KEY_FILE',
    message: expect.stringContaining(path),
  });
  expect(() => keyFromSeed('user', 'nonsense')).toThrow(/no user key/);
});

test('public keys are recognised by kind and checksum', () => {
  const user = createKey('user').getPublicKey();
  expect(isPublicKey('user', user)).toBe(true);
  expect(isPublicKey('account', user)).toBe(false);
  expect(isPublicKey('user', `${user.slice(0, -1)}${user.endsWith('A') ? 'B' : 'A'}`)).toBe(false);
});

test('tokens name issuer and subject, and a changed token is not read', async () => {
  const [operator, account, scopeKey, user] = [
    createKey('operator'),
    createKey('account'),
    createKey('account'),
    createKey('user'),
  ];
  const rights = { publish: { allow: ['a'], deny: [] }, subscribe: { allow: ['b'], deny: [] } };
  const scoped = {
    key: scopeKey.getPublicKey(),
    role: 'r',
    rights,
    connections: ['STANDARD' as const],
    maxSubscriptions: 7,
  };
  const claims = {
    name: 'C-acme',
    hasJetStream: true,
    maxConnections: 1,
    maxLeafs: 0,
    maxSubscriptions: 1,
    scopes: [scoped],
  };
  expect(readJwt(await encodeOperatorJwt('site', operator, account.getPublicKey()))?.subject).toBe(
    operator.getPublicKey(),
  );
  const jwt = await encodeAccountJwt(claims, account.getPublicKey(), operator);
  expect(readJwt(jwt)).toEqual({ issuer: operator.getPublicKey(), subject: account.getPublicKey(), name: 'C-acme' });
  const userJwt = await encodeScopedUserJwt({ name: 'app' }, user.getPublicKey(), account.getPublicKey(), scopeKey);
  expect(readJwt(userJwt)?.issuer).toBe(scopeKey.getPublicKey());
  const [head, body, signature] = userJwt.split('.') as [string, string, string];
  expect(readJwt(`${head}.${body.slice(0, -2)}.${signature}`)).toBeUndefined();
  expect(formatCreds(userJwt, user)).toContain(seedText(user));
});

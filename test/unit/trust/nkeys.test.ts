/** Keys of NATS: what the library says of a seed, said quicker. */
import { fromPublic, fromSeed } from '@nats-io/nkeys';
import { expect, test } from 'vitest';
import { createKey, keyFromSeed, seedText } from '../../../src/trust/nkeys.ts';

const message = new TextEncoder().encode('to be signed');

test('a key has the public half and the signatures that the library gives for its seed', () => {
  for (const kind of ['operator', 'account', 'user'] as const) {
    const key = createKey(kind);
    const again = keyFromSeed(kind, seedText(key));
    const library = fromSeed(key.getSeed());
    expect([key.getPublicKey(), again.getPublicKey()]).toEqual([library.getPublicKey(), library.getPublicKey()]);
    expect(key.sign(message)).toEqual(library.sign(message));
    expect(fromPublic(again.getPublicKey()).verify(message, again.sign(message))).toBe(true);
  }
});

test('a seed of another kind, or none, is no key', () => {
  const seed = seedText(createKey('account'));
  const changed = `${seed.slice(0, -1)}${seed.endsWith('A') ? 'B' : 'A'}`;
  for (const text of [seed, changed, '', 'SU'])
    expect(() => keyFromSeed('user', text)).toThrow(expect.objectContaining({ code: 'E_KEY_FILE' }));
});

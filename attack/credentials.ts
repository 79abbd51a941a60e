/** T10: credentials that are none. */
import { readFile } from 'node:fs/promises';
import { credsAuthenticator, jwtAuthenticator } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { createKey, encodeUserJwt } from '../src/trust/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { soon, type World } from './world.ts';

async function credentials(world: World): Promise<Outcome> {
  const { nats, creds } = world.access('acme/leaver');
  const elsewhere = world.info.sites.frankfurt?.nats ?? '';
  const enter = (servers: string, authenticator: ReturnType<typeof credsAuthenticator>): Promise<string> =>
    connect({ servers, authenticator, reconnect: false, timeout: 5_000 }).then(
      async (nc) => {
        await nc.close();
        return 'in';
      },
      (error: Error) => error.name,
    );
  const mine = await readFile(creds);
  const problems: string[] = [];
  if ((await enter(nats, credsAuthenticator(mine))) !== 'in') problems.push('the right credential does not get in');
  if ((await enter(elsewhere, credsAuthenticator(mine))) === 'in') problems.push('in at another site');
  const { dir, customer } = await world.site('tokyo');
  const [user, account] = [createKey('user'), await dir.key(`C-${customer('acme').id}`, 'account')];
  const claims = { name: 'x', connections: ['STANDARD' as const] };
  const publicKey = user.getPublicKey();
  const expired = await encodeUserJwt({ ...claims, expires: Math.floor(Date.now() / 1000) - 10 }, publicKey, account);
  const [head = '', body = '', signature = ''] = expired.split('.');
  const none = Buffer.from('{"typ":"JWT","alg":"none"}').toString('base64url');
  const forged = {
    'of an unknown key': await encodeUserJwt(claims, publicKey, createKey('account')),
    expired,
    'of algorithm none': `${none}.${body}.${signature}`,
    'without a signature': `${head}.${body}.`,
    'for leaf nodes': await encodeUserJwt({ ...claims, connections: ['LEAFNODE'] }, publicKey, account),
    'cut off': expired.slice(0, -4),
  };
  for (const [what, jwt] of Object.entries(forged)) {
    if ((await enter(nats, jwtAuthenticator(jwt, user.getSeed()))) === 'in') problems.push(`in with one ${what}`);
  }
  const live = await world.app('acme/leaver', { reconnect: false });
  const startMs = performance.now();
  await world.admin.call('app.revoke', { customer: 'acme', app: 'leaver', isRenewed: false });
  const isCut = await soon(() => live.isClosed(), 30_000);
  const tookMs = Math.round(performance.now() - startMs);
  if (!isCut || tookMs > 5_000) problems.push(`a revoked connection lives for ${tookMs} ms`);
  if ((await enter(nats, credsAuthenticator(mine))) === 'in') problems.push('in with a revoked one');
  return verdict(problems, `7 credentials refused, the revoked one cut after ${tookMs} ms`);
}

export const credentialAttacks: Attack[] = [
  {
    id: 'T10',
    attempt: 'credentials of elsewhere, forged, expired, revoked',
    defence: { note: 'signatures of JWTs are nats-server’s own' },
    run: credentials,
  },
];

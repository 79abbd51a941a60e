/** T9 and T10: more than an application may have, and credentials that are none. */
import { readFile } from 'node:fs/promises';
import { jetstream } from '@nats-io/jetstream';
import { credsAuthenticator, headers, jwtAuthenticator } from '@nats-io/nats-core';
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
  if (!isCut) problems.push('a revoked connection lives');
  if ((await enter(nats, credsAuthenticator(mine))) === 'in') problems.push('in with a revoked one');
  return verdict(problems, `7 credentials refused, the revoked one cut after ${tookMs} ms`);
}

/** Stored bytes, large messages and headers; connections and subscriptions of a whole account are not flooded here. */
async function flood(world: World): Promise<Outcome> {
  const intruder = await world.app('acme/intruder');
  const js = jetstream(intruder);
  const problems: string[] = [];
  let stored = 0;
  let isFull = false;
  for (let n = 0; n < 40 && !isFull; n++) {
    const code = await js.publish('quote.f', Buffer.alloc(200_000), { timeout: 5_000 }).then(
      () => 'stored',
      (error: Error) => error.message,
    );
    if (code === 'stored') stored += 200_000;
    else isFull = true;
  }
  const huge = headers();
  huge.append('X', 'y'.repeat(2 * 1024 * 1024));
  const big = await js.publish('quote.f', '', { headers: huge, timeout: 3_000 }).then(
    () => true,
    () => false,
  );
  if (big) problems.push('2 MiB of headers were stored');
  const long = await js.publish(`quote.${'x'.repeat(60_000)}`, '', { timeout: 3_000 }).then(
    () => true,
    () => false,
  );
  if (long) problems.push('a subject of 60 kB was stored');
  return verdict(
    problems,
    `${stored} bytes stored${isFull ? ', then the topic was full' : ''}; huge headers and subjects refused`,
  );
}

const whole = { note: 'a limit of nats-server’s own configuration; the lab without it is another server' };

export const credentialAttacks: Attack[] = [
  { id: 'T9', attempt: 'stored bytes, huge headers and subjects', defence: whole, run: flood },
  {
    id: 'T10',
    attempt: 'credentials of elsewhere, forged, expired, revoked',
    defence: { note: 'signatures of JWTs are nats-server’s own' },
    run: credentials,
  },
];

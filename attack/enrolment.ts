/** L8 and L9: tokens that let in nobody twice, and a site that stands between another and the control plane. */
import { randomBytes, X509Certificate } from 'node:crypto';
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { readAnswer } from '../src/api/answer.ts';
import { openAnswer, sealRequest } from '../src/api/frame.ts';
import { joinSite, parseToken } from '../src/api/index.ts';
import { requestSubject } from '../src/api/subjects.ts';
import { isBusError } from '../src/errors.ts';
import { prepareSiteDir } from '../src/site/index.ts';
import { createKey, encodeUserJwt } from '../src/trust/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { database } from './looks.ts';
import { codeOf, type SiteActor, type World } from './world.ts';

async function tokens(world: World): Promise<Outcome> {
  const { file } = await world.admin.call('bus.export', {});
  const ghosts = ['ghost', 'shade'].map((name) => ({
    ...file.sites[0],
    name,
    mode: 'client' as const,
    address: undefined,
  }));
  await world.admin.call('bus.apply', { file: { ...file, sites: [...file.sites, ...(ghosts as typeof file.sites)] } });
  const { token } = await world.admin.call('token.create', { site: 'ghost' });
  const keysOf = async (name: string) => {
    const { key, controlUser, csrPem } = await prepareSiteDir(`${world.dir}/attack-${name}`, name);
    return { key, controlUser, csrPem };
  };
  const problems: string[] = [];
  const first = await codeOf(joinSite(token, await keysOf('ghost')));
  if (first !== 'given') problems.push(`the right token: ${first}`);
  const twice = await codeOf(joinSite(token, await keysOf('thief')));
  const parsed = parseToken((await world.admin.call('token.create', { site: 'shade' })).token);
  const guessed = await codeOf(
    joinSite({ ...parsed, secret: randomBytes(32).toString('base64url') }, await keysOf('guess')),
  );
  const { token: late } = await world.admin.call('token.create', { site: 'shade' });
  const client = await database(world);
  // its fifteen minutes end now
  await client.query('update enrolment_tokens set expires_at = clock_timestamp() where used_at is null');
  const over = await codeOf(joinSite(late, await keysOf('late')));
  if (over !== 'E_TOKEN_EXPIRED') problems.push(`at its end: ${over}`);
  const { token: ofShade } = await world.admin.call('token.create', { site: 'shade' });
  const joined = await joinSite(ofShade, await keysOf('tokyo'));
  const { subject } = new X509Certificate(joined.certPem);
  if (joined.site !== 'shade' || subject.includes('tokyo')) problems.push(`shade’s token made ${subject}`);
  const { rows } = await world.admin.call('audit.list', { limit: 100 });
  const audited = rows.filter(({ action }) => action === 'refused enrol.site').length;
  if (audited < 3) problems.push(`${audited} of 3 refusals audited`);
  if (twice === 'given') problems.push('a token served twice');
  if (guessed === 'given') problems.push('a guessed token served');
  const sites = file.sites;
  await world.admin.call('bus.apply', { file: { ...file, sites }, force: true });
  return verdict(
    problems,
    `used twice: ${twice}, guessed: ${guessed}, at its end: ${over}; for another site it makes its own’s`,
  );
}

async function parentInTheTree(world: World): Promise<Outcome> {
  const osaka = await world.site('osaka');
  const tokyo = await world.site('tokyo');
  const { busId, siteId, control } = osaka.dir.file;
  const address = { busId, callerId: siteId, method: 'snapshot.get' };
  const by = await osaka.dir.requestKey();
  const sealed = await sealRequest(address, { have: 0 }, by, { control, atMs: Date.now() });
  const { nc } = await wireToControl(world, osaka);
  const told = (answer: Uint8Array): string => {
    try {
      readAnswer(openAnswer(answer, sealed.answerKey, control));
      return 'answered';
    } catch (error) {
      return isBusError(error) ? error.code : 'unreadable';
    }
  };
  const say = async (subject: string, frame: Uint8Array): Promise<string> => {
    const reply = `mb.ctl.${siteId}.r.${randomBytes(8).toString('hex')}`;
    const heard = new Promise<string>((resolve) => {
      nc.subscribe(reply, {
        max: 1,
        timeout: 5_000,
        callback: (error, message) =>
          resolve(error ? 'silence' : message.headers?.hasError ? 'rejected' : told(message.data)),
      });
    });
    nc.publish(subject, frame, { reply });
    return heard;
  };
  const subject = requestSubject(siteId, 'snapshot.get');
  const problems: string[] = [];
  const first = await say(subject, sealed.frame);
  const again = await say(subject, sealed.frame);
  const altered = Buffer.from(sealed.frame);
  altered[60]! ^= 1;
  const [changed, moved, foreign] = [
    await say(subject, altered),
    await say(requestSubject(siteId, 'bus.export'), sealed.frame),
    await say(requestSubject(tokyo.siteId, 'snapshot.get'), sealed.frame),
  ];
  if (first !== 'answered') problems.push(`the honest request: ${first}`);
  for (const [what, came] of [
    ['said again', again],
    ['altered', changed],
    ['for another method', moved],
    ['as another site', foreign],
  ]) {
    if (came === 'answered') problems.push(`${what}: answered`);
  }
  if (sealed.frame.includes('snapshot') || sealed.frame.includes(by.publicKey)) problems.push('the frame can be read');
  return verdict(
    problems,
    `said again: ${again}, altered: ${changed}, moved: ${moved}, as another site: ${foreign}; frame is ciphertext`,
  );
}

async function wireToControl(world: World, { dir }: SiteActor): Promise<{ nc: NatsConnection }> {
  const user = createKey('user');
  const claims = { name: 'parent', connections: ['STANDARD' as const] };
  const jwt = await encodeUserJwt(claims, user.getPublicKey(), await dir.key('CTL', 'account'));
  const nc = await connect({ servers: dir.file.listen, authenticator: jwtAuthenticator(jwt, user.getSeed()) });
  world.onEnd(() => nc.close());
  return { nc };
}

export const enrolmentAttacks: Attack[] = [
  {
    id: 'L8',
    attempt: 'a token used twice, guessed, at its end, for another site',
    defence: 'token-once',
    run: tokens,
  },
  {
    id: 'L9',
    attempt: 'a site on the way to the control plane repeats, alters and moves requests',
    defence: { note: 'without the AEAD there is no request' },
    run: parentInTheTree,
  },
];

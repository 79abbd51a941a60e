/** L1 to L10 but L5 and L7: strangers at the leaf port, sites that lie, disks that were copied. */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { sealRequest } from '../src/api/frame.ts';
import { joinSite } from '../src/api/index.ts';
import { requestSubject } from '../src/api/subjects.ts';
import { deriveTerminalKeys } from '../src/keys/index.ts';
import { type RoutingRecord, signRecord } from '../src/routing/records.ts';
import { prepareSiteDir } from '../src/site/index.ts';
import { createCa, createCsr, createKey, encodeUserJwt, issueCertificate } from '../src/trust/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { codeOf, keyCodeOf, type SiteActor, soon, type WireEnd, type World } from './world.ts';

/** First bytes that the port says inside TLS, or why none. */
function knock(site: SiteActor, options: ConnectionOptions, say?: Buffer): Promise<string> {
  const [host, port] = (site.dir.file.leafListen ?? '').split(':');
  return new Promise((resolve) => {
    const socket = connectTls({ host: host ?? '', port: Number(port), minVersion: 'TLSv1.3', ...options });
    const end = (what: string): void => {
      resolve(what);
      socket.destroy();
    };
    socket.once('data', (data) => {
      if (say === undefined) return end(data.toString('latin1').slice(0, 5));
      socket.once('close', () => resolve('closed'));
      socket.write(say);
    });
    socket.once('error', () => end('refused'));
    socket.once('close', () => resolve('closed'));
    socket.setTimeout(10_000, () => end('silent'));
  });
}

async function memberTls({ dir }: SiteActor): Promise<ConnectionOptions> {
  const { certFile, keyFile, caFile } = dir.tls;
  const [cert, key, ca] = await Promise.all([certFile, keyFile, caFile].map((path) => readFile(path)));
  return { ca: ca as Buffer, cert: cert as Buffer, key: key as Buffer };
}

async function strangers(world: World): Promise<Outcome> {
  const site = await world.site('frankfurt');
  const member = await memberTls(site);
  const other = await createCa({ name: 'another bus' });
  const { csrPem, keyPem } = await createCsr({ commonName: 'frankfurt' });
  const issue = (startDaysAgo: number): string =>
    issueCertificate({ ca: other, csrPem, commonName: 'frankfurt', names: ['127.0.0.1'], days: 1, startDaysAgo });
  const { ca } = member;
  const anyCa = ca === undefined ? {} : { ca };
  const tries: [string, ConnectionOptions][] = [
    ['another CA', { ...anyCa, cert: issue(0), key: keyPem }],
    ['expired', { ...anyCa, cert: issue(5), key: keyPem }],
    ['no certificate', anyCa],
    ['TLS 1.2', { ...member, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
  ];
  const problems: string[] = [];
  for (const [what, options] of tries)
    if ((await knock(site, options)) === 'INFO ') problems.push(`let in with ${what}`);
  if ((await plainText(site)) !== '') problems.push('it speaks without TLS');
  if ((await knock(site, member)) !== 'INFO ') problems.push('a member is not let in');
  return verdict(problems, '5 ways without the right certificate refused before a NATS byte');
}

/** What the leaf port says to somebody who speaks NATS at once. */
function plainText(site: SiteActor): Promise<string> {
  const port = Number(site.dir.file.leafListen?.split(':')[1]);
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    let heard = '';
    socket.on('data', (data) => {
      heard += /INFO|PONG/.exec(data.toString('latin1'))?.[0] ?? '';
    });
    socket.once('error', () => resolve(heard));
    socket.once('close', () => resolve(heard));
    socket.setTimeout(10_000, () => socket.destroy());
    socket.write('CONNECT {}\r\nSUB > 1\r\nPING\r\n');
  });
}

async function garbage(world: World): Promise<Outcome> {
  const site = await world.site('frankfurt');
  const member = await memberTls(site);
  const before = await serverMemory(site);
  const said: [string, Buffer][] = [
    ['noise', randomBytes(4_096)],
    ['subscriptions before CONNECT', Buffer.from('LS+ mb.l.>\r\nLS+ >\r\nPING\r\n')],
    ['two INFOs', Buffer.from('INFO {}\r\nINFO {"server_id":"x"}\r\n')],
    ['a long INFO', Buffer.from(`INFO {"x":"${'y'.repeat(8 * 1024 * 1024)}"}\r\n`)],
    ['a CONNECT without a credential', Buffer.from('CONNECT {"name":"x"}\r\nLS+ >\r\nPING\r\n')],
  ];
  const problems: string[] = [];
  for (const [what, bytes] of said) {
    const end = await knock(site, member, bytes);
    if (end === 'silent') problems.push(`${what}: not closed`);
  }
  const grown = (await serverMemory(site)) - before;
  if (grown > 64 * 1024 * 1024) problems.push(`${Math.round(grown / 1e6)} MB more memory`);
  return verdict(problems, `${said.length} kinds closed, ${Math.round(Math.max(0, grown) / 1e6)} MB more`);
}

async function serverMemory({ dir }: SiteActor): Promise<number> {
  const { mem } = (await (await fetch(`http://${dir.file.monitor}/varz`)).json()) as { mem: number };
  return mem;
}

/** A connection into a link account with every right, as a site that rules its own server can make. */
async function unbound(world: World, { dir }: SiteActor, { side }: WireEnd): Promise<NatsConnection> {
  const user = createKey('user');
  const claims = { name: 'rogue', connections: ['STANDARD' as const] };
  const jwt = await encodeUserJwt(claims, user.getPublicKey(), await dir.key(side.account, 'account'));
  const nc = await connect({ servers: dir.file.listen, authenticator: jwtAuthenticator(jwt, user.getSeed()) });
  world.onEnd(() => nc.close());
  return nc;
}

async function outsideItsTrees(world: World): Promise<Outcome> {
  const [osaka, frankfurt] = [await world.site('osaka'), await world.site('frankfurt')];
  // the end that accepts shares an account among its peers: the one that dials is the rogue
  const wires = [
    { here: osaka, wire: await osaka.link('acme', 'frankfurt') },
    { here: frankfurt, wire: await frankfurt.link('acme', 'osaka') },
  ];
  const [rogue, hub] = wires[0]?.wire.side.isDialer ? wires : wires.toReversed();
  if (rogue === undefined || hub === undefined) return verdict(['no link'], '');
  const [from, at] = [await unbound(world, rogue.here, rogue.wire), await unbound(world, hub.here, hub.wire)];
  const [lima, tokyo] = [(await world.site('lima')).siteId, (await world.site('tokyo')).siteId];
  const heard = new Set<string>();
  at.subscribe('>', {
    callback: (_, message) => void (message.subject.includes('attack') && heard.add(message.subject)),
  });
  const reached = new Set<string>();
  from.subscribe('>', {
    callback: (_, message) => void (message.subject.includes('attack') && reached.add(message.subject)),
  });
  const honest = `${rogue.wire.out}attack`;
  const back = `${hub.wire.out}attack`;
  const foul = [
    `mb.l.${lima}.${hub.here.siteId}.attack`,
    `mb.l.${rogue.here.siteId}.${tokyo}.attack`,
    'trade.attack',
    '_INBOX.attack',
    '$SYS.attack',
    '_mb.in.attack',
  ];
  await Promise.all([from.flush(), at.flush()]);
  await soon(async () => {
    for (const subject of [...foul, honest]) from.publish(subject, 'x');
    for (const subject of [`mb.l.${hub.here.siteId}.${lima}.attack`, '_INBOX.attack2', back]) at.publish(subject, 'x');
    await Promise.all([from.flush(), at.flush()]);
    return heard.has(honest) && reached.has(back);
  });
  const own = new Set([...foul, honest, `mb.l.${hub.here.siteId}.${lima}.attack`, '_INBOX.attack2', back]);
  const crossed = [...heard].filter((subject) => foul.includes(subject));
  const problems = crossed.map((subject) => `${subject} crossed`);
  if (!heard.has(honest)) problems.push('its own subject did not cross');
  return verdict(problems, `${foul.length} of ${own.size} foul subjects dropped at the link, its own crossed`);
}

async function transitAsks(world: World): Promise<Outcome> {
  const osaka = await world.site('osaka');
  const { envelope } = await world.captured();
  const calls = await osaka.calls('acme');
  const open = await codeOf(calls.open(envelope.topicId, envelope.ticketId, envelope.password));
  const reticket = await codeOf(calls.reticket(envelope.topicId, envelope.ticketId, envelope.header));
  const problems = [open, reticket].filter((code) => code !== 'E_KEY_REFUSED').map((code) => `it got ${code}`);
  const isAudited = await soon(async () => {
    const { rows } = await world.admin.call('audit.list', { limit: 50 });
    return rows.some(({ actor, action }) => actor === 'site:osaka' && action.includes('key.'));
  }, 20_000);
  if (!isAudited) problems.push('no audit row');
  return verdict(problems, `open: ${open}, re-ticket: ${reticket}, audited`);
}

async function lyingRecords(world: World): Promise<Outcome> {
  const osaka = await world.site('osaka');
  const wires = [await osaka.link('acme', 'tokyo'), await osaka.link('acme', 'frankfurt')];
  const customer = osaka.customer('acme');
  const { sign } = await osaka.keys('acme');
  const idOf = (site: string): string => customer.terminals.find((each) => each.site === site)?.id ?? '';
  const free = (linkId: string) => ({ linkId, isDegraded: false, extraMilli: 0, rttMs: 1 });
  const all = customer.links.map(({ id }) => free(id)).sort((a, b) => (a.linkId < b.linkId ? -1 : 1));
  const about = (terminalId: string, sequence: number, links: ReturnType<typeof free>[]): RoutingRecord => ({
    kind: 'links',
    customerId: customer.id,
    terminalId,
    sequence,
    links,
  });
  const before = await refusedRecords(world);
  for (let round = 0; round < 50; round++) {
    const lies = [
      about(customer.terminalId, 2_000_000 + round, all),
      about(idOf('tokyo'), 2 ** 47 + round, []),
      about(idOf('frankfurt'), 2 ** 48, []),
      about(randomUUID(), 5, all),
    ].map((record) => signRecord(record, sign));
    const unsigned = Buffer.concat([lies[0]?.subarray(0, -64) ?? Buffer.alloc(0), Buffer.alloc(64)]);
    for (const bytes of [...lies, unsigned, randomBytes(200)])
      for (const { nc, out } of wires) nc.publish(`${out}s`, bytes);
    await Promise.all(wires.map(({ nc }) => nc.flush()));
  }
  const grown = await soon(async () => (await refusedRecords(world)) > before + 50);
  const problems = grown ? [] : ['the records were not refused'];
  if (!(await world.victim.flows())) problems.push('the victim’s messages stop');
  return verdict(problems, `${(await refusedRecords(world)) - before} records refused and counted, traffic goes on`);
}

async function refusedRecords(world: World): Promise<number> {
  const page = await (await fetch(world.info.sites.tokyo?.metrics ?? '')).text();
  const lines = page.split('\n').filter((line) => line.startsWith('mbus_routing_records_refused_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

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
  const { parseToken } = await import('../src/api/index.ts');
  const parsed = parseToken((await world.admin.call('token.create', { site: 'shade' })).token);
  const guessed = await codeOf(
    joinSite({ ...parsed, secret: randomBytes(32).toString('base64url') }, await keysOf('guess')),
  );
  if (twice === 'given') problems.push('a token served twice');
  if (guessed === 'given') problems.push('a guessed token served');
  const sites = file.sites;
  await world.admin.call('bus.apply', { file: { ...file, sites }, force: true });
  return verdict(problems, `used twice: ${twice}, guessed: ${guessed}`);
}

async function parentInTheTree(world: World): Promise<Outcome> {
  const osaka = await world.site('osaka');
  const tokyo = await world.site('tokyo');
  const { busId, siteId, control } = osaka.dir.file;
  const address = { busId, callerId: siteId, method: 'snapshot.get' };
  const by = await osaka.dir.requestKey();
  const sealed = await sealRequest(address, { have: 0 }, by, { control, atMs: Date.now() });
  const { nc } = await wireToControl(world, osaka);
  const say = async (subject: string, frame: Uint8Array): Promise<string> => {
    const reply = `mb.ctl.${siteId}.r.${randomBytes(8).toString('hex')}`;
    const heard = new Promise<string>((resolve) => {
      nc.subscribe(reply, {
        max: 1,
        timeout: 5_000,
        callback: (error, message) =>
          resolve(
            error
              ? 'silence'
              : message.headers?.hasError
                ? 'rejected'
                : message.data.length > 150
                  ? 'answered'
                  : 'short',
          ),
      });
    });
    nc.publish(subject, frame, { reply });
    return heard;
  };
  const subject = requestSubject(siteId, 'snapshot.get');
  const problems: string[] = [];
  const first = await say(subject, sealed.frame);
  const altered = Buffer.from(sealed.frame);
  altered[60]! ^= 1;
  const [changed, moved, foreign] = [
    await say(subject, altered),
    await say(requestSubject(siteId, 'bus.export'), sealed.frame),
    await say(requestSubject(tokyo.siteId, 'snapshot.get'), sealed.frame),
  ];
  if (first !== 'answered') problems.push(`the honest request: ${first}`);
  for (const [what, came] of [
    ['altered', changed],
    ['for another method', moved],
    ['as another site', foreign],
  ]) {
    if (came === 'answered') problems.push(`${what}: answered`);
  }
  if (sealed.frame.includes('snapshot') || sealed.frame.includes(by.publicKey)) problems.push('the frame can be read');
  return verdict(problems, `altered: ${changed}, moved: ${moved}, as another site: ${foreign}; frame is ciphertext`);
}

async function wireToControl(world: World, { dir }: SiteActor): Promise<{ nc: NatsConnection }> {
  const user = createKey('user');
  const claims = { name: 'parent', connections: ['STANDARD' as const] };
  const jwt = await encodeUserJwt(claims, user.getPublicKey(), await dir.key('CTL', 'account'));
  const nc = await connect({ servers: dir.file.listen, authenticator: jwtAuthenticator(jwt, user.getSeed()) });
  world.onEnd(() => nc.close());
  return { nc };
}

async function copiedDisk(world: World): Promise<Outcome> {
  const [tokyo, frankfurt] = [await world.site('tokyo'), await world.site('frankfurt')];
  const topicId = tokyo.customer('globex').topics.find(({ name }) => name === 'plan')?.id ?? '';
  const { value: ticket } = await (await tokyo.calls('globex')).ticket(topicId);
  const { ticketId } = ticket.certificate;
  const without = await frankfurt.calls('globex', deriveTerminalKeys(randomBytes(32)));
  const withKey = await frankfurt.calls('globex');
  const ask = (calls: typeof withKey): Promise<string> => keyCodeOf(calls.open(topicId, ticketId, ticket.password));
  const problems: string[] = [];
  const bare = await ask(without);
  if (bare !== 'E_KEY_REFUSED') problems.push(`without the securekey: ${bare}`);
  if ((await ask(withKey)) !== 'given') problems.push('the living terminal opens nothing');
  await world.admin.call('terminal.revoke', { customer: 'globex', site: 'frankfurt', isCompromised: false });
  const revoked = await ask(withKey);
  if (revoked !== 'E_KEY_REFUSED') problems.push(`after the revocation: ${revoked}`);
  return verdict(problems, `without securekey: ${bare}, with it after revocation: ${revoked}`);
}

export const linkAttacks: Attack[] = [
  { id: 'L1', attempt: 'leaf port: other CA, expired, none, TLS 1.2, plain TCP', defence: 'leaf-tls', run: strangers },
  {
    id: 'L2',
    attempt: 'leaf port: noise, two INFOs, a long one, no CONNECT',
    defence: { note: 'limits before CONNECT are nats-server’s own' },
    run: garbage,
  },
  { id: 'L3', attempt: 'a peer outside its two subject trees', defence: 'link-rights', run: outsideItsTrees },
  { id: 'L4', attempt: 'a carrying site asks for the key of what passes', defence: 'receivers-only', run: transitAsks },
  {
    id: 'L6',
    attempt: 'routing records that are not true',
    defence: 'record-signature',
    run: lyingRecords,
  },
  {
    id: 'L8',
    attempt: 'a token used twice, guessed',
    defence: 'token-once',
    run: tokens,
  },
  {
    id: 'L9',
    attempt: 'a site on the way to the control plane alters and moves requests',
    defence: { note: 'without the AEAD there is no request' },
    run: parentInTheTree,
  },
  { id: 'L10', attempt: 'a copied site disk asks for keys', defence: 'proof', run: copiedDisk },
];

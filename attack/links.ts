/** L1 to L6 but L5, and L10: strangers at the leaf port, sites that lie, disks that were copied. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createServer } from 'node:tls';
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { deriveTerminalKeys } from '../src/keys/index.ts';
import { pidsOf } from '../src/lab/index.ts';
import { type RoutingRecord, signRecord } from '../src/routing/records.ts';
import { createCa, createCsr, createKey, encodeUserJwt, issueCertificate } from '../src/trust/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { leafConnections, residentBytes } from './looks.ts';
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
  const impostor = await standIn(world);
  if (impostor !== 'refused') problems.push(`who dials a site with another’s name: ${impostor}`);
  if ((await knock(site, member)) !== 'INFO ') problems.push('a member is not let in');
  return verdict(
    problems,
    '5 ways without the right certificate refused before a NATS byte, and an impostor by who dials',
  );
}

/**
 * tokyo is told to dial a name where somebody stands with osaka's certificate: of the right CA, and it does not name the
 * place. Trusted is who gets a NATS byte.
 */
async function standIn(world: World): Promise<'refused' | 'trusted' | 'nobody came'> {
  const { cert, key, ca } = await memberTls(await world.site('osaka'));
  let came = 0;
  let isTrusted = false;
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' as const };
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined);
    socket.write('INFO {"server_id":"x","version":"2.15.1","tls_required":true}\r\n');
    socket.once('data', () => {
      isTrusted = true;
    });
  });
  server.on('tlsClientError', () => void came++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const countOf = (connections: string): number => connections.split(',').length;
  const links = countOf(await leafConnections(world));
  const { file } = await world.admin.call('bus.export', {});
  const at = `localhost:${(server.address() as AddressInfo).port}`;
  const told = structuredClone(file);
  for (const link of told.customers.flatMap(({ name, links }) => (name === 'acme' ? links : [])))
    if (link.between.includes('tokyo') && link.between.includes('frankfurt')) link.via = at;
  await world.admin.call('bus.apply', { file: told });
  // more than one try: the first comes to a server that is not the last
  await soon(() => came > 2 || isTrusted, 30_000);
  await world.admin.call('bus.apply', { file });
  server.close();
  await soon(async () => countOf(await leafConnections(world)) >= links, 60_000);
  return isTrusted ? 'trusted' : came > 0 ? 'refused' : 'nobody came';
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
  const links = await leafConnections(world);
  const said: [string, Buffer][] = [
    ['noise', randomBytes(4_096)],
    ['subscriptions before CONNECT', Buffer.from('LS+ mb.l.>\r\nLS+ >\r\nPING\r\n')],
    ['two INFOs', Buffer.from('INFO {}\r\nINFO {"server_id":"x"}\r\n')],
    ['an INFO of 64 MiB', Buffer.from(`INFO {"x":"${'y'.repeat(64 * 1024 * 1024)}"}\r\n`)],
    ['a CONNECT without a credential', Buffer.from('CONNECT {"name":"x"}\r\nLS+ >\r\nPING\r\n')],
  ];
  const problems: string[] = [];
  for (const [what, bytes] of said) {
    const end = await knock(site, member, bytes);
    if (end === 'silent') problems.push(`${what}: not closed`);
  }
  const dribbleMs = await dribble(site, member);
  if (dribbleMs > 30_000) problems.push('a byte at a time: not closed');
  if ((await leafConnections(world)) !== links) problems.push('another link was cut');
  const grown = (await serverMemory(site)) - before;
  if (grown > 64 * 1024 * 1024) problems.push(`${Math.round(grown / 1e6)} MB more memory`);
  const closed = `${said.length} kinds closed, a byte at a time after ${Math.round(dribbleMs / 1_000)} s`;
  return verdict(problems, `${closed}, ${Math.round(Math.max(0, grown) / 1e6)} MB more, other links stay`);
}

/** One byte of a CONNECT twice a second until the port closes; ms until then. */
function dribble(site: SiteActor, member: ConnectionOptions): Promise<number> {
  const [host = '', port] = (site.dir.file.leafListen ?? '').split(':');
  const startMs = performance.now();
  return new Promise((resolve) => {
    const socket = connectTls({ host, port: Number(port), minVersion: 'TLSv1.3', ...member });
    const drip = setInterval(() => socket.write('C'), 500);
    const giveUp = setTimeout(() => socket.destroy(), 40_000);
    socket.on('data', () => undefined);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearInterval(drip);
      clearTimeout(giveUp);
      resolve(performance.now() - startMs);
    });
  });
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
  const strange = Array.from({ length: 1_000 }, (_, n) => signRecord(about(randomUUID(), n + 1, all), sign));
  const floodMb = await floodRecords(world, wires, strange);
  if (floodMb > 96) problems.push(`${floodMb} MB more memory`);
  if (!(await world.victim.flows())) problems.push('the victim’s messages stop');
  const counted = `${(await refusedRecords(world)) - before} records refused and counted`;
  return verdict(problems, `${counted}, 100000 at once among them: ${floodMb} MB more; traffic goes on`);
}

/** A hundred thousand records as fast as a link takes them; how much the reader of the first wire has grown, MB. */
async function floodRecords(world: World, [wire]: WireEnd[], records: readonly Uint8Array[]): Promise<number> {
  const [pid = 0] = await pidsOf(world.dir, 'tokyo', 'sidecar');
  const [memory, before] = [await residentBytes(pid), await refusedRecords(world)];
  for (let sent = 0; sent < 100_000; sent += records.length) {
    for (const bytes of records) wire?.nc.publish(`${wire.out}s`, bytes);
    await wire?.nc.flush();
  }
  await soon(async () => (await refusedRecords(world)) >= before + 100_000, 60_000);
  return Math.max(0, Math.round(((await residentBytes(pid)) - memory) / 1e6));
}

async function refusedRecords(world: World): Promise<number> {
  const page = await (await fetch(world.info.sites.tokyo?.metrics ?? '')).text();
  const lines = page.split('\n').filter((line) => line.startsWith('mbus_routing_records_refused_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
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
  {
    id: 'L1',
    attempt: 'leaf port: other CA, expired, none, TLS 1.2, plain TCP, another’s name',
    defence: ['leaf-tls', 'dialled-name'],
    run: strangers,
  },
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
  { id: 'L10', attempt: 'a copied site disk asks for keys', defence: 'proof', run: copiedDisk },
];

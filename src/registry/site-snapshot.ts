/**
 * What one site may know, and nothing else: its own row, the customers that have a terminal there, and of those
 * customers the terminals, links, topics and groups that routing and delivery need. An address or a credential is told
 * only to the end that dials with it; an app only to its own site.
 */
import type { Snapshot, SnapshotCustomer } from '../api/snapshot.ts';
import { BusError } from '../errors.ts';
import { certificateNames } from '../trust/index.ts';
import { listAppRights } from './app-rights.ts';
import { readConsistently } from './apply.ts';
import { listApps } from './apps.ts';
import { getBus } from './buses.ts';
import type { Registry } from './connection.ts';
import { listCustomers } from './customers.ts';
import { listGroupTerminals } from './group-terminals.ts';
import { listGroups } from './groups.ts';
import { type Link, listLinks } from './links.ts';
import { findSite, listSites, type Site } from './sites.ts';
import { listTerminals, type Terminal } from './terminals.ts';
import { listSealingEpochs } from './topic-keys.ts';
import { listTopics } from './topics.ts';

/** what the bus's row does not say of the control plane */
export type ControlInfo = Omit<Snapshot['control'], 'leafUrls'>;

/** E_UNKNOWN_NOUN when the site is gone. */
export async function buildSnapshot(db: Registry, siteId: string, control: ControlInfo): Promise<Snapshot> {
  return readConsistently(db, async (trx) => {
    const bus = await getBus(trx);
    const site = await findSite(trx, { id: siteId });
    if (!site) throw new BusError('E_UNKNOWN_NOUN', `site ${siteId} is not part of the bus any more`);
    return {
      format: 1,
      version: bus.version,
      busId: bus.id,
      site: {
        id: site.id,
        name: site.name,
        mode: site.mode,
        address: site.address,
        ...(site.websocket !== null && { websocket: site.websocket }),
        ...(site.proxy !== null && { proxy: site.proxy }),
        dialledAs: await dialledNames(trx, site),
        maxPayload: site.maxPayload,
        durability: site.durability,
        ...(site.sidecars > 1 && { sidecars: site.sidecars }),
        ...(site.tls !== null && { tls: site.tls }),
        ...(site.servers > 1 && { servers: site.servers }),
      },
      control: { leafUrls: bus.replicaSet.split(' ').filter(Boolean), ...control },
      customers: await customersOf(trx, site),
    };
  });
}

type Content = Awaited<ReturnType<typeof readContent>>;

async function customersOf(trx: Registry, site: Site): Promise<SnapshotCustomer[]> {
  const own = await trx.selectFrom('terminals').select('customer_id').where('site_id', '=', site.id).execute();
  const ids = own.map((row) => row.customer_id);
  if (ids.length === 0) return [];
  const content = await readContent(trx, ids);
  const customers = (await listCustomers(trx)).filter((customer) => ids.includes(customer.id));
  return customers.map(({ id, name, isolateApps, isSuspended, limits }) => {
    const terminals = content.terminals.filter((t) => t.customerId === id);
    const self = terminals.find((t) => t.siteId === site.id)!;
    const frozen = self.isRevoked ? ('revoked' as const) : isSuspended ? ('suspended' as const) : null;
    return {
      id,
      name,
      isolateApps,
      limits,
      frozen,
      terminalId: self.id,
      terminals: terminals.map((terminal) => terminalOf(terminal, self)),
      links: frozen === null ? linksOf(content, id, self) : [],
      topics: topicsOf(content, id),
      apps: frozen === null ? appsOf(content, self) : [],
    };
  });
}

function terminalOf(terminal: Terminal, self: Terminal): SnapshotCustomer['terminals'][number] {
  const { id, siteId, site, mode, transit, formats, signKey, linkUser, isDraining, isForgotten, isRevoked } = terminal;
  const isGone = isRevoked && id !== self.id;
  return {
    id,
    siteId,
    site,
    mode,
    transit,
    formats,
    signKey: isGone ? null : signKey,
    linkUser: isGone ? null : linkUser,
    isDraining,
    isForgotten,
    isRevoked,
    isRekeyWanted: id === self.id && terminal.isRekeyWanted,
  };
}

async function readContent(trx: Registry, customerIds: string[]) {
  return {
    terminals: await listTerminals(trx, customerIds),
    links: await listLinks(trx, customerIds),
    topics: await listTopics(trx, customerIds),
    groups: await listGroups(trx, customerIds),
    groupTerminals: await listGroupTerminals(trx, customerIds),
    apps: await listApps(trx, customerIds),
    rights: await listAppRights(trx, customerIds),
    sealingEpochs: await listSealingEpochs(trx, customerIds),
    siteById: new Map((await listSites(trx)).map((site) => [site.id, site])),
  };
}

function linksOf(content: Content, customerId: string, self: Terminal): SnapshotCustomer['links'] {
  const terminalById = new Map(content.terminals.map((t) => [t.id, t]));
  return content.links
    .filter((link) => link.customerId === customerId)
    .filter((link) => ![link.a, link.b].some((end) => terminalById.get(end)?.isRevoked))
    .map((link) => {
      const { dialer, acceptor } = orderEnds(terminalById.get(link.a)!, terminalById.get(link.b)!);
      const isOurs = dialer.id === self.id;
      const proxy = link.proxy ?? content.siteById.get(dialer.siteId)?.proxy ?? null;
      return {
        id: link.id,
        a: link.a,
        b: link.b,
        cost: link.cost,
        dialer: dialer.id,
        url: isOurs ? linkUrl(link, content.siteById.get(acceptor.siteId)) : '',
        ...(isOurs && proxy !== null && { proxy }),
        userJwt: isOurs ? credentialFor(link, dialer) : null,
        compress: link.compress,
      };
    })
    .sort((x, y) => (x.id < y.id ? -1 : 1));
}

function linkUrl({ via, transport }: Link, acceptor: Site | undefined): string {
  if (transport === 'tcp') return via ?? acceptor?.address ?? '';
  const address = via ?? acceptor?.websocket ?? '';
  return address === '' ? '' : `wss://${address}`;
}

/** Hosts this site is dialled by: its addresses, what links go through on their way to it, and where it asks for that what applications use. Its certificate names them. */
export async function dialledNames(db: Registry, site: Site): Promise<string[]> {
  const terminals = new Map((await listTerminals(db)).map((terminal) => [terminal.id, terminal]));
  const vias = (await listLinks(db)).flatMap((link) => {
    const [a, b] = [terminals.get(link.a), terminals.get(link.b)];
    return a && b && orderEnds(a, b).acceptor.siteId === site.id ? [link.via] : [];
  });
  return [
    ...new Set([...certificateNames([site.address, site.websocket, ...vias]), ...(site.tls?.names ?? [])]),
  ].sort();
}

/** A client-mode end dials; between two servers the site whose name sorts first does. */
export function orderEnds(a: Terminal, b: Terminal): { dialer: Terminal; acceptor: Terminal } {
  if (a.mode !== b.mode) return a.mode === 'client' ? { dialer: a, acceptor: b } : { dialer: b, acceptor: a };
  return a.site < b.site ? { dialer: a, acceptor: b } : { dialer: b, acceptor: a };
}

/** A credential for keys the dialer had before it registered anew is of no use to it. */
function credentialFor(link: Link, dialer: Terminal): string | null {
  return link.credentialUser !== null && link.credentialUser === dialer.linkUser ? link.userJwt : null;
}

function topicsOf(
  { topics, groups, groupTerminals, sealingEpochs }: Content,
  customerId: string,
): SnapshotCustomer['topics'] {
  const terminalsOf = (groupId: string): string[] =>
    groupTerminals.filter((row) => row.groupId === groupId).map((row) => row.terminalId);
  return topics
    .filter((topic) => topic.customerId === customerId)
    .map(({ customerId: _, rotateAfterMs: __, rotateAfterMessages: ___, ...topic }) => ({
      ...topic,
      keyEpoch: sealingEpochs.get(topic.id) ?? null,
      groups: groups
        .filter((group) => group.topicId === topic.id)
        .map(({ customerId: _, topicId: __, ...group }) => ({ ...group, terminals: terminalsOf(group.id) })),
    }));
}

function appsOf({ apps, rights, topics, groups }: Content, self: Terminal): SnapshotCustomer['apps'] {
  const topicName = new Map(topics.map((topic) => [topic.id, topic.name]));
  const groupName = new Map(
    groups.map((group) => [group.id, { topic: topicName.get(group.topicId) ?? '', group: group.name }]),
  );
  const namesOf = (ids: readonly string[] = []): { topic: string; group: string }[] =>
    ids
      .flatMap((id) => groupName.get(id) ?? [])
      .sort((x, y) => (`${x.topic}@${x.group}` < `${y.topic}@${y.group}` ? -1 : 1));
  return apps
    .filter((app) => app.terminalId === self.id && !app.isRevoked)
    .map(({ id, name, credential, credentialLifeMs }) => ({
      id,
      name,
      credential,
      credentialLifeMs,
      publish: (rights.publish.get(id) ?? []).flatMap((topic) => topicName.get(topic) ?? []).sort(),
      consume: namesOf(rights.consume.get(id)),
      deadLetters: namesOf(rights.deadLetters.get(id)),
    }));
}

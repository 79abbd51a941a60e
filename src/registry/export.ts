/**
 * The registry read back as a declared file: what apply would need to make it again. Nouns in order of name, a group's
 * terminals in their declared order.
 */
import type { AppSpec, BusFile, CustomerSpec, LinkSpec, TopicSpec } from '../config/bus-file.ts';
import { listAppRights } from './app-rights.ts';
import { listApps } from './apps.ts';
import type { Registry } from './connection.ts';
import { listCustomers } from './customers.ts';
import { listGroupTerminals } from './group-terminals.ts';
import { type Group, listGroups } from './groups.ts';
import { listLinks } from './links.ts';
import { listSites } from './sites.ts';
import { listTerminals } from './terminals.ts';
import { listTopics, type Topic } from './topics.ts';

/** Call it in a transaction that sees one state (repeatable read, or under lockBus). */
export async function exportBusFile(db: Registry): Promise<BusFile> {
  const sites = await listSites(db);
  const content = await readContent(db);
  return {
    sites: sites.map(
      ({ name, mode, address, websocket, proxy, maxPayload, durability, transit, sidecars, servers, tls }) => ({
        name,
        mode,
        ...(address !== null && { address }),
        ...(websocket !== null && { websocket }),
        ...(proxy !== null && { proxy }),
        maxPayload,
        durability,
        transit,
        sidecars,
        servers,
        ...(tls !== null && { tls }),
      }),
    ),
    customers: (await listCustomers(db)).map(
      (customer): CustomerSpec => ({
        name: customer.name,
        isolateApps: customer.isolateApps,
        ...declared(customer.limits),
        terminals: content.terminals.filter((t) => t.customerId === customer.id).map((t) => t.site),
        links: linkSpecs(content, customer.id),
        topics: content.topics.filter((t) => t.customerId === customer.id).map((topic) => topicSpec(content, topic)),
        apps: appSpecs(content, customer.id),
      }),
    ),
  };
}

/** What is not declared is left out. */
function declared<T>(values: Record<string, T | null>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, T] => entry[1] !== null));
}

type Content = Awaited<ReturnType<typeof readContent>>;

async function readContent(db: Registry) {
  const terminals = await listTerminals(db);
  const topics = await listTopics(db);
  const groups = await listGroups(db);
  return {
    terminals,
    links: await listLinks(db),
    topics,
    groups,
    groupTerminals: await listGroupTerminals(db),
    apps: await listApps(db),
    rights: await listAppRights(db),
    siteOf: new Map(terminals.map((t) => [t.id, t.site])),
    topicById: new Map(topics.map((t) => [t.id, t])),
    groupById: new Map(groups.map((g) => [g.id, g])),
  };
}

function linkSpecs({ links, siteOf }: Content, customerId: string): LinkSpec[] {
  return links
    .filter((link) => link.customerId === customerId)
    .map(
      (link): LinkSpec => ({
        between: [siteOf.get(link.a) ?? '', siteOf.get(link.b) ?? ''],
        cost: link.cost,
        ...(link.via !== null && { via: link.via }),
        transport: link.transport,
        ...(link.proxy !== null && { proxy: link.proxy }),
        compress: link.compress,
      }),
    )
    .sort((x, y) => (x.between.join(' ') < y.between.join(' ') ? -1 : 1));
}

function topicSpec({ groups, groupTerminals, siteOf }: Content, topic: Topic): TopicSpec {
  const sitesOf = (group: Group): string[] =>
    groupTerminals.filter((row) => row.groupId === group.id).map((row) => siteOf.get(row.terminalId) ?? '');
  return {
    name: topic.name,
    scope: topic.scope,
    maxBytes: topic.maxBytes,
    maxTransitAgeMs: topic.maxTransitAgeMs,
    strict: topic.strict,
    ordered: topic.ordered,
    dedupeMs: topic.dedupeMs,
    rotateAfterMs: topic.rotateAfterMs,
    rotateAfterMessages: topic.rotateAfterMessages,
    groups: groups
      .filter((group) => group.topicId === topic.id)
      .map((group) => ({
        name: group.name,
        terminals: sitesOf(group),
        policy: group.policy,
        maxBytes: group.maxBytes,
        onFull: group.onFull,
        ackWaitMs: group.ackWaitMs,
        maxDeliver: group.maxDeliver,
        maxAckPending: group.maxAckPending,
        failoverAfterMs: group.failoverAfterMs,
        onTerminalLoss: group.onTerminalLoss,
        reassignAfterMs: group.reassignAfterMs,
      })),
  };
}

function appSpecs({ apps, rights, siteOf, topicById, groupById }: Content, customerId: string): AppSpec[] {
  const groupName = (id: string): string => {
    const group = groupById.get(id);
    return `${topicById.get(group?.topicId ?? '')?.name ?? ''}@${group?.name ?? ''}`;
  };
  return apps
    .filter((app) => app.customerId === customerId)
    .map((app) => ({
      name: app.name,
      terminal: siteOf.get(app.terminalId) ?? '',
      publish: (rights.publish.get(app.id) ?? []).map((id) => topicById.get(id)?.name ?? '').sort(),
      consume: (rights.consume.get(app.id) ?? []).map(groupName).sort(),
      deadLetters: (rights.deadLetters.get(app.id) ?? []).map(groupName).sort(),
      ...(app.credentialLifeMs !== null && { credentialLifeMs: app.credentialLifeMs }),
    }));
}

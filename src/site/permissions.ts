/**
 * Who may say what: the one table of permissions of a site. Pure data and subject names, nothing else decides rights.
 * Whoever may read `$LDS.` can cut his account's leaf link, whoever reaches `_mb.` can forge an arrival: both are denied on
 * top of allow lists that do not contain them.
 */
import type { SnapshotApp, SnapshotCustomer } from '../api/snapshot.ts';
import type { Rights, UserClaims } from '../trust/index.ts';

/** Denied to every application, whatever else it may do. */
const deniedToApps = ['$LDS.>', '$SYS.>', '$GR.>', '_mb.>', 'mb.>'];

/** How each kind of user may connect: a stolen credential is worth nothing at another listener. */
export const connectionTypes: Record<'app' | 'sidecar' | 'leaf', UserClaims['connections']> = {
  app: ['STANDARD', 'WEBSOCKET'],
  sidecar: ['STANDARD'],
  leaf: ['LEAFNODE', 'LEAFNODE_WS'],
};

/**
 * Limits that hold a flood inside its customer, where its own say nothing else. nats-server counts subscriptions by connection:
 * an application's needs few, the sidecar's one for each consumer it reads.
 */
export const customerLimits = { maxConnections: 4_096, maxSubscriptions: 100_000, maxAppSubscriptions: 1_000 };

/** The stream a group's consumers read: `orders@billing`; a lan topic has none of its own. */
export function streamOfGroup(topic: { name: string; scope: 'bus' | 'lan' }, group: string): string {
  return topic.scope === 'lan' ? topic.name : `${topic.name}@${group}`;
}

/** The stream of a group's dead letters, read like the group itself. */
export function deadStreamName(topic: string, group: string): string {
  return `mb-dlq-${topic}@${group}`;
}

/** Subjects one site sends to another over a link; `<from>.<to>` are site ids, so no peer can speak for another. */
export function linkSubject(fromSite: string, toSite: string, ...rest: string[]): string {
  return ['mb.l', fromSite, toSite, ...rest].join('.');
}

/** Where answers to this site's requests over a link arrive. */
export function linkInbox(selfSite: string, peerSite: string): string {
  return linkSubject(peerSite, selfSite, 'r');
}

/** The sidecar in accounts that hold nothing but its own work: everything. */
export const fullRights: Rights = { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } };

/** The sidecar in a link account, for one peer. */
export function linkRights(selfSite: string, peerSite: string): Rights {
  return {
    publish: { allow: [linkSubject(selfSite, peerSite, '>')], deny: [] },
    subscribe: { allow: [linkSubject(peerSite, selfSite, '>')], deny: [] },
  };
}

/** A peer's leaf connection into this site: what it sends and what it is sent. No `_INBOX` on links. */
export function leafRights(selfSite: string, peerSite: string): Rights {
  return linkRights(peerSite, selfSite);
}

/** The sidecar towards the control plane: its own requests, its own answers, the notices. */
export function controlRights(siteId: string): Rights {
  return {
    publish: { allow: [`mb.ctl.${siteId}.>`], deny: [] },
    subscribe: { allow: [`${controlInbox(siteId)}.>`, 'mb.ctl.notice'], deny: [] },
  };
}

export function controlInbox(siteId: string): string {
  return `mb.ctl.${siteId}.r`;
}

/** `_INBOX`, or a private one per app where the customer isolates its apps. */
export function appInbox(customer: Pick<SnapshotCustomer, 'isolateApps'>, app: Pick<SnapshotApp, 'name'>): string {
  return customer.isolateApps ? `_INBOX_${app.name}` : '_INBOX';
}

/**
 * What an application may do: publish its topics, read and acknowledge its groups and their dead letters. Only topics for which `isReady` says
 * true count, so that nothing is published before every group's durable exists.
 */
export function appRights(customer: SnapshotCustomer, app: SnapshotApp, isReady: (topicId: string) => boolean): Rights {
  const topics = new Map(customer.topics.filter((topic) => isReady(topic.id)).map((topic) => [topic.name, topic]));
  const publish = app.publish.filter((name) => topics.has(name)).flatMap((name) => [name, `${name}.>`]);
  const consume = app.consume.flatMap(({ topic: name, group }) => {
    const topic = topics.get(name);
    if (!topic?.groups.some((candidate) => candidate.name === group)) return [];
    return readRights(`${streamOfGroup(topic, group)}.${group}`);
  });
  const deadLetters = app.deadLetters.flatMap(({ topic, group }) =>
    topics.has(topic) ? readRights(`${deadStreamName(topic, group)}.${group}`) : [],
  );
  return {
    // an empty allow list would mean everything
    publish: { allow: orNothing([...publish, ...consume, ...deadLetters]), deny: deniedToApps },
    subscribe: { allow: [`${appInbox(customer, app)}.>`], deny: deniedToApps },
  };
}

/** Reading and acknowledging at a durable, `<stream>.<durable>`. */
function readRights(at: string): string[] {
  return [`$JS.API.CONSUMER.INFO.${at}`, `$JS.API.CONSUMER.MSG.NEXT.${at}`, `$JS.ACK.${at}.>`];
}

function orNothing(subjects: string[]): string[] {
  return subjects.length > 0 ? subjects : ['_mb.nothing'];
}

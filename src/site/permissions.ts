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

/** Whether each application of the customer has an account of its own: app-accounts.ts. */
export function keepsApart(customer: Pick<SnapshotCustomer, 'isolateApps'>): boolean {
  return customer.isolateApps;
}

/** What JetStream's API is called in an application's own account. */
export const apartApi = '$BUS.API';

/** What an application reaches at its site. */
export interface AppReach {
  topics: string[];
  durables: AppDurable[];
}

export interface AppDurable {
  /** `<stream>.<durable>` */
  at: string;
  /** it reads what applications publish as it is stored: a message may be nothing at all, not even headers */
  isCapture: boolean;
}

/** Only topics for which `isReady` says true count, so that nothing is published before every group's durable exists. */
export function appReach(
  customer: SnapshotCustomer,
  app: SnapshotApp,
  isReady: (topicId: string) => boolean,
): AppReach {
  const topics = new Map(customer.topics.filter((topic) => isReady(topic.id)).map((topic) => [topic.name, topic]));
  const groups = app.consume.flatMap(({ topic: name, group }) => {
    const topic = topics.get(name);
    if (!topic?.groups.some((candidate) => candidate.name === group)) return [];
    return [{ at: `${streamOfGroup(topic, group)}.${group}`, isCapture: topic.scope === 'lan' }];
  });
  const deadLetters = app.deadLetters
    .filter(({ topic }) => topics.has(topic))
    .map(({ topic, group }) => ({ at: `${deadStreamName(topic, group)}.${group}`, isCapture: false }));
  return { topics: app.publish.filter((name) => topics.has(name)), durables: [...groups, ...deadLetters] };
}

/** What an application may do: publish its topics, read and acknowledge its groups and their dead letters. */
export function appRights(customer: SnapshotCustomer, app: SnapshotApp, reach: AppReach): Rights {
  const isApart = keepsApart(customer);
  const publish = reach.topics.flatMap((name) => [name, `${name}.>`]);
  // nats-server checks the subject that a request was mapped to
  const consume = reach.durables.flatMap(({ at }) => readRights(isApart ? apartApi : '$JS.API', at));
  // the second is what clients were told to set before applications had accounts
  const inboxes = isApart ? ['_INBOX.>', `_INBOX_${app.name}.>`] : ['_INBOX.>'];
  return {
    // an empty allow list would mean everything
    publish: { allow: orNothing([...publish, ...consume]), deny: deniedToApps },
    subscribe: { allow: inboxes, deny: deniedToApps },
  };
}

/** Reading and acknowledging at a durable, `<stream>.<durable>`. */
function readRights(api: string, at: string): string[] {
  return [`${api}.CONSUMER.INFO.${at}`, `${api}.CONSUMER.MSG.NEXT.${at}`, `$JS.ACK.${at}.>`];
}

function orNothing(subjects: string[]): string[] {
  return subjects.length > 0 ? subjects : ['_mb.nothing'];
}

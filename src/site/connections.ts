/**
 * The sidecar's own connections into the accounts of its site, with a user made in memory for this process and in each
 * account the rights of the table; nothing of it touches a disk. They reconnect for ever, since the server may be restarted.
 */
import type { Authenticator, NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { readSnapshot } from '../api/index.ts';
import { BusError, errorText } from '../errors.ts';
import { redialEvery } from '../nats/index.ts';
import { splitAddress } from '../server/index.ts';
import { createKey, encodeUserJwt, type KeyPair, type Rights } from '../trust/index.ts';
import { localTls } from './app-tls.ts';
import { openSiteDir, type SiteDir } from './dir.ts';
import { customerAccount, type LinkSide } from './links.ts';
import { connectionTypes, controlInbox, controlRights, fullRights, linkInbox, linkRights } from './permissions.ts';
import { serverPlaces } from './places.ts';

export type ConnectTarget = 'SYS' | 'BUS' | 'CTL' | { customer: string } | { link: string };

export interface ConnectOptions {
  /** shown in connection lists */
  name?: string;
  /** default: `_INBOX`, and the target's own where that is not allowed (CTL, links) */
  inboxPrefix?: string;
  /** give up the first connection after this; later ones are tried for ever. Default 20 s */
  timeoutMs?: number;
  /** default: a user of its own */
  user?: KeyPair;
  /** ends for good when it is refused after it was let in, where others go on trying */
  endsWhenRefused?: boolean;
  /** of three servers, the one that is tried first; default 1 */
  preferred?: number | undefined;
}

/** of several servers one that hangs is left after twice this */
const pingOfSeveralMs = 1_500;

interface Entry {
  account: string;
  rights: Rights;
  inboxPrefix?: string;
}

/** Opens one connection. E_SERVER_AWAY when the server does not let it in. */
export async function openConnection(
  dir: SiteDir,
  target: ConnectTarget,
  findLink: (linkId: string) => LinkSide,
  options: ConnectOptions = {},
): Promise<NatsConnection> {
  const entry = entryOf(dir, target, findLink);
  const inboxPrefix = options.inboxPrefix ?? entry.inboxPrefix;
  const user = options.user ?? createKey('user');
  const name = options.name ?? 'sidecar';
  const claims = { name, rights: entry.rights, connections: connectionTypes.sidecar };
  const jwt = await encodeUserJwt(claims, user.getPublicKey(), await dir.key(entry.account, 'account'));
  const servers = addressesOf(dir, options.preferred);
  const hasSeveral = servers.length > 1;
  const redial = redialEvery(100, 100);
  try {
    return await connect({
      servers,
      noRandomize: true,
      name,
      authenticator: proofOf(user, jwt),
      maxReconnectAttempts: -1,
      // the account may be on its way to the server
      ignoreAuthErrorAbort: options.endsWhenRefused !== true,
      ...redial,
      ...localTls(dir, redial),
      pingInterval: hasSeveral ? pingOfSeveralMs : 10_000,
      maxPingOut: 2,
      timeout: options.timeoutMs ?? (hasSeveral ? 5_000 : 20_000),
      ignoreClusterUpdates: true,
      // a stack kept for each request costs more than the request
      noAsyncTraces: true,
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    });
  } catch (cause) {
    throw new BusError('E_SERVER_AWAY', `connection to account ${entry.account}: ${errorText(cause)}`, { cause });
  }
}

function addressesOf(dir: SiteDir, preferred = 1): string[] {
  const places = serverPlaces(dir);
  const first = places.filter(({ number }) => number === preferred);
  return [...first, ...places.filter(({ number }) => number !== preferred)].map(({ listen }) => {
    const { host, port } = splitAddress(listen);
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  });
}

/** As the library's own for a token and a seed, which derives the key anew for each attempt. */
function proofOf(user: KeyPair, jwt: string): Authenticator {
  return (nonce = '') => {
    const sig = Buffer.from(user.sign(Buffer.from(nonce))).toString('base64url');
    return { jwt, nkey: user.getPublicKey(), sig };
  };
}

function entryOf(dir: SiteDir, target: ConnectTarget, findLink: (linkId: string) => LinkSide): Entry {
  if (target === 'SYS' || target === 'BUS') return { account: target, rights: fullRights };
  const { siteId } = dir.file;
  if (target === 'CTL') return { account: 'CTL', rights: controlRights(siteId), inboxPrefix: controlInbox(siteId) };
  if ('customer' in target) return { account: customerAccount(target.customer), rights: fullRights };
  const { account, selfSite, peerSite } = findLink(target.link);
  return { account, rights: linkRights(selfSite, peerSite), inboxPrefix: linkInbox(selfSite, peerSite) };
}

/** A connection into a customer's account of a site, for tools that run there. E_UNKNOWN_NOUN E_SERVER_AWAY E_SITE_DIR */
export async function openCustomer(path: string, customer: string): Promise<NatsConnection> {
  const dir = await openSiteDir(path);
  const stored = await dir.readSnapshot();
  const snapshot = stored === undefined ? undefined : readSnapshot(stored, dir.file.control.signKey);
  const id = snapshot?.customers.find(({ name }) => name === customer)?.id;
  if (id === undefined) throw new BusError('E_UNKNOWN_NOUN', `site ${dir.file.site} knows no customer ${customer}`);
  const noLink = (): never => {
    throw new BusError('E_INTERNAL', 'a tool asked for a link');
  };
  return openConnection(dir, { customer: id }, noLink, { name: 'mbus', timeoutMs: 5_000 });
}

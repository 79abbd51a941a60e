/**
 * Tokens for peers that dial this site: one per link and dialling user, kept so that every report says the same text
 * until the user changes. The peer holds the private half; a token alone opens nothing.
 *
 * A token ends. It is issued anew in the last third of its life, so the peer has the new one long before the old one ends; only
 * then nats-server closes the connection, and it comes back with the new one. Lives differ, so links do not end together.
 *
 * A user whose link is gone is revoked in the account for as long as it is gone: its leaf connection is closed, and its token
 * opens none again.
 */
import { encodeUserJwt, isPublicKey, readJwt } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import type { LinkSide } from './links.ts';
import { connectionTypes, leafRights } from './permissions.ts';

export interface LinkCredential {
  linkId: string;
  userJwt: string;
}

export interface LinkUsers {
  credentials: LinkCredential[];
  /** by account as in keys/: users (U…) that are let in no more, with the second up to which their tokens count for nothing */
  revocations: ReadonlyMap<string, Record<string, number>>;
  /** when the next token is to be issued anew, milliseconds since 1970 */
  dueMs: number;
}

/** as kept on disk */
interface Kept {
  /** token by link id */
  issued: Record<string, { account: string; user: string; userJwt: string }>;
  revoked: Record<string, Record<string, number>>;
}

const fileName = 'nats/link-tokens.json';
/** so long may two sites be without the control plane, which carries the new token */
const linkLifeMs = 30 * 24 * 3600 * 1000;

export async function issueLinkUsers(
  dir: SiteDir,
  sides: LinkSide[],
  nowMs: number,
  lifeMs = linkLifeMs,
): Promise<LinkUsers> {
  const kept = (await dir.readJson<Kept>(fileName)) ?? { issued: {}, revoked: {} };
  const issued: Kept['issued'] = {};
  let dueMs = Number.POSITIVE_INFINITY;
  for (const side of sides) {
    const { isDialer, dialerUser: user, linkId, account } = side;
    if (isDialer || user === null || !isPublicKey('user', user)) continue;
    const signer = await dir.key(account, 'account');
    const present = kept.issued[linkId];
    const claims = present === undefined ? undefined : readJwt(present.userJwt);
    const isOurs = claims?.subject === user && claims.issuer === signer.getPublicKey();
    const isCurrent = isOurs && nowMs < dueOf(claims.expires, lifeMs);
    const userJwt =
      present !== undefined && isCurrent ? present.userJwt : await issue(side, signer, endOf(nowMs, lifeMs));
    issued[linkId] = { account, user, userJwt };
    dueMs = Math.min(dueMs, dueOf(readJwt(userJwt)?.expires, lifeMs));
  }
  const next: Kept = { issued, revoked: revocationsOf(kept, issued, Math.ceil(nowMs / 1000)) };
  if (JSON.stringify(next) !== JSON.stringify(kept)) await dir.writeJson(fileName, next);
  const credentials = Object.entries(issued).map(([linkId, { userJwt }]) => ({ linkId, userJwt }));
  return { credentials, revocations: new Map(Object.entries(next.revoked)), dueMs };
}

/** Who was let in and is not any more; who is again is off the list. */
function revocationsOf(kept: Kept, issued: Kept['issued'], second: number): Kept['revoked'] {
  const current = new Set(Object.values(issued).map(({ account, user }) => `${account} ${user}`));
  const gone = [
    ...Object.entries(kept.revoked).flatMap(([account, users]) =>
      Object.entries(users).map(([user, at]) => ({ account, user, at })),
    ),
    ...Object.values(kept.issued).map(({ account, user }) => ({ account, user, at: second })),
  ].filter(({ account, user }) => !current.has(`${account} ${user}`));
  const revoked: Kept['revoked'] = {};
  for (const { account, user, at } of gone) revoked[account] = { [user]: at, ...revoked[account] };
  return revoked;
}

/** When a token is issued anew: in the last third of its life. One of before tokens had an end, at once. */
function dueOf(expires: number | undefined, lifeMs: number): number {
  return expires === undefined ? 0 : expires * 1000 - lifeMs / 3;
}

/** Two thirds of the life to all of it, so that links made together do not end together. */
function endOf(nowMs: number, lifeMs: number): number {
  return nowMs + lifeMs * (1 - Math.random() / 3);
}

function issue(side: LinkSide, account: Parameters<typeof encodeUserJwt>[2], endMs: number): Promise<string> {
  const rights = leafRights(side.selfSite, side.peerSite);
  return encodeUserJwt(
    { name: `leaf ${side.peerName}`, rights, connections: connectionTypes.leaf, expires: Math.ceil(endMs / 1000) },
    side.dialerUser ?? '',
    account,
  );
}

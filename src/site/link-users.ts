/**
 * Tokens for peers that dial this site: one per link and dialling user, kept so that every report says the same text
 * until the user changes. The peer holds the private half; a token alone opens nothing.
 */
import { encodeUserJwt, isPublicKey, readJwt } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import type { LinkSide } from './links.ts';
import { leafRights } from './permissions.ts';

export interface LinkCredential {
  linkId: string;
  userJwt: string;
}

const fileName = 'nats/link-users.json';

export async function issueLinkUsers(dir: SiteDir, sides: LinkSide[]): Promise<LinkCredential[]> {
  const kept = (await dir.readJson<Record<string, string>>(fileName)) ?? {};
  const next: Record<string, string> = {};
  for (const side of sides) {
    if (side.isDialer || side.dialerUser === null || !isPublicKey('user', side.dialerUser)) continue;
    const account = await dir.key(side.account, 'account');
    const present = kept[side.linkId];
    const claims = present === undefined ? undefined : readJwt(present);
    const isCurrent = claims?.subject === side.dialerUser && claims.issuer === account.getPublicKey();
    next[side.linkId] = present !== undefined && isCurrent ? present : await issue(side, account);
  }
  if (JSON.stringify(next) !== JSON.stringify(kept)) await dir.writeJson(fileName, next);
  return Object.entries(next).map(([linkId, userJwt]) => ({ linkId, userJwt }));
}

function issue(side: LinkSide, account: Parameters<typeof encodeUserJwt>[2]): Promise<string> {
  const rights = leafRights(side.selfSite, side.peerSite);
  return encodeUserJwt(
    { name: `leaf ${side.peerName}`, rights, connections: ['LEAFNODE', 'LEAFNODE_WS'] },
    side.dialerUser ?? '',
    account,
  );
}

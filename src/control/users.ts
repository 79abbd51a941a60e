/** NATS users of the control plane's own server: the replicas' service, admins, sites, and sites that join. */
import { callerRights } from '../api/index.ts';
import { createKey, encodeUserJwt, type Rights, seedText } from '../trust/index.ts';
import type { AccountIdentity } from './identity.ts';

export interface UserCredential {
  userJwt: string;
  userSeed: string;
}

/** A user without limits, made in memory for a connection of this process. */
export async function ownUser(account: AccountIdentity, name: string): Promise<UserCredential> {
  const user = createKey('user');
  const userJwt = await encodeUserJwt({ name, connections: ['STANDARD'] }, user.getPublicKey(), account.key);
  return { userJwt, userSeed: seedText(user) };
}

/** The token of a site's control link, for the key it made itself. */
export function siteUserJwt(
  ctl: AccountIdentity,
  site: { id: string; name: string },
  controlUser: string,
): Promise<string> {
  const rights = siteRights(site.id);
  return encodeUserJwt(
    { name: `site ${site.name}`, rights, connections: ['LEAFNODE', 'LEAFNODE_WS'] },
    controlUser,
    ctl.key,
  );
}

export function adminUserJwt(ctl: AccountIdentity, adminId: string, user: string): Promise<string> {
  const rights = adminRights(adminId);
  return encodeUserJwt({ name: `admin ${adminId}`, rights, connections: ['STANDARD'] }, user, ctl.key);
}

/** `nats micro ls` works with an admin's credential too. */
export function adminRights(adminId: string): Rights {
  const { publish, subscribe } = callerRights(adminId);
  return rightsOf({ publish: [...publish, '$SRV.>'], subscribe: [...subscribe, '_INBOX.>'] });
}

/** Good for enrol.site under the token's own branch, until the token ends. */
export async function joinUser(ctl: AccountIdentity, tokenId: string, lifeMs: number): Promise<UserCredential> {
  const user = createKey('user');
  const rights = joinRights(tokenId);
  const expires = Math.ceil((Date.now() + lifeMs) / 1000);
  const userJwt = await encodeUserJwt(
    { name: `join ${tokenId}`, rights, connections: ['STANDARD', 'WEBSOCKET'], expires },
    user.getPublicKey(),
    ctl.key,
  );
  return { userJwt, userSeed: seedText(user) };
}

export function joinRights(tokenId: string): Rights {
  return rightsOf(callerRights(tokenId, 'enrol.site'));
}

/** Of a site's control link where it comes in. */
export function siteRights(siteId: string): Rights {
  return rightsOf(callerRights(siteId));
}

function rightsOf({ publish, subscribe }: { publish: string[]; subscribe: string[] }): Rights {
  return { publish: { allow: publish, deny: [] }, subscribe: { allow: subscribe, deny: [] } };
}

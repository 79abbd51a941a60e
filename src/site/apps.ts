/**
 * Credentials of applications. Each app has a signing key of its own in its account, its customer's or its own, and the rights stand in
 * the account at that key: they change without a new `.creds` file. One without end is written once; one that ends is made anew
 * in time, and the site says which connections still hold one that ends soon. Losing a key makes a new file.
 */
import type { Snapshot, SnapshotApp, SnapshotCustomer } from '../api/snapshot.ts';
import {
  createKey,
  encodeScopedUserJwt,
  formatCreds,
  type KeyPair,
  keyFromSeed,
  readFileIfThere,
  readJwt,
  type Scope,
  writeFileAtomic,
} from '../trust/index.ts';
import { appAccount } from './app-accounts.ts';
import type { SiteDir } from './dir.ts';
import { customerAccount } from './links.ts';
import { type AppReach, appReach, appRights, connectionTypes, customerLimits, keepsApart } from './permissions.ts';

/** What one application may do here, and the key that its credentials are signed with. */
interface Grant {
  app: SnapshotApp;
  scope: Scope;
  reach: AppReach;
}

export interface CustomerGrants {
  /** public key of the customer's account */
  account: string;
  grants: Grant[];
}

/** Of all apps of a snapshot, by customer id. */
export async function appGrants(
  dir: SiteDir,
  snapshot: Snapshot,
  isReady: (topicId: string) => boolean,
): Promise<Map<string, CustomerGrants>> {
  const all = snapshot.customers.map(async (customer) => {
    const account = (await dir.key(customerAccount(customer.id), 'account')).getPublicKey();
    const grants = await Promise.all(customer.apps.map((app) => grantOf(dir, customer, app, isReady)));
    return [customer.id, { account, grants }] as const;
  });
  return new Map(await Promise.all(all));
}

async function grantOf(
  dir: SiteDir,
  customer: SnapshotCustomer,
  app: SnapshotApp,
  isReady: (topicId: string) => boolean,
): Promise<Grant> {
  const reach = appReach(customer, app, isReady);
  const { maxPayload } = customer.limits;
  const scope = {
    key: (await appKey(dir, app)).getPublicKey(),
    role: app.name,
    rights: appRights(customer, app, reach),
    connections: connectionTypes.app,
    maxSubscriptions: customerLimits.maxAppSubscriptions,
    ...(maxPayload !== null && { maxPayload }),
  };
  return { app, scope, reach };
}

export interface AppCredential {
  appId: string;
  credsPath: string;
  /** ms since 1970; null: never */
  endsMs: number | null;
}

/** What a `.creds` file must say. */
interface Wanted {
  name: string;
  account: string;
  signer: KeyPair;
  lifeMs: number | null;
}

/**
 * Writes the `.creds` files that are missing, belong to an app that is gone, or end soon: the same user gets a token with a
 * later end, and the one before stays good until its own. `dueMs`: when the next one is to be made.
 */
export async function writeAppCreds(
  dir: SiteDir,
  snapshot: Snapshot,
  nowMs = Date.now(),
): Promise<{ credentials: AppCredential[]; dueMs: number }> {
  const credentials: AppCredential[] = [];
  let dueMs = Number.POSITIVE_INFINITY;
  for (const customer of snapshot.customers) {
    for (const app of customer.apps) {
      const accountName = keepsApart(customer) ? appAccount(app) : customerAccount(customer.id);
      const account = (await dir.key(accountName, 'account')).getPublicKey();
      const credsPath = dir.credsPath(customer.name, app.name);
      const wanted = { name: `${customer.name}/${app.name}`, account, signer: await appKey(dir, app) };
      const endsMs = await keepCreds(credsPath, { ...wanted, lifeMs: app.credentialLifeMs }, nowMs);
      if (endsMs !== null && app.credentialLifeMs !== null)
        dueMs = Math.min(dueMs, dueOf(endsMs, app.credentialLifeMs));
      credentials.push({ appId: app.id, credsPath, endsMs });
    }
  }
  return { credentials, dueMs };
}

/** When the credential in the file ends now, ms since 1970; null: never. */
async function keepCreds(path: string, wanted: Wanted, nowMs: number): Promise<number | null> {
  const present = (await readFileIfThere(path))?.toString('utf8') ?? '';
  const { account, signer, lifeMs, name } = wanted;
  const token = tokenIn(present);
  const isOurs = token?.issuer === signer.getPublicKey() && token.account === account;
  if (isOurs && isFresh(token.expires, lifeMs, nowMs)) return token.expires === undefined ? null : token.expires * 1000;
  const user = (isOurs ? userIn(present) : undefined) ?? createKey('user');
  // two thirds of the life to all of it, so that what was made together does not end together
  const expires = lifeMs === null ? undefined : Math.floor((nowMs + lifeMs * (1 - Math.random() / 3)) / 1000);
  const claims = { name, ...(expires !== undefined && { expires }) };
  const jwt = await encodeScopedUserJwt(claims, user.getPublicKey(), account, signer);
  await writeFileAtomic(path, formatCreds(jwt, user));
  return expires === undefined ? null : expires * 1000;
}

/** @param expires seconds since 1970 */
function isFresh(expires: number | undefined, lifeMs: number | null, nowMs: number): boolean {
  if (expires === undefined || lifeMs === null) return expires === undefined && lifeMs === null;
  return nowMs < dueOf(expires * 1000, lifeMs) && expires * 1000 <= nowMs + lifeMs;
}

/** A new one is made when a third of the life is left. */
function dueOf(endsMs: number, lifeMs: number): number {
  return endsMs - lifeMs / 3;
}

function appKey(dir: SiteDir, app: SnapshotApp): Promise<KeyPair> {
  // the first credential of an app has no number
  return dir.key(app.credential === 0 ? `app-${app.id}` : `app-${app.id}-${app.credential}`, 'account');
}

function tokenIn(creds: string): ReturnType<typeof readJwt> {
  const jwt = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(creds)?.[1];
  return jwt === undefined ? undefined : readJwt(jwt);
}

function userIn(creds: string): KeyPair | undefined {
  const seed = /BEGIN USER NKEY SEED-+\s+(\S+)/.exec(creds)?.[1];
  return seed === undefined ? undefined : keyFromSeed('user', seed);
}

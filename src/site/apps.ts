/**
 * Credentials of applications. Each app has a signing key of its own in its customer's account, and the rights stand in
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
  type Rights,
  readFileIfThere,
  readJwt,
  type Scope,
  writeFileAtomic,
} from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import { customerAccount } from './links.ts';
import { appInbox, connectionTypes, customerLimits } from './permissions.ts';

export type AppRights = (customer: SnapshotCustomer, app: SnapshotApp) => Rights;

/** Signing keys of all apps of a snapshot with today's rights, by customer id. */
export async function appScopes(dir: SiteDir, snapshot: Snapshot, rightsOf: AppRights): Promise<Map<string, Scope[]>> {
  const scopes = new Map<string, Scope[]>();
  for (const customer of snapshot.customers) {
    const ofCustomer = customer.apps.map(async (app): Promise<Scope> => {
      const key = (await appKey(dir, app)).getPublicKey();
      const { maxPayload } = customer.limits;
      const rights = rightsOf(customer, app);
      return {
        key,
        role: app.name,
        rights,
        connections: connectionTypes.app,
        maxSubscriptions: customerLimits.maxAppSubscriptions,
        ...(maxPayload !== null && { maxPayload }),
      };
    });
    scopes.set(customer.id, await Promise.all(ofCustomer));
  }
  return scopes;
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
  note: string;
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
    const account = (await dir.key(customerAccount(customer.id), 'account')).getPublicKey();
    for (const app of customer.apps) {
      const credsPath = dir.credsPath(customer.name, app.name);
      const note = customer.isolateApps ? `# set the client's inbox prefix to ${appInbox(customer, app)}\n` : '';
      const wanted = { name: `${customer.name}/${app.name}`, account, signer: await appKey(dir, app), note };
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
  const { account, signer, lifeMs, note, name } = wanted;
  const token = tokenIn(present);
  const isOurs = token?.issuer === signer.getPublicKey();
  if (isOurs && isFresh(token.expires, lifeMs, nowMs)) {
    const text = note + present.slice(present.indexOf('-----BEGIN'));
    if (text !== present) await writeFileAtomic(path, text);
    return token.expires === undefined ? null : token.expires * 1000;
  }
  const user = (isOurs ? userIn(present) : undefined) ?? createKey('user');
  // two thirds of the life to all of it, so that what was made together does not end together
  const expires = lifeMs === null ? undefined : Math.floor((nowMs + lifeMs * (1 - Math.random() / 3)) / 1000);
  const claims = { name, ...(expires !== undefined && { expires }) };
  const jwt = await encodeScopedUserJwt(claims, user.getPublicKey(), account, signer);
  await writeFileAtomic(path, note + formatCreds(jwt, user));
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

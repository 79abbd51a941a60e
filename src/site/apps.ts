/**
 * Credentials of applications. Each app has a signing key of its own in its customer's account, and the rights stand in
 * the account at that key: they change without a new `.creds` file, which is written once. Losing a key makes a new file.
 */
import type { Snapshot, SnapshotApp, SnapshotCustomer } from '../api/snapshot.ts';
import {
  createKey,
  encodeScopedUserJwt,
  formatCreds,
  type KeyPair,
  type Rights,
  readFileIfThere,
  readJwt,
  type Scope,
  writeFileAtomic,
} from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import { customerAccount } from './links.ts';
import { appInbox, connectionTypes } from './permissions.ts';

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
        ...(maxPayload !== null && { maxPayload }),
      };
    });
    scopes.set(customer.id, await Promise.all(ofCustomer));
  }
  return scopes;
}

/** Writes the `.creds` files that are missing or belong to an app that is gone. Returns app id and path of all. */
export async function writeAppCreds(dir: SiteDir, snapshot: Snapshot): Promise<{ appId: string; credsPath: string }[]> {
  const written: { appId: string; credsPath: string }[] = [];
  for (const customer of snapshot.customers) {
    const account = (await dir.key(customerAccount(customer.id), 'account')).getPublicKey();
    for (const app of customer.apps) {
      const credsPath = dir.credsPath(customer.name, app.name);
      await keepCreds(dir, credsPath, customer, app, account);
      written.push({ appId: app.id, credsPath });
    }
  }
  return written;
}

async function keepCreds(
  dir: SiteDir,
  path: string,
  customer: SnapshotCustomer,
  app: SnapshotApp,
  account: string,
): Promise<void> {
  const signer = await appKey(dir, app);
  const present = (await readFileIfThere(path))?.toString('utf8') ?? '';
  const note = customer.isolateApps ? `# set the client's inbox prefix to ${appInbox(customer, app)}\n` : '';
  if (credsIssuer(present) === signer.getPublicKey()) {
    const text = note + present.slice(present.indexOf('-----BEGIN'));
    if (text !== present) await writeFileAtomic(path, text);
    return;
  }
  const user = createKey('user');
  const jwt = await encodeScopedUserJwt(`${customer.name}/${app.name}`, user.getPublicKey(), account, signer);
  await writeFileAtomic(path, note + formatCreds(jwt, user));
}

function appKey(dir: SiteDir, app: SnapshotApp): Promise<KeyPair> {
  // the first credential of an app has no number
  return dir.key(app.credential === 0 ? `app-${app.id}` : `app-${app.id}-${app.credential}`, 'account');
}

function credsIssuer(text: string): string | undefined {
  const jwt = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(text)?.[1];
  return jwt === undefined ? undefined : readJwt(jwt)?.issuer;
}

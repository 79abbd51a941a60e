/**
 * The accounts a site must have for a snapshot, each with its claims. Pure: names and public keys in, claims out; what is
 * pushed to the server is decided by comparing them with what was pushed last.
 */
import type { Snapshot, SnapshotCustomer } from '../api/snapshot.ts';
import type { AccountClaims } from '../trust/index.ts';
import { appAccount, exportsFor, importsFor, mappingsFor } from './app-accounts.ts';
import type { CustomerGrants } from './apps.ts';
import type { LinkUsers } from './link-users.ts';
import { customerAccount, linkSides } from './links.ts';
import { customerLimits, keepsApart } from './permissions.ts';

export interface DesiredAccount {
  /** as in keys/<key>.nk */
  key: string;
  claims: AccountClaims;
}

const own = { maxConnections: -1, maxLeafs: 0, maxSubscriptions: -1, scopes: [] };

/** Known from the server's first moment; their claims never change. */
export const fixedAccounts: DesiredAccount[] = [
  { key: 'SYS', claims: { name: 'SYS', hasJetStream: false, ...own } },
  { key: 'CTL', claims: { name: 'CTL', hasJetStream: false, ...own, maxLeafs: -1 } },
  { key: 'BUS', claims: { name: 'BUS', hasJetStream: true, ...own } },
];

/** @param grants of the customers' applications, by customer id */
export function desiredAccounts(
  snapshot: Snapshot,
  grants: ReadonlyMap<string, CustomerGrants>,
  revocations: LinkUsers['revocations'] = new Map(),
): DesiredAccount[] {
  const customers = snapshot.customers.flatMap((customer) => accountsOf(customer, grants.get(customer.id)));
  const names = new Map(snapshot.customers.map((customer) => [customer.id, customer.name]));
  const links = new Map<string, DesiredAccount>();
  for (const side of linkSides(snapshot)) {
    const customer = names.get(side.customerId);
    const name = side.isDialer ? `R-${customer}-${side.peerName}` : `L-${customer}`;
    const revoked = revocations.get(side.account);
    const claims = { name, hasJetStream: false, ...own, maxLeafs: -1, ...(revoked && { revocations: revoked }) };
    links.set(side.account, { key: side.account, claims });
  }
  return [...customers, ...links.values()];
}

/** The customer's own, and one for each application where they are kept apart. */
function accountsOf(customer: SnapshotCustomer, given: CustomerGrants | undefined): DesiredAccount[] {
  const { account = '', grants = [] } = given ?? {};
  const { limits } = customer;
  const base = {
    maxLeafs: 0,
    maxSubscriptions: customerLimits.maxSubscriptions,
    maxConnections: limits.maxConnections ?? customerLimits.maxConnections,
  };
  const stores = {
    hasJetStream: true,
    maxStorage: limits.maxStorage ?? -1,
    maxConsumers: limits.maxConsumers ?? -1,
  };
  const own = { name: `C-${customer.name}`, ...base, ...stores };
  const key = customerAccount(customer.id);
  if (!keepsApart(customer)) return [{ key, claims: { ...own, scopes: grants.map(({ scope }) => scope) } }];
  const apps = grants.map(({ app, scope, reach }) => ({
    key: appAccount(app),
    claims: {
      name: `A-${customer.name}-${app.name}`,
      hasJetStream: false,
      ...base,
      scopes: [scope],
      imports: importsFor(reach, account),
      mappings: mappingsFor(reach),
    },
  }));
  return [{ key, claims: { ...own, scopes: [], exports: exportsFor(grants.map(({ reach }) => reach)) } }, ...apps];
}

/**
 * The accounts a site must have for a snapshot, each with its claims. Pure: names and public keys in, claims out; what is
 * pushed to the server is decided by comparing them with what was pushed last.
 */
import type { Snapshot } from '../api/snapshot.ts';
import type { AccountClaims, Scope } from '../trust/index.ts';
import type { LinkUsers } from './link-users.ts';
import { customerAccount, linkSides } from './links.ts';
import { customerLimits } from './permissions.ts';

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

/** `scopesOf` gives the signing keys of a customer's apps with today's rights. */
export function desiredAccounts(
  snapshot: Snapshot,
  scopesOf: (customerId: string) => Scope[],
  revocations: LinkUsers['revocations'] = new Map(),
): DesiredAccount[] {
  const customers = snapshot.customers.map((customer) => ({
    key: customerAccount(customer.id),
    claims: {
      name: `C-${customer.name}`,
      hasJetStream: true,
      maxLeafs: 0,
      maxSubscriptions: customerLimits.maxSubscriptions,
      maxConnections: customer.limits.maxConnections ?? customerLimits.maxConnections,
      maxStorage: customer.limits.maxStorage ?? -1,
      maxConsumers: customer.limits.maxConsumers ?? -1,
      scopes: scopesOf(customer.id),
    },
  }));
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

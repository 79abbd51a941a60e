/**
 * A link as one of its two sites sees it. Each link has accounts of its own so that every account is a star and loop
 * detection never triggers: the accepting side shares `L-<customer>` among its peers, the dialling side has
 * `R-<customer>-<peer site>` for exactly one remote. Pure.
 */
import type { Snapshot, SnapshotCustomer, SnapshotLink } from '../api/snapshot.ts';

export interface LinkSide {
  linkId: string;
  customerId: string;
  /** name of the account in this site, as in keys/ */
  account: string;
  /** site ids */
  selfSite: string;
  peerSite: string;
  peerName: string;
  selfTerminal: string;
  peerTerminal: string;
  /** this end dials */
  isDialer: boolean;
  /** the user (U…) the dialling end shows; null until it is registered */
  dialerUser: string | null;
  link: SnapshotLink;
}

export function customerAccount(customerId: string): string {
  return `C-${customerId}`;
}

/** Every link of this site's terminals. Links whose other end the snapshot does not name are left out. */
export function linkSides(snapshot: Snapshot): LinkSide[] {
  return snapshot.customers.flatMap((customer) => customer.links.flatMap((link) => linkSide(snapshot, customer, link)));
}

function linkSide(snapshot: Snapshot, customer: SnapshotCustomer, link: SnapshotLink): LinkSide[] {
  const self = customer.terminalId;
  if (link.a !== self && link.b !== self) return [];
  const peer = customer.terminals.find((terminal) => terminal.id === (link.a === self ? link.b : link.a));
  if (!peer) return [];
  const isDialer = link.dialer === self;
  const dialer = customer.terminals.find((terminal) => terminal.id === link.dialer);
  return [
    {
      linkId: link.id,
      customerId: customer.id,
      account: isDialer ? `R-${customer.id}-${peer.siteId}` : `L-${customer.id}`,
      selfSite: snapshot.site.id,
      peerSite: peer.siteId,
      peerName: peer.site,
      selfTerminal: self,
      peerTerminal: peer.id,
      isDialer,
      dialerUser: dialer?.linkUser ?? null,
      link,
    },
  ];
}

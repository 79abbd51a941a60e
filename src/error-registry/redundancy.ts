/** Error codes of sites with several sidecars or servers. Part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const redundancyErrors = {
  E_LEASE_LOST: {
    disposition: 'fatal',
    summary: 'Another sidecar of the site has taken over, because this one did not renew its lease in time.',
    remedy: 'Start it again (a supervisor does): it stands by. If it lasts, give its machine more room.',
  },
  E_NO_STANDBY: {
    disposition: 'park',
    summary: 'A site with several sidecars has one that works and none that stands by.',
    remedy: 'Start the other one: mbus sidecar run --seat N.',
  },
  E_SERVERS_FIXED: {
    disposition: 'reject',
    summary: 'The number of nats-servers of a site that has joined would change.',
    remedy: 'Declare a new site with the number you want, move groups and applications there, then remove the old one.',
  },
  E_SERVER_DOWN: {
    disposition: 'retry',
    summary: 'A site that keeps everything on three nats-servers has fewer at work. With one, it stores nothing.',
    remedy: 'Start it again: mbus site server --dir DIR --server N. It fetches what it missed from the others.',
  },
} as const satisfies Record<string, ErrorEntry>;

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
} as const satisfies Record<string, ErrorEntry>;

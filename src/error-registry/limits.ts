/** Error codes of limits and dead letters. Part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const limitsErrors = {
  E_NO_CONSUMERS_HERE: {
    disposition: 'reject',
    summary: 'Dead letters cannot be given to consumers again at a site that does not serve their group.',
    remedy: 'Serve the group at this site and retry, or read and purge them here.',
  },
  E_CUSTOMER_FULL: {
    disposition: 'retry',
    summary:
      'The streams of a customer would take more at a site than its maxStorage, or have more consumers than its maxConsumers.',
    remedy: 'Declare more for the customer, or smaller maxBytes for its topics and groups, or fewer groups.',
  },
  E_DISK_FULL: {
    disposition: 'retry',
    summary: "The disk of a site's nats-server is full, or a write to it failed, and it stores nothing.",
    remedy: 'Make room; the sidecar restarts nats-server as soon as there is some, and nothing acknowledged is lost.',
  },
} as const satisfies Record<string, ErrorEntry>;

/**
 * The control API's part about who is let in no more, for admins. Spread into methods.ts. Every answer carries the bus's new
 * version; a site has followed once it reports that version as applied.
 */
import { z } from 'zod';

const name = z.string().max(64);
const changed = z.strictObject({
  version: z.number().int(),
  /** what waited at the revoked terminals by their last report, messages: it stays where it is */
  waiting: z.number().int(),
});

export const revokeMethods = {
  /** `isCompromised`: its securekey is known to others, so what it sealed until now is not opened any more either */
  'terminal.revoke': {
    caller: 'admin',
    request: z.strictObject({ customer: name, site: name, isCompromised: z.boolean() }),
    response: changed,
  },
  /** every terminal of the site, and the site's own access to the control plane a few seconds later */
  'site.revoke': {
    caller: 'admin',
    request: z.strictObject({ site: name, isCompromised: z.boolean() }),
    response: changed,
  },
  /** asks the site to replace the securekey of a terminal, within 15 minutes */
  'terminal.rekey': {
    caller: 'admin',
    request: z.strictObject({ customer: name, site: name }),
    response: z.strictObject({
      version: z.number().int(),
      /** the key that is to be replaced; null when the terminal was never registered */
      signKey: z.string().nullable(),
    }),
  },
  /** its credentials are worth nothing from now on; `isRenewed` makes a new one at once */
  'app.revoke': {
    caller: 'admin',
    request: z.strictObject({ customer: name, app: name, isRenewed: z.boolean() }),
    response: z.strictObject({ version: z.number().int() }),
  },
  'customer.suspend': {
    caller: 'admin',
    request: z.strictObject({ customer: name, isSuspended: z.boolean() }),
    response: changed,
  },
} as const;

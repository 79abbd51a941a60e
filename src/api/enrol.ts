/** A site's side of joining: the token in hand and keys made on the site, one sealed request, done. */

import { createControlClient } from './client.ts';
import { connectControl } from './connect.ts';
import type { CallerKey } from './control-keys.ts';
import type { ResponseOf } from './methods.ts';
import { type JoinToken, parseToken } from './token.ts';

export interface JoinKeys {
  /** the site's new request key; prepareSiteDir of src/site makes one */
  key: CallerKey;
  /** NATS user public key (U…) of its control link */
  controlUser: string;
  csrPem: string;
}

/** E_TOKEN_BAD, E_TOKEN_UNKNOWN, E_TOKEN_USED, E_TOKEN_EXPIRED; E_CONTROL_AWAY may be tried again with the same token. */
export async function joinSite(token: string | JoinToken, keys: JoinKeys): Promise<ResponseOf<'enrol.site'>> {
  const parsed = typeof token === 'string' ? parseToken(token) : token;
  const nc = await connectControl({ ...parsed, name: `join ${parsed.site}` });
  const client = createControlClient({
    nc,
    busId: parsed.busId,
    callerId: parsed.id,
    caller: keys.key,
    control: parsed,
    ownsConnection: true,
  });
  try {
    return await client.call('enrol.site', {
      token: parsed.secret,
      siteKey: keys.key.publicKey,
      controlUser: keys.controlUser,
      csrPem: keys.csrPem,
    });
  } finally {
    await client.close();
  }
}

/** A site's side of joining: the token in hand and keys made on the site, one sealed request, done. */

import { createControlClient } from './client.ts';
import { connectControl } from './connect.ts';
import type { CallerKey } from './control-keys.ts';
import type { ResponseOf } from './methods.ts';
import { type JoinToken, parseToken } from './token.ts';
import { openTunnels } from './tunnel.ts';

/** a busy control plane makes the site's accounts meanwhile */
const enrolTimeoutMs = 30_000;

export interface JoinKeys {
  /** the site's new request key; prepareSiteDir of src/site makes one */
  key: CallerKey;
  /** NATS user public key (U…) of its control link */
  controlUser: string;
  csrPem: string;
}

/** `proxy`: http://host:port to go through. E_TOKEN_BAD, E_TOKEN_UNKNOWN, E_TOKEN_USED, E_TOKEN_EXPIRED; E_CONTROL_AWAY may be tried again with the same token. */
export async function joinSite(
  token: string | JoinToken,
  keys: JoinKeys,
  options: { proxy?: string | undefined } = {},
): Promise<ResponseOf<'enrol.site'>> {
  const parsed = typeof token === 'string' ? parseToken(token) : token;
  const { proxy } = options;
  if (proxy === undefined) return enrol(parsed, parsed.urls, keys);
  const tunnels = await openTunnels(proxy, parsed.urls);
  try {
    return await enrol(parsed, tunnels.urls, keys);
  } finally {
    tunnels.close();
  }
}

async function enrol(token: JoinToken, dial: string[], keys: JoinKeys): Promise<ResponseOf<'enrol.site'>> {
  const nc = await connectControl({ ...token, name: `join ${token.site}` }, { dial });
  const client = createControlClient({
    nc,
    busId: token.busId,
    callerId: token.id,
    caller: keys.key,
    control: token,
    ownsConnection: true,
  });
  try {
    const { key, controlUser, csrPem } = keys;
    const request = { token: token.secret, siteKey: key.publicKey, controlUser, csrPem };
    return await client.call('enrol.site', request, { timeoutMs: enrolTimeoutMs });
  } finally {
    await client.close();
  }
}

/** A site's side of joining: the token in hand and keys made on the site, one sealed request, done. */
import { BusError } from '../errors.ts';
import { createControlClient } from './client.ts';
import { connectControl, controlTls } from './connect.ts';
import type { CallerKey } from './control-keys.ts';
import type { ResponseOf } from './methods.ts';
import { type JoinToken, parseToken } from './token.ts';
import { openTunnels, type Tunnels } from './tunnel.ts';
import { openWebsockets } from './websocket.ts';

/** a busy control plane makes the site's accounts meanwhile */
const enrolTimeoutMs = 30_000;

export interface JoinKeys {
  /** the site's new request key; prepareSiteDir of src/site makes one */
  key: CallerKey;
  /** NATS user public key (U…) of its control link */
  controlUser: string;
  csrPem: string;
}

export interface JoinWay {
  /** http://host:port to go through, with user:password@ where it asks for them */
  proxy?: string | undefined;
  /** ws: through the control plane's WebSocket listeners */
  transport?: 'tcp' | 'ws' | undefined;
}

/** E_TOKEN_BAD, E_TOKEN_UNKNOWN, E_TOKEN_USED, E_TOKEN_EXPIRED; E_CONTROL_AWAY may be tried again with the same token. */
export async function joinSite(
  token: string | JoinToken,
  keys: JoinKeys,
  way: JoinWay = {},
): Promise<ResponseOf<'enrol.site'>> {
  const parsed = typeof token === 'string' ? parseToken(token) : token;
  const open: Tunnels[] = [];
  const through = (tunnels: Tunnels): string[] => {
    open.push(tunnels);
    return tunnels.urls;
  };
  const byProxy = async (urls: string[]): Promise<string[]> =>
    way.proxy === undefined ? urls : through(await openTunnels(way.proxy, urls));
  try {
    if (way.transport !== 'ws') return await enrol(parsed, keys, { dial: await byProxy(parsed.urls) });
    const { urls, certPem, keyPem } = websocketOf(parsed);
    const tls = { cert: certPem, key: keyPem, ...controlTls({ urls, caPem: parsed.caPem }) };
    return await enrol(parsed, keys, {
      dial: through(await openWebsockets(await byProxy(urls), tls)),
      isSecured: true,
    });
  } finally {
    for (const tunnels of open.reverse()) tunnels.close();
  }
}

function websocketOf({ websocket }: JoinToken): NonNullable<JoinToken['websocket']> {
  if (websocket !== undefined) return websocket;
  const remedy = 'make a control plane that has one (mbus init --websocket-listen) and a new token, or join over TCP';
  throw new BusError('E_TOKEN_BAD', `this token names no WebSocket listener of the control plane: ${remedy}`);
}

async function enrol(
  token: JoinToken,
  keys: JoinKeys,
  way: { dial: string[]; isSecured?: boolean },
): Promise<ResponseOf<'enrol.site'>> {
  const nc = await connectControl({ ...token, name: `join ${token.site}` }, way);
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

/**
 * Hears what a link carries inside its TLS, as somebody would who has taken over frankfurt's link accounts: a user of its own in
 * every one of them, minted with the site's keys. Envelopes must be sealed there as well.
 *
 * The extra subscriptions are interest on the link, so they are taken away again before the link is cut.
 */
import { join } from 'node:path';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { snapshotSchema } from '../src/api/snapshot.ts';
import { linkSides, openSiteDir } from '../src/site/index.ts';
import { createKey, encodeUserJwt } from '../src/trust/index.ts';

const everything = { publish: { allow: [], deny: ['>'] }, subscribe: { allow: ['>'], deny: [] } };

export interface InsideTls {
  close(): Promise<void>;
}

/** Calls back with subject and payload of every message of every link of `site`. */
export async function listenInside(
  labDir: string,
  site: string,
  nats: string,
  hear: (account: string, bytes: Uint8Array) => void,
): Promise<InsideTls> {
  const dir = await openSiteDir(join(labDir, 'sites', site));
  const snapshot = snapshotSchema.parse(JSON.parse((await dir.readSnapshot())?.text ?? 'null'));
  const accounts = new Set(linkSides(snapshot).map(({ account }) => account));
  const connections: NatsConnection[] = [];
  for (const account of accounts) {
    const user = createKey('user');
    const claims = { name: 'demo eavesdropper', rights: everything, connections: ['STANDARD' as const] };
    const jwt = await encodeUserJwt(claims, user.getPublicKey(), await dir.key(account, 'account'));
    const nc = await connect({ servers: nats, authenticator: jwtAuthenticator(jwt, user.getSeed()) });
    connections.push(nc);
    nc.subscribe('>', {
      callback: (error, message) => {
        if (error) return;
        hear(account, Buffer.from(message.subject));
        hear(account, message.data);
      },
    });
    await nc.flush();
  }
  return {
    close: async () => {
      await Promise.all(connections.map((nc) => nc.drain()));
    },
  };
}

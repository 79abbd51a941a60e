/** An application on the newer client generation, the @nats-io packages: as their documentation says, nothing added. */
import { type ConsumerMessages, jetstream } from '@nats-io/jetstream';
import { connect, headers as createHeaders, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { type AppClient, prefetchMessages, pullExpiresMs } from './clients.ts';

export async function connectNewer(url: string, creds: Uint8Array, name: string): Promise<AppClient> {
  const nc = await connect({
    servers: url,
    name,
    authenticator: credsAuthenticator(creds),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
  });
  const js = jetstream(nc);
  const open: ConsumerMessages[] = [];
  return {
    publish: async ({ id, subject, headers, payload }) => {
      const carried = createHeaders();
      for (const [key, value] of Object.entries(headers)) carried.set(key, value);
      await js.publish(subject, payload, { msgID: id, headers: carried, timeout: 5000 });
    },
    consume: async (topic, group, onMessage) => {
      const consumer = await js.consumers.get(`${topic}@${group}`, group);
      const messages = await consumer.consume({
        max_messages: prefetchMessages,
        expires: pullExpiresMs,
        callback: (message) => {
          onMessage({ subject: message.subject, headers: message.headers ?? [], payload: message.data });
          message.ack();
        },
      });
      open.push(messages);
    },
    close: () => closeAll(nc, open),
  };
}

async function closeAll(nc: NatsConnection, open: ConsumerMessages[]): Promise<void> {
  await Promise.all(open.map((messages) => messages.close()));
  await nc.drain();
}

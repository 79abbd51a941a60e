/**
 * Publish to a topic, or consume a group of it, with the @nats-io packages and nothing of MessageBus.
 *
 *   node app.ts publish URL CREDS SUBJECT TEXT
 *   node app.ts consume URL CREDS TOPIC GROUP COUNT
 */
import { readFile } from 'node:fs/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';

const [mode, servers = '', creds = '', ...rest] = process.argv.slice(2);
const nc = await connect({
  servers,
  authenticator: credsAuthenticator(await readFile(creds)),
  maxReconnectAttempts: -1,
});
if (mode === 'publish') await publish(nc, rest);
else await consume(nc, rest);
await nc.drain();

async function publish(nc: NatsConnection, [subject = '', text = '']: string[]): Promise<void> {
  // safe once this has resolved
  const { stream, seq } = await jetstream(nc).publish(subject, text);
  console.log(`stored as ${stream} ${seq}`);
}

async function consume(nc: NatsConnection, [topic, group, count]: string[]): Promise<void> {
  // both exist already; an application cannot make or change them
  const consumer = await jetstream(nc).consumers.get(`${topic}@${group}`, group);
  for (let left = Number(count); left > 0; ) {
    for await (const message of await consumer.fetch({ max_messages: left, expires: 5_000 })) {
      console.log(`${message.subject} ${message.string()}`);
      // the work is done: the message is gone when the server has this
      await message.ackAck();
      left -= 1;
    }
  }
}

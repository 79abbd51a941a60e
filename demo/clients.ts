/**
 * An application as the demo sees it, whatever client generation speaks: URL and credentials in, publish with
 * acknowledgement and consume with acknowledgement out. Nothing here knows the bus; any standard client could stand here.
 */
import { readFile } from 'node:fs/promises';
import { retryForever } from '../src/backoff.ts';
import { connectNewer } from './client-newer.ts';
import { connectOlder } from './client-older.ts';
import type { LedgerMessage } from './ledger.ts';

/** What `mbus lab up` prints of an application. */
export interface AppAccess {
  nats: string;
  /** path of the .creds file */
  creds: string;
}

export interface OutgoingMessage {
  /** the application's own id: the broker drops a second one with it */
  id: string;
  topic: string;
  subject: string;
  headers: Record<string, string>;
  payload: Buffer;
}

export interface AppClient {
  /** Resolves when the LAN's server has stored the message. */
  publish(message: OutgoingMessage): Promise<void>;
  /** Delivers and acknowledges until close. */
  consume(topic: string, group: string, onMessage: (message: LedgerMessage) => void): Promise<void>;
  close(): Promise<void>;
}

export type Generation = 'nats 2.x' | '@nats-io';
export const generations: readonly Generation[] = ['nats 2.x', '@nats-io'];

/** messages one consumer asks for at a time: 200 of 42 kB stay far below the server's 64 MB per connection */
export const prefetchMessages = 200;
/** how long one pull stays open; a silent one is noticed after half of it, twice */
export const pullExpiresMs = 10_000;
const publishAttempts = 20;
const firstConsumerAttempts = 50;

export async function connectApp(generation: Generation, access: AppAccess, name: string): Promise<AppClient> {
  const creds = await readFile(access.creds);
  const client = await (generation === 'nats 2.x' ? connectOlder : connectNewer)(access.nats, creds, name);
  return {
    publish: (message) =>
      retryForever(() => client.publish(message), { maxMs: 2000, onRetry: (_, n) => n < publishAttempts }),
    consume: (topic, group, onMessage) =>
      retryForever(() => client.consume(topic, group, onMessage), {
        maxMs: 200,
        onRetry: (_, n) => n < firstConsumerAttempts,
      }),
    close: () => client.close(),
  };
}

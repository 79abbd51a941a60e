/**
 * Change notices: every replica listens to the database and tells the sites connected to it the new version. A hint
 * only, lost while the database is away; sites poll as well.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { Client } from 'pg';
import { noticeSubject } from '../api/index.ts';
import { backoffMs } from '../backoff.ts';
import { systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { versionChannel } from '../registry/index.ts';

export interface NoticeOptions {
  url: string;
  nc: NatsConnection;
  log: Logger;
  signal: AbortSignal;
  onVersion: (version: number) => void;
}

/** Runs until the signal aborts. */
export async function publishNotices(options: NoticeOptions): Promise<void> {
  const { log, signal } = options;
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await listenOnce(options, () => {
        attempt = 1;
      });
    } catch (error) {
      log.debug({ event: 'notices.lost', err: error }, 'the connection for notices broke');
    }
    await systemClock.sleep(backoffMs(attempt, 200, 5_000), signal).catch(() => undefined);
  }
}

/** Returns when the signal aborts, throws when the connection breaks. */
async function listenOnce({ url, nc, signal, onVersion }: NoticeOptions, onListening: () => void): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: 'mbus-control notices',
  });
  try {
    const broken = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new BusError('E_DATABASE_AWAY', 'the connection for notices ended')));
    });
    broken.catch(() => undefined);
    await client.connect();
    client.on('notification', ({ payload }) => {
      if (payload === undefined) return;
      onVersion(Number(payload));
      if (!nc.isClosed()) nc.publish(noticeSubject, payload);
    });
    await client.query(`listen ${client.escapeIdentifier(versionChannel)}`);
    onListening();
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([aborted, broken]);
  } finally {
    await client.end().catch(() => undefined);
  }
}

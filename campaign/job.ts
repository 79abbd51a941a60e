/** What the processes of the clients are told, in a file that is their only argument. */
import { readFile } from 'node:fs/promises';
import { credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { retryForever } from '../src/backoff.ts';
import type { ConsumerJob, PublisherJob } from './topology.ts';

export interface Access {
  nats: string;
  /** path of the .creds file */
  creds: string;
}

export interface PublishersFile {
  dir: string;
  /** messages a second of each */
  perSecond: number;
  jobs: (PublisherJob & Access)[];
}

export interface ConsumersFile {
  dir: string;
  jobs: (ConsumerJob & Access)[];
}

export async function readJobs<T>(): Promise<T> {
  return JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as T;
}

/** URL and credentials, as any application has them; for ever, also while a busy server takes too long to let it in. */
export async function connectAs({ nats, creds }: Access, name: string): Promise<NatsConnection> {
  const authenticator = credsAuthenticator(await readFile(creds));
  return retryForever(
    () =>
      connect({
        servers: nats,
        name,
        authenticator,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 200,
        ignoreAuthErrorAbort: true,
        pingInterval: 5_000,
        maxPingOut: 2,
      }),
    { maxMs: 1_000 },
  );
}

/** Aborted when the campaign closes this process's standard input, or is gone. */
export function untilAsked(): AbortSignal {
  const abort = new AbortController();
  process.stdin.on('end', () => abort.abort()).on('error', () => abort.abort());
  process.stdin.resume();
  return abort.signal;
}

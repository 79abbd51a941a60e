/**
 * What a running nats-server does before it acknowledges, by its own word: read back from its monitoring endpoint, because
 * a stream with `persist_mode: async` is acknowledged before any fsync, whatever the server's `sync_interval` says.
 */
import { get } from 'node:http';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import { splitAddress } from './addresses.ts';

/** /jsz?accounts=true&streams=true&config=true, as far as it matters here */
const answerSchema = z.object({
  config: z.object({ sync_always: z.boolean().optional() }).optional(),
  account_details: z
    .array(
      z.object({
        name: z.string(),
        stream_detail: z
          .array(z.object({ name: z.string(), config: z.object({ persist_mode: z.string().optional() }).optional() }))
          .optional(),
      }),
    )
    .optional(),
});

const answerMs = 5_000;

/** What keeps a server in class `power` from an fsync before every acknowledgement, in plain words. Throws E_SERVER_AWAY. */
export async function findUnsynced(monitor: string): Promise<string[]> {
  const { config, account_details: accounts = [] } = answerSchema.parse(JSON.parse(await read(monitor)));
  const found = config?.sync_always === true ? [] : ['nats-server runs without sync_interval: always'];
  for (const account of accounts) {
    for (const { name, config: stream } of account.stream_detail ?? []) {
      if (stream?.persist_mode === 'async') found.push(`stream ${name} of account ${account.name} persists later`);
    }
  }
  return found;
}

function read(monitor: string): Promise<string> {
  const { host, port } = splitAddress(monitor);
  const path = '/jsz?accounts=true&streams=true&config=true&limit=100000';
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new BusError('E_SERVER_AWAY', `nats-server does not answer at ${monitor}`, { cause }));
    const request = get({ host, port, path, timeout: answerMs, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      response.on('error', fail);
    });
    request.on('timeout', () => request.destroy(new BusError('E_TIMEOUT', `no answer within ${answerMs} ms`)));
    request.on('error', fail);
  });
}

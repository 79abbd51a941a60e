/** Pages of nats-server's monitoring, which listens on loopback. */
import { get } from 'node:http';
import type { z } from 'zod';
import { splitAddress } from './addresses.ts';

/** A page of nats-server's monitoring; undefined when it does not answer. */
export function askMonitor<T>(monitor: string, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const { host, port } = splitAddress(monitor);
  return new Promise((resolve) => {
    const request = get({ host, port, path, timeout: 3_000, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(parsed(text, schema)));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}

function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

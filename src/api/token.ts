/**
 * A join token: one line with everything a new site needs to reach the control plane and to know it. Whoever holds it
 * within its 15 minutes may join once: it is handed over like a password and never stored as it is.
 */
import { z } from 'zod';
import { BusError } from '../errors.ts';

const tokenSchema = z.strictObject({
  v: z.literal(1),
  id: z.uuid(),
  /** what the request carries; the control plane knows its hash */
  secret: z.string().min(1).max(256),
  busId: z.uuid(),
  site: z.string(),
  /** host:port of the control plane's client listeners */
  urls: z.array(z.string()).min(1),
  /** its WebSocket listeners, where it has some, and the certificate without which they let nobody in */
  websocket: z.strictObject({ urls: z.array(z.string()).min(1), certPem: z.string(), keyPem: z.string() }).optional(),
  caPem: z.string(),
  signKey: z.string(),
  sealKey: z.string(),
  /** NATS user of account CTL, good for the one request; ends with the token */
  userJwt: z.string(),
  userSeed: z.string(),
});

export type JoinToken = z.output<typeof tokenSchema>;

export function formatToken(token: JoinToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** E_TOKEN_BAD when the text is not one whole token. */
export function parseToken(text: string): JoinToken {
  try {
    return tokenSchema.parse(JSON.parse(Buffer.from(text.trim(), 'base64url').toString('utf8')));
  } catch (cause) {
    throw new BusError('E_TOKEN_BAD', 'this is no join token, or only a part of one', { cause });
  }
}

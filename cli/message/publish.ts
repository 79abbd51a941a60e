/** Publishing with an acknowledgement: subject and headers checked here, because client libraries do not. */
import type { PubAck } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { checkName, printable } from '../../src/config/names.ts';
import { BusError, errorText, isBusError } from '../../src/errors.ts';
import { usage } from '../options.ts';
import { untilRefused } from './client.ts';

export interface Outgoing {
  subject: string;
  payload: Uint8Array;
  headers?: MsgHdrs | undefined;
}

const ackTimeoutMs = 10_000;

/** Resolves once the message is on the site's disk. */
export type Publish = (message: Outgoing) => Promise<PubAck>;

export async function createPublish(nc: NatsConnection): Promise<Publish> {
  const { jetstream } = await import('@nats-io/jetstream');
  const js = jetstream(nc);
  const refusal = watchRefusal(nc);
  return async ({ subject, payload, headers }) => {
    const stored = js.publish(subject, payload, { ...(headers && { headers }), timeout: ackTimeoutMs });
    try {
      return await refusal.orRefused(stored);
    } catch (cause) {
      if (isBusError(cause)) throw cause;
      throw new BusError('E_NOT_STORED', `${printable(subject)}: ${reasonText(cause)}`, { cause });
    }
  };
}

/** Turns a right that is missing into the failure of what is under way, which would else only time out. */
function watchRefusal(nc: NatsConnection): { orRefused<T>(work: Promise<T>): Promise<T> } {
  const waiting = new Set<(error: unknown) => void>();
  let refused: unknown;
  untilRefused(nc).catch((error: unknown) => {
    refused = error;
    for (const reject of waiting) reject(error);
  });
  return {
    orRefused: (work) =>
      new Promise((resolve, reject) => {
        if (refused !== undefined) return reject(refused);
        waiting.add(reject);
        work.then(resolve, (error: unknown) => reject(refusalIn(error) ?? error)).finally(() => waiting.delete(reject));
      }),
  };
}

function refusalIn(error: unknown): BusError | undefined {
  const text = errorText(error);
  return /permissions violation/i.test(text) ? new BusError('E_APP_REFUSED', text, { cause: error }) : undefined;
}

function reasonText(error: unknown): string {
  const text = errorText(error);
  return /no responders/i.test(text)
    ? 'no stream takes this subject: the topic is unknown here or not ready yet'
    : text;
}

/** `topic` or `topic.suffix` with literal tokens. E_NAME, E_USAGE. */
export function checkSubject(subject: string): string {
  const [topic, ...suffix] = subject.split('.');
  checkName('topic', topic);
  const isLiteral = suffix.every(
    (token) => token !== '' && token !== '*' && token !== '>' && !/[\s\0-\x1f\x7f]/.test(token),
  );
  if (!isLiteral || subject.length > 1024)
    throw usage(`use topic or topic.suffix without wildcards (got ${printable(subject)})`);
  return subject;
}

/** `Key:Value` of each --header. */
export async function parseHeaders(lines: readonly string[]): Promise<MsgHdrs | undefined> {
  if (lines.length === 0) return undefined;
  const { headers } = await import('@nats-io/nats-core');
  const block = headers();
  for (const line of lines) {
    const [, key, value] = /^([!-9;-~]+):\s*([^\r\n\0]*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw usage(`use Key:Value for a header (got ${printable(line)})`);
    if (/^mb-/i.test(key)) throw usage(`headers Mb-* are the bus's own (got ${printable(key)})`);
    block.append(key, value);
  }
  return block;
}

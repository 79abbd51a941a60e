/**
 * Requests to nats-server itself, over a connection of account SYS. Each may be repeated without harm, and is: an answer
 * can be lost when the server was restarted in between.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError, errorText } from '../errors.ts';

const defaults = { attempts: 5, answerMs: 3_000 };

/** The answer's `data`. `subject` is given the id of the server that is connected. E_SERVER_AWAY, E_SERVER_REFUSED with its reason. */
export async function systemRequest(
  system: NatsConnection,
  subject: (serverId: string) => string,
  body = '',
  patience: Partial<typeof defaults> = {},
): Promise<unknown> {
  const { attempts, answerMs } = { ...defaults, ...patience };
  for (let attempt = 1; ; attempt++) {
    const at = subject(system.info?.server_id ?? '');
    try {
      const answer: { data?: unknown; error?: { description?: string } } = (
        await system.request(at, body, { timeout: answerMs })
      ).json();
      if (answer.error) throw new BusError('E_SERVER_REFUSED', answer.error.description ?? `refused ${at}`);
      return answer.data;
    } catch (cause) {
      if (cause instanceof BusError) throw cause;
      if (attempt === attempts || system.isClosed()) {
        throw new BusError('E_SERVER_AWAY', `nats-server did not answer ${at}: ${errorText(cause)}`, { cause });
      }
      await delay(100 * attempt);
    }
  }
}

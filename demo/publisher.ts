/**
 * Publishes many messages with a bounded number of acknowledgements outstanding, spread over a time at the least, so that
 * a link can be cut while they are under way. A message that is refused for good ends the demo.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AppClient, OutgoingMessage } from './clients.ts';

export interface PublishOptions {
  /** messages go to these in turn */
  clients: readonly AppClient[];
  messages: readonly OutgoingMessage[];
  /** acknowledgements outstanding at most */
  window: number;
  /** the whole takes at least this long */
  minMs: number;
  signal: AbortSignal;
  /** called after each acknowledgement with how many there are */
  onAck: (count: number) => void;
}

/** Resolves when every message is acknowledged. */
export async function publishAll(options: PublishOptions): Promise<void> {
  const { clients, messages, window, minMs, signal, onAck } = options;
  const startedMs = performance.now();
  let next = 0;
  let acknowledged = 0;
  const work = async (lane: number): Promise<void> => {
    const client = clients[lane % clients.length]!;
    for (let index = next++; index < messages.length; index = next++) {
      const aheadMs = startedMs + (index / messages.length) * minMs - performance.now();
      if (aheadMs > 5) await delay(aheadMs, undefined, { signal });
      signal.throwIfAborted();
      await client.publish(messages[index]!);
      acknowledged += 1;
      onAck(acknowledged);
    }
  };
  await Promise.all(Array.from({ length: window }, (_, lane) => work(lane)));
}

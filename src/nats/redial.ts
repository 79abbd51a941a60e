/**
 * When a lost connection is dialled again: by a steady clock. The client library would compare the wall clock with that of
 * its last attempt (@nats-io/nats-core 3.4, dodialLoop), and once the clock has gone back by an hour, as it does where it
 * is set after a start, the next attempt would come in an hour.
 */
import type { ConnectionOptions } from '@nats-io/nats-core';

type Redial = Required<Pick<ConnectionOptions, 'reconnectDelayHandler' | 'reconnectToServer'>>;

/** At most one attempt every `waitMs`, and up to `jitterMs` later; the first after a long time comes at once. */
export function redialEvery(waitMs: number, jitterMs = 0): Redial {
  let nextMs = 0;
  return {
    // the library's own wait is over, whatever the wall clock says
    reconnectDelayHandler: () => Number.NEGATIVE_INFINITY,
    reconnectToServer: ([server]) => {
      const nowMs = performance.now();
      const dialMs = Math.max(nowMs, nextMs);
      nextMs = dialMs + waitMs + Math.random() * jitterMs;
      return server === undefined ? null : { server, delay: dialMs - nowMs };
    },
  };
}

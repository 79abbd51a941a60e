/**
 * Plain clients of a site with three nats-servers, and their ledger: a publisher that repeats each message under its own id
 * until it is confirmed, and consumers that note where each message lies in their group's stream. A message that comes again
 * from the same place was delivered again, because an acknowledgement was lost; one at two places is a duplicate.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { LabInfo } from '../src/lab/index.ts';

export interface GroupResult {
  delivered: number;
  lost: number;
  doubled: number;
  /** delivered again from the same place: its acknowledgement had been lost */
  redelivered: number;
}

/** What one topic's publisher had confirmed, and one group of it was given. */
export class GroupLedger {
  readonly #confirmed: ReadonlySet<string>;
  readonly #places = new Map<string, Set<number>>();
  #redelivered = 0;
  #lastMs = performance.now();
  #gapMs = 0;

  constructor(confirmed: ReadonlySet<string>) {
    this.#confirmed = confirmed;
  }

  take(id: string, place: number): void {
    const places = this.#places.get(id) ?? new Set();
    if (places.has(place)) this.#redelivered += 1;
    this.#places.set(id, places.add(place));
    this.#gapMs = this.gapMs;
    this.#lastMs = performance.now();
  }

  /** The longest time without a delivery since watchGap(), milliseconds. */
  get gapMs(): number {
    return Math.max(this.#gapMs, performance.now() - this.#lastMs);
  }

  watchGap(): void {
    this.#gapMs = 0;
    this.#lastMs = performance.now();
  }

  get delivered(): number {
    return this.#places.size;
  }

  result(): GroupResult {
    const lost = [...this.#confirmed].filter((id) => !this.#places.has(id)).length;
    const doubled = [...this.#places.values()].filter((places) => places.size > 1).length;
    return { delivered: this.delivered, lost, doubled, redelivered: this.#redelivered };
  }
}

export interface Load {
  /** Ends it and waits for what is under way. */
  stop(): Promise<void>;
  /** Ends it at once. */
  abort(): Promise<void>;
}

export interface Publisher extends Load {
  confirmed: ReadonlySet<string>;
  /** the longest wait for a confirmation since watchGap(), milliseconds */
  readonly gapMs: number;
  watchGap(): void;
}

const confirmMs = 2_000;
const mostUnderWay = 500;

/** Connects to whichever of its site's servers lives, for ever. */
function connectApp({ nats, servers, creds }: LabInfo['apps'][string]): Promise<NatsConnection> {
  return connect({
    servers: servers ?? [nats],
    authenticator: credsAuthenticator(readFileSync(creds)),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    waitOnFirstConnect: true,
    ignoreAuthErrorAbort: true,
    pingInterval: 2_000,
    maxPingOut: 2,
  });
}

export async function startPublisher(
  app: LabInfo['apps'][string],
  { topic, perSecond }: { topic: string; perSecond: number },
): Promise<Publisher> {
  const nc = await connectApp(app);
  const js = jetstream(nc, { timeout: confirmMs });
  const confirmed = new Set<string>();
  const underWay = new Set<Promise<void>>();
  let isStopped = false;
  let lastMs = performance.now();
  let gapMs = 0;
  const publish = async (id: string): Promise<void> => {
    const payload = Buffer.alloc(200, id);
    while (!nc.isClosed()) {
      try {
        await js.publish(`${topic}.${id}`, payload, { msgID: id });
        confirmed.add(id);
        gapMs = Math.max(gapMs, performance.now() - lastMs);
        lastMs = performance.now();
        return;
      } catch {
        await delay(50);
      }
    }
  };
  const loop = (async () => {
    const startMs = performance.now();
    for (let n = 0; !isStopped; await delay(10)) {
      const due = ((performance.now() - startMs) / 1_000) * perSecond;
      // what could not be published in time is left out, not caught up with
      for (; n < due; n++) {
        if (underWay.size >= mostUnderWay) continue;
        const one: Promise<void> = publish(`${topic}-${n}`).finally(() => underWay.delete(one));
        underWay.add(one);
      }
    }
    await Promise.all(underWay);
  })();
  return {
    confirmed,
    get gapMs() {
      return Math.max(gapMs, performance.now() - lastMs);
    },
    watchGap: () => {
      gapMs = 0;
      lastMs = performance.now();
    },
    stop: async () => {
      isStopped = true;
      await loop;
      await nc.close();
    },
    abort: () => {
      isStopped = true;
      return nc.close();
    },
  };
}

/** Consumes `topic@group` through deaths of servers. */
export async function startConsumer(app: LabInfo['apps'][string], group: string, ledger: GroupLedger): Promise<Load> {
  const nc = await connectApp(app);
  const [, durable = ''] = group.split('@');
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      try {
        const consumer = await jetstream(nc, { timeout: confirmMs }).consumers.get(group, durable);
        while (!isStopped) {
          for await (const message of await consumer.fetch({ max_messages: 200, expires: 1_000 })) {
            ledger.take(message.subject.split('.')[1] ?? '', message.seq);
            message.ack();
          }
        }
      } catch {
        await delay(100);
      }
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await loop;
      await nc.close();
    },
    abort: () => {
      isStopped = true;
      return nc.close();
    },
  };
}

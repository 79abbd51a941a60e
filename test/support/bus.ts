/**
 * A bus under load: one lab for a whole test file, publishers and consumers as plain clients, and a ledger of what they
 * saw. Every attempt to publish has an id of its own and is never repeated, so an unknown outcome is allowed to arrive or
 * not, and what nats-server confirmed must be in the group's stream exactly once.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError, type JsMsg, jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { fromSeed } from '@nats-io/nkeys';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Snapshot } from '../../src/api/snapshot.ts';
import { parseBusFile } from '../../src/config/parse.ts';
import { labDown, labUp } from '../../src/lab/index.ts';
import { labInfo } from '../../src/lab/info.ts';
import { readLab } from '../../src/lab/state.ts';
import { openConnection } from '../../src/site/connections.ts';
import { openSiteDir } from '../../src/site/index.ts';
import { type TestLab, testLab } from './lab.ts';
import { until } from './tcp.ts';

/** One lab for all tests of a file; its directory stays when a test failed. */
export function useBus(yaml: string): () => TestLab {
  const connections: { close(): Promise<void> }[] = [];
  let dir: string | undefined;
  let lab: TestLab | undefined;
  beforeAll(async () => {
    dir = join(await mkdtemp(join(tmpdir(), 'mbus-bus-')), 'lab');
    lab = testLab(dir, await labUp({ text: yaml, fileName: 'bus.yaml', dir, keep: true }), connections);
  });
  let hasFailed = false;
  afterEach(({ task }) => {
    hasFailed ||= task.result?.state === 'fail';
  });
  afterAll(async () => {
    await Promise.all(connections.splice(0).map((connection) => connection.close().catch(() => undefined)));
    // there where it came up too late too; not where a test has taken it down
    if (dir !== undefined && existsSync(join(dir, 'lab.json')))
      await labDown(dir, { keep: hasFailed || lab === undefined });
  });
  return () => {
    if (lab === undefined) throw new Error('the lab did not start');
    return lab;
  };
}

/** The same lab with the apps of the file that was applied last. */
export async function refreshed(lab: TestLab): Promise<TestLab> {
  const state = await readLab(lab.dir);
  return testLab(lab.dir, labInfo(lab.dir, state, parseBusFile(state.text, state.fileName)), []);
}

/** Numbers that are the same in every run. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

export interface Verdict {
  lost: string[];
  doubled: string[];
  changed: string[];
}

/** What was published and what came out, by the id of the publish attempt. */
export class Ledger {
  readonly acked = new Set<string>();
  /** the outcome was never told: may arrive once or not */
  readonly unknown = new Set<string>();
  /** JetStream said no: must not arrive */
  readonly refused = new Map<string, number>();
  readonly #places = new Map<string, Set<string>>();
  readonly #changed: string[] = [];
  #lastMs = performance.now();
  #maxGapMs = 0;

  /** Where a message lies: the same message delivered again has the same place. */
  take(id: string, place: string, isSame: boolean): void {
    const places = this.#places.get(id) ?? new Set();
    this.#places.set(id, places.add(place));
    if (!isSame) this.#changed.push(id);
    this.#maxGapMs = this.maxGapMs;
    this.#lastMs = performance.now();
  }

  has(id: string): boolean {
    return this.#places.has(id);
  }

  get delivered(): number {
    return this.#places.size;
  }

  /** The longest time without a delivery since `watchGaps`, milliseconds. */
  get maxGapMs(): number {
    return Math.max(this.#maxGapMs, performance.now() - this.#lastMs);
  }

  watchGaps(): void {
    this.#maxGapMs = 0;
    this.#lastMs = performance.now();
  }

  missing(): string[] {
    return [...this.acked].filter((id) => !this.#places.has(id));
  }

  /** Messages that lay at more than one place. */
  get doubledCount(): number {
    return [...this.#places.values()].filter((places) => places.size > 1).length;
  }

  verdict(): Verdict {
    const doubled = [...this.#places].filter(([id, places]) => places.size > 1 || this.refused.has(id));
    // the first few say enough
    const some = <T>(all: readonly T[]): T[] => all.slice(0, 5);
    return {
      lost: some(this.missing()),
      doubled: some(doubled).map(([id, places]) => `${id} at ${[...places]}`),
      changed: some(this.#changed),
    };
  }

  /** Waits until everything confirmed came out, or `withinMs` passed without any delivery. */
  async settle(withinMs = 20_000): Promise<Verdict> {
    this.watchGaps();
    while (this.missing().length > 0 && performance.now() - this.#lastMs < withinMs) await delay(50);
    return this.verdict();
  }
}

export interface Load {
  /** Ends it and waits for what is under way. */
  stop(): Promise<void>;
}

export interface PublisherOptions {
  app: string;
  subject: string;
  perSecond: number;
  ledger: Ledger;
  /** payload bytes of the n-th message */
  sizeOf?: (n: number) => number;
}

const maxUnderWay = 400;

/** Publishes at a steady rate until stopped. */
export async function startPublisher(lab: TestLab, options: PublisherOptions): Promise<Load> {
  const { app, subject, perSecond, ledger, sizeOf = () => 64 } = options;
  // an application that is let in again goes on
  const nc = await lab.connect(app, { ignoreAuthErrorAbort: true });
  const js = jetstream(nc, { timeout: 5_000 });
  const run = Math.random().toString(36).slice(2, 8);
  const underWay = new Set<Promise<void>>();
  let isStopped = false;
  const publish = async (n: number): Promise<void> => {
    const id = `${run}-${n}`;
    const head = headers();
    head.set('Test-Id', id);
    try {
      await js.publish(subject, payloadOf(id, sizeOf(n)), { headers: head });
      ledger.acked.add(id);
    } catch (error) {
      if (error instanceof JetStreamApiError) ledger.refused.set(id, error.code);
      else ledger.unknown.add(id);
    }
  };
  const loop = (async () => {
    const startMs = performance.now();
    for (let n = 0; !isStopped; ) {
      const due = ((performance.now() - startMs) / 1000) * perSecond;
      for (; n < due && underWay.size < maxUnderWay; n++) {
        const one: Promise<void> = publish(n).finally(() => underWay.delete(one));
        underWay.add(one);
      }
      await delay(5);
    }
    await Promise.all(underWay);
  })();
  return {
    stop: async () => {
      isStopped = true;
      await loop;
      await nc.close();
    },
  };
}

/** Consumes a group until stopped, through restarts of its server. */
export async function startConsumer(lab: TestLab, app: string, group: string, ledger: Ledger): Promise<Load> {
  const nc = await lab.connect(app, { ignoreAuthErrorAbort: true });
  const [, durable = ''] = group.split('@');
  const site = lab.info.apps[app]?.nats ?? '';
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      try {
        const consumer = await jetstream(nc).consumers.get(group, durable);
        while (!isStopped) {
          for await (const message of await consumer.fetch({ max_messages: 300, expires: 1_000 })) {
            take(ledger, message, site);
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
  };
}

function take(ledger: Ledger, message: JsMsg, site: string): void {
  const id = message.headers?.get('Test-Id') ?? '';
  if (id === '') return;
  const isSame = Buffer.compare(message.data, payloadOf(id, message.data.length)) === 0;
  ledger.take(id, `${site}/${message.info.stream}/${message.seq}`, isSame);
}

/** Bytes that depend on the id and the size alone. */
function payloadOf(id: string, size: number): Uint8Array {
  const seed = createHash('sha256').update(`${id} ${size}`).digest();
  const payload = Buffer.alloc(size);
  for (let at = 0; at < size; at += seed.length) seed.copy(payload, at);
  return payload;
}

/** A site's metric by name and label text, summed; 0 when there is none yet. */
export async function metricOf(lab: TestLab, site: string, name: string, label = ''): Promise<number> {
  const page = await (await fetch(lab.info.sites[site]?.metrics ?? '')).text();
  const lines = page.split('\n').filter((line) => line.startsWith(name) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Lines of a sidecar's log that hold `text`. */
export async function logLines(lab: TestLab, site: string, text: string): Promise<string[]> {
  const log = await readFile(join(lab.dir, 'logs', `${site}.sidecar.log`), 'utf8');
  return log.split('\n').filter((line) => line.includes(text));
}

/** What the site's own sidecar can see of a customer's account. */
export async function sidecarConnection(lab: TestLab, site: string, customer: string): Promise<NatsConnection> {
  const dir = await openSiteDir(join(lab.dir, 'sites', site));
  const snapshot = JSON.parse((await dir.readSnapshot())?.text ?? '{}') as Snapshot;
  const found = snapshot.customers.find(({ name }) => name === customer);
  if (found === undefined) throw new Error(`${site} knows no customer ${customer}`);
  return openConnection(dir, { customer: found.id }, () => {
    throw new Error('no link is asked for');
  });
}

export interface RawClient {
  publish(subject: string | Uint8Array, payload: string): void;
  /** resolves when the server has read everything */
  flush(): Promise<void>;
  /** the server has closed the connection */
  isCut(): boolean;
  close(): void;
}

/** The protocol by hand: says what no client library would. */
export async function rawClient(lab: TestLab, app: string): Promise<RawClient> {
  const { nats = '', creds = '' } = lab.info.apps[app] ?? {};
  const text = await readFile(creds, 'utf8');
  const jwt = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(text)?.[1] ?? '';
  const seed = /BEGIN USER NKEY SEED-+\s+(\S+)/.exec(text)?.[1] ?? '';
  const socket = connectTcp(Number(new URL(nats).port), '127.0.0.1');
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  const hears = (what: string): Promise<void> =>
    until(`the server says ${what}`, () => {
      if (!heard.includes(what) && socket.destroyed) throw new Error(`the server closed the connection: ${heard}`);
      return heard.includes(what);
    });
  await hears('\r\n');
  const { nonce } = JSON.parse(heard.slice('INFO '.length)) as { nonce: string };
  const sig = Buffer.from(fromSeed(Buffer.from(seed)).sign(Buffer.from(nonce))).toString('base64url');
  const flush = async (): Promise<void> => {
    heard = '';
    socket.write('PING\r\n');
    await hears('PONG');
  };
  socket.write(`CONNECT ${JSON.stringify({ jwt, sig, verbose: false, pedantic: false, headers: true })}\r\n`);
  await flush();
  return {
    publish: (subject, payload) => {
      socket.write(
        Buffer.concat([Buffer.from('PUB '), Buffer.from(subject), Buffer.from(` ${payload.length}\r\n${payload}\r\n`)]),
      );
    },
    flush,
    isCut: () => socket.destroyed,
    close: () => socket.destroy(),
  };
}

/** Publishes `count` messages as fast as the server confirms them. */
export async function publishSome(
  lab: TestLab,
  app: string,
  subject: string,
  count: number,
  ledger: Ledger,
  bytes = 100,
): Promise<void> {
  const nc = await lab.connect(app);
  const js = jetstream(nc);
  const run = Math.random().toString(36).slice(2, 8);
  await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const id = `${run}-${n}`;
      const head = headers();
      head.set('Test-Id', id);
      await js.publish(subject, payloadOf(id, bytes), { headers: head });
      ledger.acked.add(id);
    }),
  );
  await nc.close();
}

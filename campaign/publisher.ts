/**
 * The publishers of one site, a process of its own: plain NATS clients that publish recorded events at a steady rate and
 * write down what they meant to send before they send it and what they were told after. Nothing is sent twice and no
 * `Nats-Msg-Id` is used, so the outcome of a publish that got no answer stays unknown. While its client says that it has
 * no connection, an application sends nothing.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { headers as createHeaders, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { type Event, loadEvents } from './events.ts';
import { type Access, connectAs, type PublishersFile, readJobs, untilAsked } from './job.ts';
import { digestOf, idHeader, LineWriter } from './records.ts';
import type { PublisherJob } from './topology.ts';

const maxUnderWay = 100;
const answerMs = 5_000;
const tickMs = 10;

const { dir, perSecond, jobs } = await readJobs<PublishersFile>();
const stop = untilAsked();
await Promise.all(jobs.map((job) => run(job)));

async function run(job: PublisherJob & Access): Promise<void> {
  const events = await loadEvents(dir, job.topic);
  const ledger = new LineWriter(join(dir, `published.${job.name}`));
  const nc = await connectAs(job, job.name);
  const js = jetstream(nc, { timeout: answerMs });
  const isConnected = watchConnection(nc);
  const underWay = new Set<Promise<void>>();
  let next = 0;
  for (let lastMs = performance.now(), owed = 0; !stop.aborted; await delay(tickMs)) {
    const nowMs = performance.now();
    // an application that waits makes up for little of it
    owed = Math.min(owed + ((nowMs - lastMs) / 1000) * perSecond, perSecond / 2);
    lastMs = nowMs;
    for (; owed >= 1 && underWay.size < maxUnderWay && isConnected(); owed--) {
      const n = next++;
      const one: Promise<void> = publish(js, ledger, { job, n, event: events[n % events.length]! }).finally(() =>
        underWay.delete(one),
      );
      underWay.add(one);
    }
  }
  await Promise.all(underWay);
  ledger.close();
  await nc.close();
}

/** Follows what the client library tells of its connection. */
function watchConnection(nc: NatsConnection): () => boolean {
  let isUp = true;
  void (async () => {
    for await (const { type } of nc.status()) {
      if (type === 'disconnect') isUp = false;
      if (type === 'reconnect') isUp = true;
    }
  })();
  return () => isUp && !nc.isClosed();
}

interface Attempt {
  job: PublisherJob;
  n: number;
  event: Event;
}

async function publish(js: JetStreamClient, ledger: LineWriter, { job, n, event }: Attempt): Promise<void> {
  const { subject, payload } = event;
  const headers = headersOf(event, `${job.name}.${n}`);
  ledger.write([`p ${n} ${Date.now()} ${digestOf(subject, headers, payload)}`]);
  try {
    const { seq } = await js.publish(subject, payload, { headers });
    ledger.write([`a ${n} ${Date.now()} ${seq}`]);
  } catch (error) {
    ledger.write([`${outcomeOf(error)} ${n} ${Date.now()} ${reasonOf(error)}`]);
  }
}

function headersOf({ headers }: Event, id: string): MsgHdrs {
  const all = createHeaders();
  all.set(idHeader, id);
  for (const [key, value] of Object.entries(headers)) all.set(key, value);
  return all;
}

/** Refused only where the stream itself said so, or there was none to hear of it. */
function outcomeOf(error: unknown): 'r' | 'u' {
  return error instanceof JetStreamApiError || (error instanceof Error && error.name === 'JetStreamNotEnabled')
    ? 'r'
    : 'u';
}

function reasonOf(error: unknown): string {
  if (error instanceof JetStreamApiError) return `${error.code}`;
  return error instanceof Error ? error.name.replaceAll(' ', '-') : 'unknown';
}

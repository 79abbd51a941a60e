/**
 * The consumers of one site, a process of its own that may be killed at any moment: plain NATS clients that pull, write down
 * what was delivered, acknowledge it with confirmation, and write down the confirmation. In this order the ledger never
 * misses what was acknowledged; a copy that was written down and not acknowledged comes again from the same place.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Consumer, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Access, type ConsumersFile, connectAs, readJobs, untilAsked } from './job.ts';
import { digestOf, idHeader, LineWriter } from './records.ts';
import type { ConsumerJob } from './topology.ts';

const pullMessages = 100;
const pullMs = 2_000;
const confirmMs = 3_000;
const retryMs = 200;

const { dir, jobs } = await readJobs<ConsumersFile>();
const stop = untilAsked();
await Promise.all(jobs.map((job) => run(job)));

async function run(job: ConsumerJob & Access): Promise<void> {
  const ledger = new LineWriter(join(dir, `delivered.${job.customer}.${job.site}.${job.group}`));
  const connections = await Promise.all(
    Array.from({ length: job.count }, (_, at) => connectAs(job, `${job.group} ${at + 1}`)),
  );
  await Promise.all(connections.map((nc) => consume(nc, job.group, ledger)));
  await Promise.all(connections.map((nc) => nc.drain()));
  ledger.close();
}

/** Through restarts of its server, until it is asked to stop. */
async function consume(nc: NatsConnection, stream: string, ledger: LineWriter): Promise<void> {
  const durable = stream.slice(stream.indexOf('@') + 1);
  while (!stop.aborted) {
    try {
      const consumer = await jetstream(nc).consumers.get(stream, durable);
      // the next pull does not wait for the confirmations of the last one, the one after it does
      for (let last: Promise<unknown> = Promise.resolve(); !stop.aborted; ) {
        const { confirmed } = await pull(consumer, ledger);
        await last;
        last = confirmed;
      }
    } catch {
      await delay(retryMs);
    }
  }
}

/** Returns when a pull is over; resolves inside it, later, when all of it is confirmed or given up. */
async function pull(consumer: Consumer, ledger: LineWriter): Promise<{ confirmed: Promise<unknown> }> {
  const confirmed: Promise<void>[] = [];
  const askedMs = performance.now();
  const messages = await consumer.fetch({ max_messages: pullMessages, expires: pullMs });
  for await (const message of messages) {
    ledger.write([delivered(message)]);
    confirmed.push(confirm(message, ledger, askedMs));
  }
  return { confirmed: Promise.all(confirmed) };
}

/** With the time since the pull was asked for: nats-server confirms too when the ack wait is over, and it may have been for long. */
async function confirm(message: JsMsg, ledger: LineWriter, askedMs: number): Promise<void> {
  const isConfirmed = await message.ackAck({ timeout: confirmMs }).catch(() => false);
  const heldMs = Math.round(performance.now() - askedMs);
  if (isConfirmed) ledger.write([`k ${idOf(message)} ${Date.now()} ${placeOf(message)} ${heldMs}`]);
}

function delivered(message: JsMsg): string {
  const digest = digestOf(message.subject, message.headers ?? [], message.data);
  return `d ${idOf(message)} ${Date.now()} ${placeOf(message)} ${digest}`;
}

function idOf(message: JsMsg): string {
  const id = message.headers?.get(idHeader) ?? '';
  return /^[\w.-]+$/.test(id) ? id : `?${message.info.stream}.${message.seq}`;
}

function placeOf({ seq, info }: JsMsg): string {
  return `${seq}@${info.timestampNanos}`;
}

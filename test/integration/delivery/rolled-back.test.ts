/**
 *   origin ─▶ flow writer ─▶ group stream and marker on a real disk, which is put back to an older copy
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import type { SnapshotTopic } from '../../../src/api/snapshot.ts';
import { FlowWriter } from '../../../src/delivery/flow-writer.ts';
import { ensureGroupStream } from '../../../src/delivery/index.ts';
import { type BusMessage, RangeSet } from '../../../src/envelope/index.ts';
import { fixedBytes, fixedUuid, flow } from '../../support/envelopes.ts';
import { testScope } from '../../support/nats-server.ts';
import { groupOf } from '../../support/routing.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();

const group = groupOf('risk', [], { maxBytes: 64 * 1024 * 1024, ackWaitMs: 30_000, maxAckPending: 1_000 });
const topic: SnapshotTopic = {
  id: fixedUuid('trade'),
  name: 'trade',
  scope: 'bus',
  maxBytes: 64 * 1024 * 1024,
  maxTransitAgeMs: 3_600_000,
  strict: false,
  ordered: false,
  keyEpoch: null,
  ticketsSinceMs: null,
  dedupeMs: 1_000,
  groups: [group],
};

interface Destination {
  writer: FlowWriter;
  /** what it said is lost, `+` where that was news */
  said: string[];
  stop: () => Promise<void>;
}

async function start(dir: string): Promise<Destination> {
  const life = testLife();
  const nc: NatsConnection = await startJetStream(life.scope, dir);
  const jsm = await jetstreamManager(nc);
  const stream = await ensureGroupStream(jsm, topic, group, null);
  const said: string[] = [];
  const onLost = (lost: RangeSet, isNews: boolean): void => {
    said.push(`${isNews ? '+' : ''}${JSON.stringify(lost)}`);
  };
  const macKey = fixedBytes('mac', 32);
  const writer = new FlowWriter({ nc, jsm, stream, flow, macKey, onStored: () => undefined, onLost });
  return { writer, said, stop: life.end };
}

/** Releases that run before the test's own end. */
function testLife() {
  const releases: (() => unknown)[] = [];
  const end = async (): Promise<void> => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  scope.onEnd(end);
  return { scope: { ...scope, onEnd: (release: () => unknown) => void releases.push(release) }, end };
}

function messages(first: number, last: number): BusMessage[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    seq: first + index,
    subject: 'trade.x',
    headers: null,
    payload: Buffer.from(`${first + index}`),
    timeNs: 1_700_000_000_000_000_000n,
  }));
}

const arrival = (first: number, last: number, floor: number, since = 1) => ({
  first,
  last,
  floor,
  since,
  messages: messages(first, last),
});

test('a disk put back to an older copy is found out, and what is lost is named once and for ever', async () => {
  const dir = scope.dir();
  const [live, copy] = [join(dir, 'live'), join(dir, 'copy')];
  const before = await start(live);
  await before.writer.write(arrival(1, 50, 0));
  await before.stop();
  await cp(live, copy, { recursive: true });
  const after = await start(live);
  await after.writer.write(arrival(51, 100, 50));
  expect(after.said).toEqual([]);
  await after.stop();
  await rm(live, { recursive: true });
  await cp(copy, live, { recursive: true });

  const old = await start(live);
  const lost = JSON.stringify(RangeSet.of(0, [[51, 100]]));
  expect((await old.writer.write(arrival(101, 110, 100))).toJSON()).toEqual({ mark: 110, ranges: [] });
  await old.writer.write(arrival(111, 120, 110));
  expect(old.said).toEqual([`+${lost}`]);
  await old.stop();
  const again = await start(live);
  await again.writer.write(arrival(121, 130, 120));
  expect(again.said).toEqual([lost]);
});

test('what other terminals have receipted, and what nobody was sent, is not missed', async () => {
  const { writer, said } = await start(scope.dir());
  await writer.write(arrival(201, 210, 40, 201));
  await writer.write(arrival(211, 220, 200, 201));
  await writer.write(arrival(41, 60, 40, 0));
  expect((await writer.write(arrival(231, 240, 220, 221))).mark).toBe(220);
  expect(said).toEqual([]);
});

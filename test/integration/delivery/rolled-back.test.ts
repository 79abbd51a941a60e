/**
 *   origin ─▶ flow writer ─▶ group stream and marker on a real disk, which is put back to an older copy
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { FlowWriter } from '../../../src/delivery/flow-writer.ts';
import { ensureGroupStream, StreamHold } from '../../../src/delivery/index.ts';
import { RangeSet } from '../../../src/envelope/index.ts';
import { arrivalOf, busTopic, riskGroup } from '../../support/arrivals.ts';
import { fixedBytes, flow } from '../../support/envelopes.ts';
import { testScope } from '../../support/nats-server.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();

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
  const stream = await ensureGroupStream(jsm, busTopic, riskGroup, null);
  const said: string[] = [];
  const onLost = (lost: RangeSet, isNews: boolean): void => {
    said.push(`${isNews ? '+' : ''}${JSON.stringify(lost)}`);
  };
  const macKey = fixedBytes('mac', 32);
  const hold = new StreamHold({ nc, jsm, stream });
  const writer = new FlowWriter({ nc, jsm, stream, flow, macKey, hold, onStored: () => undefined, onLost });
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

test('a disk put back to an older copy is found out, and what is lost is named once and for ever', async () => {
  const dir = scope.dir();
  const [live, copy] = [join(dir, 'live'), join(dir, 'copy')];
  const before = await start(live);
  await before.writer.write(arrivalOf(1, 50, { floor: 0 }));
  await before.stop();
  await cp(live, copy, { recursive: true });
  const after = await start(live);
  await after.writer.write(arrivalOf(51, 100, { floor: 50 }));
  expect(after.said).toEqual([]);
  await after.stop();
  await rm(live, { recursive: true });
  await cp(copy, live, { recursive: true });

  const old = await start(live);
  const lost = JSON.stringify(RangeSet.of(0, [[51, 100]]));
  expect((await old.writer.write(arrivalOf(101, 110, { floor: 100 }))).toJSON()).toEqual({ mark: 110, ranges: [] });
  await old.writer.write(arrivalOf(111, 120, { floor: 110 }));
  expect(old.said).toEqual([`+${lost}`]);
  await old.stop();
  const again = await start(live);
  await again.writer.write(arrivalOf(121, 130, { floor: 120 }));
  expect(again.said).toEqual([lost]);
});

test('what other terminals have receipted, and what nobody was sent, is not missed', async () => {
  const { writer, said } = await start(scope.dir());
  await writer.write(arrivalOf(201, 210, { floor: 40, since: 201 }));
  await writer.write(arrivalOf(211, 220, { floor: 200, since: 201 }));
  await writer.write(arrivalOf(41, 60, { floor: 40, since: 0 }));
  expect((await writer.write(arrivalOf(231, 240, { floor: 220, since: 221 }))).mark).toBe(220);
  expect(said).toEqual([]);
});

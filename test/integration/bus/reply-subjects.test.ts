/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt, rogue may do both at frankfurt.
 * An application that says what it should not: reply subjects that mean something to the bus, headers that act on a
 * stream, subjects that are none. Each time the flow beside it must go on.
 */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import {
  Ledger,
  logLines,
  metricOf,
  publishSome,
  rawClient,
  sidecarConnection,
  startConsumer,
  useBus,
} from '../../support/bus.ts';
import { until } from '../../support/tcp.ts';

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [frankfurt]}
      - name: quote
        groups:
          - {name: wall, terminals: [frankfurt]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: rogue,       terminal: frankfurt, publish: [quote], consume: [quote@wall, trade@risk]}
`);

/** The far end's group stream as its sidecar sees it. */
async function groupStream(jsm: JetStreamManager) {
  const { config, state } = await jsm.streams.info('trade@risk', { subjects_filter: '>' });
  const marker = Object.keys(state.subjects ?? {}).find((subject) => subject.startsWith('_mb.mark.')) ?? '';
  const stored = await jsm.streams.getMessage('trade@risk', { last_by_subj: marker });
  return { arrival: config.subjects[0] ?? '', marker, markerSeq: stored?.seq, lastSeq: state.last_seq };
}

/** Hexadecimal of the same length, but another. */
function guess(subject: string): string {
  return subject.replace(/[0-9a-f]{32}/, (secret) => [...secret].reverse().join(''));
}

async function flows(subject: string): Promise<void> {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await publishSome(lab(), 'acme/exchange', subject, 20, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
}

async function askWithReply(nc: NatsConnection, reply: string): Promise<void> {
  nc.publish('quote.1', 'x', { reply });
  nc.publish('$JS.API.CONSUMER.INFO.trade@risk.risk', '', { reply });
  nc.publish('$JS.API.CONSUMER.MSG.NEXT.trade@risk.risk', '{"batch":1,"no_wait":true}', { reply });
  nc.publish('$JS.API.CONSUMER.MSG.NEXT.quote@wall.wall', '{"batch":1,"expires":1000000000}', { reply });
  await nc.flush();
}

test('an answer sent to a reply subject of the bus forges no arrival and moves no marker', async () => {
  await flows('trade.first');
  const sidecar = await sidecarConnection(lab(), 'frankfurt', 'acme');
  const jsm = await jetstreamManager(sidecar);
  const before = await groupStream(jsm);
  expect(before.marker).toMatch(/^_mb\.mark\.[0-9a-f]{32}\./);
  const rogue = await lab().connect('acme/rogue');
  const named = [
    guess(before.marker),
    guess(before.arrival).replace('>', 'trade.forged'),
    '_mb.mark.0.0',
    '_mb.mark.>',
    '_mb.in.trade.forged',
    '_mb.feed.0',
    'mb.l.0.0.f',
    'mb.ctl.notice',
  ];
  for (const reply of named) await askWithReply(rogue, reply);
  // said outright it is refused, so the connection hears of it and nothing is stored
  for (const subject of [before.marker, before.arrival.replace('>', 'trade.forged')]) rogue.publish(subject, 'forged');
  await rogue.flush();
  expect(await groupStream(jsm)).toEqual(before);
  await flows('trade.after');
  expect(await metricOf(lab(), 'frankfurt', 'mbus_envelopes_refused_total')).toBe(0);
  await rogue.close();
  await sidecar.close();
});

const reserved: [string, string][] = [
  ['Nats-Rollup', 'sub'],
  ['Nats-Rollup', 'all'],
  ['Nats-TTL', '1s'],
  ['Nats-Expected-Stream', 'other'],
  ['Nats-Expected-Last-Sequence', '1'],
  ['Nats-Expected-Last-Subject-Sequence', '999'],
  ['Nats-Expected-Last-Msg-Id', 'x'],
  ['Nats-Schedule', '@at 2040-01-01T00:00:00Z'],
  ['Nats-Schedule-Target', 'trade.x'],
  ['Nats-Incr', '+1'],
  ['Nats-Batch-Id', 'b1'],
  ['Nats-Required-Api-Level', '99'],
  ['Nats-Trace-Dest', '_mb.mark.0.0'],
  ['Nats-Marker-Reason', 'Purge'],
  ['Nats-Stream-Source', 'trade 1 > > trade'],
  ['nats-rollup', 'all'],
  ['Mb-Time', '1970-01-01T00:00:00Z'],
  ['Mb-Msg-Id', 'of another'],
];

test('a reserved header is refused to its sender or left behind, and poisons nothing', async () => {
  const nc = await lab().connect('acme/exchange');
  const js = jetstream(nc);
  const accepted: string[] = [];
  for (const [n, [key, value]] of reserved.entries()) {
    const head = headers();
    head.append(key, value);
    head.append('Kept', String(n));
    await js
      .publish(`trade.h.${n}`, key, { headers: head })
      .then(() => accepted.push(`trade.h.${n}`))
      .catch(() => undefined);
  }
  await nc.close();
  expect(accepted.length).toBeGreaterThan(3);
  const far = await lab().connect('acme/risk-engine');
  const consumer = await jetstream(far).consumers.get('trade@risk', 'risk');
  const seen: string[] = [];
  while (seen.length < accepted.length) {
    const message = await consumer.next({ expires: 10_000 });
    if (message === null) break;
    seen.push(message.subject);
    const keys = [...(message.headers ?? [])].map(([key]) => key);
    expect(keys).toContain('Kept');
    // an arrival is part of an atomic batch of the bus's own
    expect(keys.filter((key) => /^nats-(?!batch-)/i.test(key))).toEqual([]);
    expect(message.headers?.get('Nats-Batch-Id')).not.toBe('b1');
    expect(keys.filter((key) => /^mb-/i.test(key))).toEqual(['Mb-Time', 'Mb-Origin']);
    expect(message.headers?.values('Mb-Time')).toHaveLength(1);
    expect(Date.parse(message.headers?.get('Mb-Time') ?? '')).toBeGreaterThan(Date.parse('2020-01-01'));
    message.ack();
  }
  expect(seen).toEqual(accepted);
  await far.close();
  await flows('trade.after');
});

const long = `trade.${'x'.repeat(3_900)}`;
const odd = [
  'trade.*',
  'trade.>',
  'trade.a*b',
  'trade.\u0001x',
  'trade.\u00a0x',
  Buffer.from([...Buffer.from('trade.'), 0xff]),
];

test('a subject that cannot travel is kept with the dead letters of its group, and what follows it travels', async () => {
  const raw = await rawClient(lab(), 'acme/exchange');
  for (const subject of [...odd, 'trade..x', 'trade.x.', long]) raw.publish(subject, 'odd');
  await raw.flush();
  raw.close();
  await flows('trade.after');
  await until(
    'the odd ones are counted',
    async () => (await metricOf(lab(), 'tokyo', 'mbus_dead_letters_total')) >= odd.length,
  );
  const lines = (await logLines(lab(), 'tokyo', 'capture.parked')).map((line) => JSON.parse(line) as { seq: number });
  expect(new Set(lines.map(({ seq }) => seq)).size).toBe(odd.length);
  const sidecar = await sidecarConnection(lab(), 'tokyo', 'acme');
  const { state } = await (await jetstreamManager(sidecar)).streams.info('mb-dlq-trade@risk', { subjects_filter: '>' });
  // the others are markers
  expect(state.subjects?.trade).toBe(odd.length);
  await sidecar.close();
});

test('a subject as long as nats-server takes arrives whole', async () => {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await publishSome(lab(), 'acme/exchange', long, 3, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
});

/**
 *   a ─── t ─── b      exchange publishes at a; trade@risk is served at b; what has the same name later is another thing
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { readBus, withControl } from '../../cli/control-verb.ts';
import { requireBus } from '../../src/config/check.ts';
import { addGroup, addTopic, type BusDraft, removeGroup, removeTopic } from '../../src/config/edit.ts';
import { labApply, labCut, labRestore, labSilence, labStatus } from '../../src/lab/index.ts';
import { Ledger, metricOf, publishSome, refreshed, sidecarConnection, startConsumer, useBus } from '../support/bus.ts';
import { until } from '../support/tcp.ts';

const declared = `
sites:
  - {name: a, mode: server, address: "a.example.net:7422"}
  - {name: t, mode: server, address: "t.example.net:7422"}
  - {name: b, mode: server, address: "b.example.net:7422"}
customers:
  - name: acme
    terminals: [a, t, b]
    links:
      - {between: [a, t]}
      - {between: [t, b]}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [b]}
          - {name: keep, terminals: [t]}
      - name: note
        groups:
          - {name: team, terminals: [b, t], policy: ordered}
    apps:
      - {name: exchange,    terminal: a, publish: [trade, note]}
      - {name: risk-engine, terminal: b, consume: [trade@risk, note@team]}
      - {name: keeper,      terminal: t, consume: [trade@keep, note@team]}
`;
const lab = useBus(declared);

const risk = { customer: 'acme', topic: 'trade', group: 'risk' };
const far = { customer: 'acme', a: 't', b: 'b' };

/** Applies a change, without the app's right to what is not there meanwhile; resolves when these sites follow it. */
async function change(edit: (bus: BusDraft) => BusDraft, sites: string[]): Promise<void> {
  const dir = { dir: lab().dir };
  const file = requireBus(edit(await readBus(dir)), 'the bus');
  const { version } = await withControl(dir, (control) => control.call('bus.apply', { file, force: true }));
  await until(
    'the sites follow',
    async () => {
      const { sites: all } = await labStatus(lab().dir);
      return all.filter(({ name }) => sites.includes(name)).every(({ report }) => (report?.applied ?? 0) >= version);
    },
    30_000,
  );
}

/** What an app may do while a topic or group is gone and afterwards. */
function withRights(bus: BusDraft, name: string, rights: { publish?: string[]; consume?: string[] }): BusDraft {
  const customers = (bus.customers ?? []).map((customer) => ({
    ...customer,
    apps: (customer.apps ?? []).map((app) => (app.name === name ? { ...app, ...rights } : app)),
  }));
  return { ...bus, customers };
}

async function messagesIn(stream: string): Promise<number> {
  const nc = await sidecarConnection(lab(), 'a', 'acme');
  const jsm = await jetstreamManager(nc);
  const { state } = await jsm.streams.info(stream);
  await nc.close();
  return state.messages;
}

/** Messages put to dead letters at a site for that reason. */
function lettersAt(site: string, reason: string): Promise<number> {
  return metricOf(lab(), site, 'mbus_dead_letters_total', `reason="${reason}"`);
}

async function arrivesAtRisk(ledger: Ledger, count: number): Promise<void> {
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  expect(await ledger.settle(30_000)).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(ledger.delivered).toBe(count);
}

test('what is under way to a group that was removed goes to the dead letters, and its namesake gets none of it', {
  timeout: 120_000,
}, async () => {
  const before = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'trade.before', 10, before);
  await arrivesAtRisk(before, 10);
  await labCut(lab().dir, { control: 'a' });
  await change((bus) => removeGroup(withRights(bus, 'risk-engine', { consume: [] }), risk), ['b', 't']);
  const kept = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'trade.gone', 30, kept);
  await until('its dead letters have them', async () => (await lettersAt('a', 'gone')) === 30, 40_000);
  await until('the capture stream is empty', async () => (await messagesIn('trade')) === 0, 20_000);
  const keeper = await startConsumer(lab(), 'acme/keeper', 'trade@keep', kept);
  expect(await kept.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await keeper.stop();

  await labRestore(lab().dir, { control: 'a' });
  const again = (bus: BusDraft): BusDraft =>
    withRights(addGroup(bus, risk, { terminals: ['b'] }), 'risk-engine', { consume: ['trade@risk'] });
  await change(again, ['a', 'b', 't']);
  const after = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'trade.after', 20, after);
  await arrivesAtRisk(after, 20);
});

test('envelopes of a topic that was deleted do not reach the one that took its name', {
  timeout: 120_000,
}, async () => {
  await labCut(lab().dir, far);
  const old = new Ledger();
  const stored = await metricOf(lab(), 't', 'mbus_transit_stored_total');
  await publishSome(lab(), 'acme/exchange', 'trade.old', 40, old);
  await until('t holds some', async () => (await metricOf(lab(), 't', 'mbus_transit_stored_total')) > stored, 20_000);
  const [customer] = (await readBus({ dir: lab().dir })).customers;
  const topic = customer?.topics.find(({ name }) => name === 'trade');
  if (topic === undefined) throw new Error('there is no topic');
  const without = (bus: BusDraft): BusDraft => {
    const bare = withRights(withRights(bus, 'exchange', { publish: ['note'] }), 'keeper', { consume: [] });
    return removeTopic(withRights(bare, 'risk-engine', { consume: [] }), 'acme', 'trade');
  };
  const again = (bus: BusDraft): BusDraft => {
    const back = withRights(addTopic(bus, 'acme', topic), 'exchange', { publish: ['trade', 'note'] });
    return withRights(withRights(back, 'keeper', { consume: ['trade@keep'] }), 'risk-engine', {
      consume: ['trade@risk'],
    });
  };
  await change(without, ['a', 'b', 't']);
  await change(again, ['a', 'b', 't']);
  const fresh = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'trade.new', 20, fresh);
  await labRestore(lab().dir, far);
  await arrivesAtRisk(fresh, 20);
  await until('t holds nothing', async () => (await metricOf(lab(), 't', 'mbus_transit_used_bytes')) === 0, 30_000);
});

test('a site that was removed and joined again under its name is another one; what was sent to the old one goes elsewhere', {
  timeout: 150_000,
}, async () => {
  const without = declared
    .replace('  - {name: b, mode: server, address: "b.example.net:7422"}\n', '')
    .replace('terminals: [a, t, b]', 'terminals: [a, t]')
    .replace('      - {between: [t, b]}\n', '')
    .replace('          - {name: risk, terminals: [b]}\n', '')
    .replace('terminals: [b, t], policy', 'terminals: [t], policy')
    .replace(/ {6}- {name: risk-engine.*\n/, '');
  await labApply(lab().dir, declared, 'bus.yaml', { force: true });
  const before = await terminalOf('b');
  await until('b serves the group', async () => (await assignedTo('note@team')) === before, 60_000);
  const ledger = new Ledger();
  await labSilence(lab().dir, far);
  await publishSome(lab(), 'acme/exchange', 'note.old', 40, ledger);
  await until('t holds them for b', async () => (await metricOf(lab(), 't', 'mbus_transit_used_bytes')) > 0, 20_000);
  await labApply(lab().dir, without, 'bus.yaml', { force: true });
  const near = await startConsumer(await refreshed(lab()), 'acme/keeper', 'note@team', ledger);
  expect(await ledger.settle(40_000)).toEqual({ lost: [], doubled: [], changed: [] });

  await labApply(lab().dir, declared, 'bus.yaml', { force: true });
  expect(await terminalOf('b')).not.toBe(before);
  const there = await startConsumer(await refreshed(lab()), 'acme/risk-engine', 'note@team', ledger);
  await publishSome(lab(), 'acme/exchange', 'note.new', 20, ledger);
  expect(await ledger.settle(40_000)).toEqual({ lost: [], doubled: [], changed: [] });
  await Promise.all([near.stop(), there.stop()]);
  expect(ledger.delivered).toBe(60);
});

/** Id of acme's terminal at a site. */
async function terminalOf(site: string): Promise<string> {
  const { names } = await labStatus(lab().dir);
  return Object.entries(names).find(([, name]) => name === `acme@${site}`)?.[0] ?? '';
}

/** Which terminal serves a group for a. */
async function assignedTo(group: string): Promise<string> {
  const { sites, names } = await labStatus(lab().dir);
  const rows = sites.find(({ name }) => name === 'a')?.report?.groups ?? [];
  return rows.find(({ groupId }) => names[groupId] === `acme/${group}`)?.assigned ?? '';
}

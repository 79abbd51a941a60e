/**
 *   tokyo ══════ frankfurt ══════ virginia       acme: exchange publishes trade at tokyo, risk consumes at frankfurt,
 *                                 (dials out)          archive at virginia or frankfurt
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import {
  labApply,
  labCut,
  labDown,
  labKill,
  labLinks,
  labRestore,
  labStart,
  labStatus,
  labUp,
} from '../../../src/lab/index.ts';
import { serversInside } from '../../../src/lab/leftovers.ts';
import { useBus } from '../../support/bus.ts';
import type { TestLab } from '../../support/lab.ts';
import { until } from '../../support/tcp.ts';

const bus = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], cost: 1}
      - {between: [virginia, frankfurt]}
    topics:
      - name: trade
        groups:
          - {name: risk,    terminals: [frankfurt]}
          - {name: archive, terminals: [virginia, frankfurt], policy: ordered}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`;

const running = useBus(bus);

async function publish(lab: TestLab, subject: string, payload: string): Promise<void> {
  const nc = await lab.connect('acme/exchange');
  const head = headers();
  head.set('Colour', 'red');
  await jetstream(nc).publish(subject, payload, { headers: head });
  await nc.close();
}

async function takeOne(lab: TestLab): Promise<{ subject: string; payload: string; colour: string | undefined }> {
  const nc = await lab.connectOlder('acme/risk-engine');
  const consumer = await nc.jetstream().consumers.get('trade@risk', 'risk');
  const message = await consumer.next({ expires: 20_000 });
  if (!message) throw new Error('nothing arrived');
  message.ack();
  await nc.flush();
  await nc.close();
  return { subject: message.subject, payload: message.string(), colour: message.headers?.get('Colour') };
}

/** The bus's own series of a daemon that docs/metrics.md does not describe, with its words. */
async function undescribed(url: string): Promise<string[]> {
  const [page, text] = await Promise.all([
    readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8'),
    fetch(url).then((response) => response.text()),
  ]);
  const series = [...text.matchAll(/^# HELP (mbus_\w+) (.*)$/gm)];
  expect(series.length).toBeGreaterThan(3);
  const rows = page.split('\n');
  return series
    .filter(([, name, help]) => !rows.some((row) => row.startsWith(`| \`${name}\` |`) && row.endsWith(`| ${help} |`)))
    .map(([line]) => line);
}

test('a message crosses from one site to another, and the links are real', async () => {
  const lab = running();
  await publish(lab, 'trade.eu.1', 'first');
  expect(await takeOne(lab)).toEqual({ subject: 'trade.eu.1', payload: 'first', colour: 'red' });
  expect(await undescribed(lab.info.sites.tokyo?.metrics ?? '')).toEqual([]);
  expect(await undescribed(lab.info.control.metrics)).toEqual([]);
  expect(existsSync(lab.info.apps['acme/exchange']?.creds ?? '')).toBe(true);
  const status = await labStatus(lab.dir);
  expect(status.replicas.map(({ consoleUrl }) => consoleUrl)).toEqual([lab.info.console]);
  expect(status.sites.map(({ name, state }) => [name, state])).toEqual(
    expect.arrayContaining([
      ['tokyo', 'joined'],
      ['frankfurt', 'joined'],
      ['virginia', 'joined'],
    ]),
  );

  const link = { customer: 'acme', a: 'tokyo', b: 'frankfurt' };
  const cut = await labCut(lab.dir, link);
  expect(cut.bytes.up).toBeGreaterThan(0);
  await publish(lab, 'trade.eu.2', 'during the cut');
  await until('the cut link is dialled again in vain', async () => {
    const now = (await labLinks(lab.dir)).find(({ link: name }) => name === cut.link);
    return now?.connections === 0;
  });
  expect((await labLinks(lab.dir)).find(({ link: name }) => name === cut.link)?.bytes).toEqual(cut.bytes);
  await labRestore(lab.dir, link);
  expect((await takeOne(lab)).payload).toBe('during the cut');

  await expect(labUp({ text: bus, fileName: 'bus.yaml', dir: lab.dir })).rejects.toMatchObject({
    code: 'E_LAB_RUNNING',
  });
});

test('a killed part comes back where it was', async () => {
  const lab = running();
  await labKill(lab.dir, 'tokyo', 'sidecar');
  await labKill(lab.dir, 'frankfurt', 'sidecar');
  await publish(lab, 'trade.1', 'while the sidecar is dead');
  const said: string[] = [];
  await labStart(lab.dir, 'tokyo', 'sidecar', (line) => said.push(line));
  expect(said).toEqual([expect.stringMatching(/^tokyo is ready; acme: link to frankfurt is /)]);
  await labStart(lab.dir, 'frankfurt', 'sidecar');
  expect((await takeOne(lab)).payload).toBe('while the sidecar is dead');
  await labKill(lab.dir, 'frankfurt', 'server');
  await labStart(lab.dir, 'frankfurt', 'server');
  await publish(lab, 'trade.2', 'after the server died');
  expect((await takeOne(lab)).payload).toBe('after the server died');
  await labKill(lab.dir, 'control');
  expect(await serversInside(join(lab.dir, 'control'))).toEqual([]);
  await labStart(lab.dir, 'control');
  expect((await labStatus(lab.dir)).sites).toHaveLength(3);
});

test('a changed file starts what is new, stops what is gone, and restarts nothing', async () => {
  const lab = running();
  const servers = async (): Promise<number[]> => (await serversInside(join(lab.dir, 'sites'))).sort();
  const before = await servers();
  const changed = bus
    .replace('customers:', '  - {name: osaka, mode: client}\ncustomers:')
    .replace('[tokyo, frankfurt, virginia]\n', '[tokyo, frankfurt, virginia, osaka]\n')
    .replace('    topics:', '      - {between: [osaka, tokyo]}\n    topics:')
    .replace('    apps:', '      - name: quote\n        groups: [{name: desk, terminals: [osaka]}]\n    apps:')
    .replace('publish: [trade]', 'publish: [trade, quote]');
  const { changes } = await labApply(lab.dir, changed, 'bus.yaml');
  expect(changes.map(({ action, noun, name }) => `${action} ${noun} ${name}`)).toContain('add site osaka');
  expect(await servers()).toEqual(expect.arrayContaining(before));
  expect(await servers()).toHaveLength(before.length + 1);
  await publish(lab, 'quote.1', 'the new topic takes messages at once');
  await labApply(lab.dir, bus, 'bus.yaml', { force: true });
  expect(await servers()).toEqual(before);
  expect((await labLinks(lab.dir)).map(({ link }) => link)).not.toContain('link/acme/osaka/tokyo');
});

test('all of it goes away', async () => {
  const { dir } = running();
  expect(await serversInside(dir)).not.toEqual([]);
  await labDown(dir);
  expect(existsSync(dir)).toBe(false);
  expect(await serversInside(dir)).toEqual([]);
});

test('of two that start a lab in one directory, one does', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'mbus-lab-'));
  const dir = join(parent, 'lab');
  const alone = 'sites: [{name: tokyo, mode: server, address: "tokyo.example.net:7422"}]';
  const outcomes = await Promise.allSettled([1, 2].map(() => labUp({ text: alone, fileName: 'bus.yaml', dir })));
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'E_LAB_RUNNING' } });
  expect((await labStatus(dir)).sites).toHaveLength(1);
  await labDown(dir);
  await rm(parent, { recursive: true });
});

test('a part that does not start is named with its log, and nothing is left behind', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'mbus-lab-'));
  const dir = join(parent, 'lab');
  const failure = labUp({ text: bus, fileName: 'bus.yaml', dir, readyMs: 1 });
  await expect(failure).rejects.toMatchObject({ code: 'E_LAB_START' });
  await expect(failure).rejects.toThrow(/(daemon|control): not ready after 1 ms/);
  expect(existsSync(dir)).toBe(false);
  expect(await serversInside(parent)).toEqual([]);
  await rm(parent, { recursive: true });
});

/**
 *   exchange ─▶ tokyo ════ frankfurt ─▶ risk-engine        acme: trade for risk and archive
 *                              ║
 *                          virginia ─▶ archiver
 *
 * Sites that run different builds. The other builds are made from a copy of the source in which one line says which formats
 * they read; `mbus lab start` of a build starts a part with that build.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { buildBroken } from '../../../campaign/broken.ts';
import { FORMATS } from '../../../src/envelope/index.ts';
import { labKill, labStart } from '../../../src/lab/index.ts';
import type { Stuck } from '../../../src/status/index.ts';
import { Ledger, metricOf, publishSome, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { mbusHere, mbusJsonHere } from '../../support/cli.ts';
import { until } from '../../support/tcp.ts';

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt]}
      - {between: [virginia, frankfurt]}
    topics:
      - name: trade
        groups: [{name: risk, terminals: [frankfurt]}, {name: archive, terminals: [virginia]}]
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: archiver,    terminal: virginia,  consume: [trade@archive]}
`);

vi.setConfig({ testTimeout: 240_000 });
const sites = ['tokyo', 'frankfurt', 'virginia'];
const { max } = FORMATS;
let builds: string;

/** A build that reads these formats, beside this one. */
async function build(name: string, formats: { min: number; max: number }): Promise<void> {
  const line = (range: { min: number; max: number }): string =>
    `export const FORMATS: FormatRange = { min: ${range.min}, max: ${range.max} };`;
  const edits = [{ from: line(FORMATS), to: line(formats) }];
  await buildBroken(join(builds, name), { what: '', file: 'src/envelope/wire.ts', edits });
}

beforeAll(async () => {
  builds = await mkdtemp(join(tmpdir(), 'mbus-builds-'));
  await build('next', { min: max, max: max + 1 });
  await build('after-next', { min: max + 1, max: max + 2 });
});

afterAll(() => rm(builds, { recursive: true, force: true }));

/** Puts another build into a site's place, as an operator does: one process ends, the other begins. */
async function upgrade(site: string, name: string): Promise<void> {
  await labKill(lab().dir, site, 'sidecar');
  const program = join(builds, name, 'cli/mbus.js');
  await promisify(execFile)(process.execPath, [program, 'lab', 'start', '--dir', lab().dir, site, 'sidecar']);
}

async function back(site: string): Promise<void> {
  await labKill(lab().dir, site, 'sidecar');
  await labStart(lab().dir, site, 'sidecar');
}

async function untilWritten(format: number, at: readonly string[]): Promise<void> {
  const isWritten = async (): Promise<boolean> => {
    const each = await Promise.all(at.map((site) => metricOf(lab(), site, 'mbus_envelope_format', 'customer="acme"')));
    return each.every((written) => written === format);
  };
  await until(`format ${format} is written at ${at}`, isWritten, 60_000);
}

test('sites are upgraded one by one while messages flow, and one goes back', async () => {
  const [risk, archive] = [new Ledger(), new Ledger()];
  // both groups get each message
  const acked = risk.acked;
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 50,
    ledger: risk,
  });
  const consumers = [
    await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', risk),
    await startConsumer(lab(), 'acme/archiver', 'trade@archive', archive),
  ];
  await untilWritten(max, sites);
  await upgrade('frankfurt', 'next');
  await untilWritten(max, sites);
  expect((await mbusHere(['doctor', '--dir', lab().dir])).stdout).toContain(
    `tokyo reads format ${max}, other sites format ${max + 1}`,
  );
  await upgrade('tokyo', 'next');
  await upgrade('virginia', 'next');
  await untilWritten(max + 1, sites);
  const sofar = archive.delivered;
  await until('messages cross in the newer format', async () => archive.delivered > sofar + 100, 30_000);
  await back('virginia');
  await untilWritten(max, sites);
  await publisher.stop();
  for (const id of acked) archive.acked.add(id);
  expect(await risk.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(await archive.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  for (const consumer of consumers) await consumer.stop();
  for (const site of ['tokyo', 'frankfurt']) await back(site);
  await untilWritten(max, sites);
});

test('a site two versions on gets nothing until the others have followed: it waits, and status says so', async () => {
  const [risk, archive] = [new Ledger(), new Ledger()];
  await upgrade('virginia', 'after-next');
  const isKnown = async (): Promise<boolean> => {
    const { stdout } = await mbusHere(['doctor', '--dir', lab().dir]);
    return stdout.includes(`tokyo reads format ${max}, other sites format ${max + 2}`);
  };
  await until('its formats are known', isKnown, 60_000);
  await publishSome(lab(), 'acme/exchange', 'trade.y', 40, risk);
  for (const id of risk.acked) archive.acked.add(id);
  const rows = async (): Promise<Stuck[]> =>
    (await mbusJsonHere<{ stuck: Stuck[] }>(['status', '--dir', lab().dir])).stuck.filter(
      ({ cause, name }) => cause === 'version' && name === 'acme/trade@archive',
    );
  await until('status says so', async () => (await rows()).length === 1, 60_000);
  expect((await rows())[0]?.text).toMatch(
    new RegExp(
      `waiting at tokyo for virginia.*E_VERSION_APART: virginia reads formats ${max + 1} to ${max + 2}.*writes format ${max}`,
    ),
  );
  const consumers = [await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', risk)];
  expect(await risk.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  // the others follow by one version, which has a format in common with both
  await upgrade('frankfurt', 'next');
  await upgrade('tokyo', 'next');
  await untilWritten(max + 1, sites);
  consumers.push(await startConsumer(lab(), 'acme/archiver', 'trade@archive', archive));
  expect(await archive.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  for (const consumer of consumers) await consumer.stop();
});

/**
 *   exchange ─▶ tokyo ════ frankfurt ─▶ risk-engine        acme: trade for risk and archive, small for one who lags
 *                              ║
 *                          virginia ─▶ archiver
 *
 * What `mbus status` says of each thing that stands still: its cause, and a line that names the place.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AckPolicy, jetstream } from '@nats-io/jetstream';
import { expect, test, vi } from 'vitest';
import { labCut, labKill, labRestore, labSilence, labStart } from '../../../src/lab/index.ts';
import type { Status, Stuck } from '../../../src/status/index.ts';
import { Ledger, metricOf, publishSome, useBus } from '../../support/bus.ts';
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
        groups:
          - {name: risk,    terminals: [frankfurt], ackWaitMs: 2000}
          - {name: archive, terminals: [virginia]}
      - name: small
        maxBytes: 65536
        groups: [{name: slow, terminals: [tokyo], maxBytes: 65536}]
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade, small]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: archiver,    terminal: virginia,  consume: [trade@archive]}
`);

const withinMs = 60_000;
vi.setConfig({ testTimeout: 180_000 });
const acmeLink = { customer: 'acme', a: 'frankfurt', b: 'virginia' };

async function stuck(filter: string[] = []): Promise<Stuck[]> {
  return (await mbusJsonHere<{ stuck: Stuck[] }>(['status', '--dir', lab().dir, ...filter])).stuck;
}

/** Waits for a row of one of these causes and that name, whose line says so, and answers it. */
async function lineOf(cause: Stuck['cause'] | Stuck['cause'][], name: string, says = /./): Promise<string> {
  let found: Stuck | undefined;
  const isThere = async (): Promise<boolean> => {
    found = (await stuck()).find(
      (row) => [cause].flat().includes(row.cause) && row.name === name && says.test(row.text),
    );
    return found !== undefined;
  };
  await until(`${name} is ${cause}`, isThere, withinMs);
  return found?.text ?? '';
}

async function untilGone(name: string, ...causes: Stuck['cause'][]): Promise<void> {
  const isGone = async (): Promise<boolean> =>
    !(await stuck()).some((row) => row.name === name && causes.includes(row.cause));
  await until(`${name} is stuck no more`, isGone, withinMs);
}

test('no consumers, then a consumer that acknowledges nothing, then one that does', async () => {
  await publishSome(lab(), 'acme/exchange', 'trade.x', 20, new Ledger());
  expect(await lineOf('no-consumers', 'acme/trade@risk')).toMatch(/^acme\/trade@risk: 20 waiting at frankfurt/);
  const labels = 'customer="acme",topic="trade",group="risk"';
  expect(await metricOf(lab(), 'frankfurt', 'mbus_group_pending_messages', labels)).toBe(20);
  const nc = await lab().connect('acme/risk-engine');
  const consumer = await jetstream(nc).consumers.get('trade@risk', 'risk');
  expect((await consumer.info()).config.ack_policy).toBe(AckPolicy.Explicit);
  const taken = await consumer.consume({ callback: () => {} });
  expect(await lineOf('not-acknowledging', 'acme/trade@risk')).toMatch(/consumers at frankfurt acknowledge nothing/);
  await taken.close();
  const taking = await consumer.consume({ callback: (message) => message.ack() });
  await untilGone('acme/trade@risk', 'no-consumers', 'not-acknowledging');
  await taking.close();
});

test('a link that is silent, one that is cut, and what waits for them', async () => {
  await labSilence(lab().dir, acmeLink);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 5, new Ledger());
  await lineOf('link-silent', 'acme/frankfurt-virginia');
  // a server closes in the end what is silent
  const waits = await lineOf(['link-silent', 'link-cut'], 'acme/trade@archive');
  expect(waits).toMatch(/waiting at tokyo for virginia.*link frankfurt-virginia (silent|cut) since \d\d:\d\d/);
  await labRestore(lab().dir, acmeLink);
  await untilGone('acme/trade@archive', 'link-silent', 'link-cut');
  await labCut(lab().dir, acmeLink);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 5, new Ledger());
  expect(await lineOf('link-cut', 'acme/trade@archive')).toContain('link frankfurt-virginia cut since');
  const labels = 'customer="acme",topic="trade",group="archive"';
  expect(await metricOf(lab(), 'tokyo', 'mbus_group_outgoing_messages', labels)).toBeGreaterThan(0);
  const { stdout } = await mbusHere(['status', '--dir', lab().dir, '--group', 'trade@archive']);
  expect(stdout).toContain('stuck\n  acme/trade@archive: ');
  expect(stdout).not.toContain('trade@risk');
  await labRestore(lab().dir, acmeLink);
  await untilGone('acme/trade@archive', 'link-cut');
});

test('a sidecar that is down', async () => {
  await labKill(lab().dir, 'virginia', 'sidecar');
  const line = await lineOf('sidecar-down', 'virginia');
  expect(line).toMatch(/^virginia: sidecar down: no report for .*frankfurt reaches its nats-server/);
  const here = await mbusHere(['doctor', '--dir', join(lab().dir, 'sites/virginia')]);
  expect({ code: here.code, stderr: here.stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('E_UNWELL'),
  });
  expect(here.stdout).toMatch(/✗ sidecar \(virginia\): does not run.*\n {4}Start it: mbus sidecar run/);
  const { stdout } = await mbusHere(['doctor', '--dir', lab().dir]);
  expect(stdout).toMatch(/✗ traffic \(virginia\): virginia: sidecar down/);
  await labStart(lab().dir, 'virginia', 'sidecar');
  await untilGone('virginia', 'sidecar-down');
  const well = await mbusHere(['doctor', '--all', '--dir', join(lab().dir, 'sites/virginia')]);
  expect(well).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ sidecar (virginia): runs') });
});

test('a stream that is full', async () => {
  const nc = await lab().connect('acme/exchange');
  const js = jetstream(nc);
  const fill = async (): Promise<never> => {
    for (;;) await js.publish('small.x', new Uint8Array(500));
  };
  await expect(fill()).rejects.toThrow(/maximum bytes/);
  const rows = async (): Promise<Stuck[]> => (await stuck()).filter(({ cause }) => cause === 'stream-full');
  await until('both streams are shown full', async () => (await rows()).length > 0, withinMs);
  expect((await rows()).map(({ text }) => text).join('\n')).toMatch(/acme\/small.* full at tokyo/);
});

test('a terminal that gets no tickets', async () => {
  const at = join(lab().dir, 'sites/tokyo/terminals');
  const [terminal = ''] = await readdir(at);
  const key = join(at, terminal, 'securekey');
  const own = await readFile(key);
  const restartWith = async (bytes: Uint8Array): Promise<void> => {
    await labKill(lab().dir, 'tokyo', 'sidecar');
    await writeFile(key, bytes);
    await labStart(lab().dir, 'tokyo', 'sidecar');
  };
  // not the one that the key service knows
  await restartWith(randomBytes(32));
  await publishSome(lab(), 'acme/exchange', 'trade.x', 5, new Ledger());
  expect(await lineOf('ticket-refused', 'acme/trade@archive')).toMatch(/waiting at tokyo for virginia.*E_KEY_REFUSED/);
  await restartWith(own);
  await untilGone('acme/trade@archive', 'ticket-refused');
});

test('a configuration that a site cannot apply', async () => {
  const plan = join(lab().dir, 'sites/virginia/nats/plan.json');
  await rename(plan, `${plan}.away`);
  await mkdir(join(plan, 'in-the-way'), { recursive: true });
  const link = ['link', 'set', 'acme', 'virginia', 'frankfurt'];
  expect((await mbusHere([...link, '--cost', '7', '--dir', lab().dir])).code).toBe(0);
  // the report after the first has the reason
  const reason = /^virginia: configuration \d+ is not yet applied, configuration \d+ is: E_\w+: .*EISDIR/;
  await lineOf('not-applied', 'virginia', reason);
  await rm(plan, { recursive: true });
  await rename(`${plan}.away`, plan);
  await untilGone('virginia', 'not-applied');
});

test('a terminal that is revoked', async () => {
  expect((await mbusHere(['terminal', 'revoke', 'acme/virginia', '--dir', lab().dir])).code).toBe(0);
  // what is published before tokyo knows may still arrive
  const isKnown = async (): Promise<boolean> => {
    const { version, sites } = await mbusJsonHere<Status>(['status', '--dir', lab().dir]);
    return sites.find(({ name }) => name === 'tokyo')?.report?.applied === version;
  };
  await until('tokyo knows', isKnown, withinMs);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 5, new Ledger());
  expect(await lineOf('revoked', 'acme/trade@archive')).toContain('terminal virginia is revoked');
});

test('the control plane is away: a site says so itself, and that it goes on', async () => {
  const url = lab().info.sites.tokyo?.metrics ?? '';
  const own = async (): Promise<Stuck[]> =>
    (await mbusJsonHere<{ stuck: Stuck[] }>(['status', '--sidecar', url])).stuck;
  await labKill(lab().dir, 'control', undefined);
  const isTold = async (): Promise<boolean> =>
    (await own()).some(({ cause, name }) => cause === 'key-service-away' && name === 'tokyo');
  await until('tokyo misses the control plane', isTold, withinMs);
  expect((await mbusHere(['doctor', '--dir', lab().dir])).stdout).toContain('✗ control plane');
  await labStart(lab().dir, 'control', undefined);
  await until('tokyo hears it again', async () => !(await isTold()), withinMs);
});

/**
 * The fork: feeder publishes job and rush at origin; both groups are served at east and west. job@work waits for a terminal
 * that stays away, rush@fast gives it up after 2 s.
 */
import { expect, test } from 'vitest';
import { withControl } from '../../../cli/control-verb.ts';
import { labCut, labKill, labRestore, labSilence, labStart, labStatus } from '../../../src/lab/index.ts';
import { Ledger, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { mbus } from '../../support/cli.ts';
import { untilHandedOver } from '../../support/reports.ts';
import { until } from '../../support/tcp.ts';
import { fork } from '../../support/topologies.ts';

const lab = useBus(`${fork}    topics:
      - name: job
        groups:
          - {name: work, terminals: [east, west]}
      - name: rush
        groups:
          - {name: fast, terminals: [east, west], onTerminalLoss: reassign, reassignAfterMs: 2000}
    apps:
      - {name: feeder,      terminal: origin, publish: [job, rush]}
      - {name: west-worker, terminal: west,   consume: [job@work, rush@fast]}
`);

const link = (a: string, b: string) => ({ customer: 'acme', a, b });

async function groupAt(site: string, name: string) {
  const { sites, names } = await labStatus(lab().dir);
  const rows = sites.find((each) => each.name === site)?.report?.groups ?? [];
  return rows.find(({ groupId }) => names[groupId] === `acme/${name}`);
}

/** It is the nearest; which of the two came up first does not matter. */
async function untilEastServes(group: string): Promise<void> {
  await until(
    'east serves the group',
    async () => {
      const { names } = await labStatus(lab().dir);
      return names[(await groupAt('origin', group))?.assigned ?? ''] === 'acme@east';
    },
    60_000,
  );
}

/** East stores what is published and then dies, before any of its receipts has come back. */
async function dieWith(subject: string, count: number, ledger: Ledger): Promise<void> {
  const [topic = '', group = ''] = subject === 'job.b' ? ['job', 'job@work'] : ['rush', 'rush@fast'];
  await untilHandedOver(lab(), 'origin', group);
  const { dir } = lab();
  await labCut(dir, link('east', 'west'));
  const before = (await groupAt('east', group))?.pending ?? 0;
  // east dials, so this is the way of the receipts
  await labSilence(dir, link('origin', 'east'), 'up');
  await publishSome(lab(), 'acme/feeder', subject, count, ledger);
  await until(`east has ${topic}`, async () => (await groupAt('east', group))?.pending === before + count, 20_000);
  // what the silenced link holds back goes with it
  await labCut(dir, link('origin', 'east'));
  await labKill(dir, 'east', 'sidecar');
  await labKill(dir, 'east', 'server');
  await labRestore(dir, link('origin', 'east'));
  await labRestore(dir, link('east', 'west'));
}

test('a terminal that is forgotten: its part goes to the others once, and it empties itself when it is back', {
  timeout: 180_000,
}, async () => {
  await untilEastServes('job@work');
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/feeder', 'job.a', 100, ledger);
  await until('east has them', async () => (await groupAt('east', 'job@work'))?.pending === 100, 20_000);
  await dieWith('job.b', 50, ledger);
  const out = { terminalId: expect.any(String), messages: 50 };
  await until('origin waits for it', async () => (await groupAt('origin', 'job@work'))?.outgoing === 50, 20_000);
  expect((await groupAt('origin', 'job@work'))?.awaited).toEqual([out]);

  const asked = await mbus(['terminal', 'forget', 'acme/east', '--dir', lab().dir]);
  expect(asked.code).toBe(1);
  expect(asked.stderr).toContain(
    'up to 50 messages sent to acme/east may arrive twice\n  50 of acme/job@work from origin',
  );
  expect(asked.stderr).toContain('150 messages wait on its disk');
  expect((await labStatus(lab().dir)).forgotten).toEqual([]);

  const consumer = await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger);
  const done = await mbus(['terminal', 'forget', 'acme/east', '--accept-duplicates', '--json', '--dir', lab().dir]);
  expect(done.code, done.stderr).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({ terminal: 'acme/east', isForgotten: true });
  await until('west has what east may have', () => ledger.missing().length === 100, 30_000);
  expect(ledger.verdict().doubled).toEqual([]);
  expect((await labStatus(lab().dir)).forgotten).toEqual(['acme/east']);
  const { rows } = await withControl({ dir: lab().dir }, (control) => control.call('audit.list', { limit: 5 }));
  expect(rows.find(({ action }) => action === 'terminal.forget')).toMatchObject({ noun: 'acme/east' });

  await labStart(lab().dir, 'east', 'server');
  await labStart(lab().dir, 'east', 'sidecar');
  await until('what east had receipted comes too', () => ledger.missing().length === 0, 60_000);
  await until('east is empty', async () => (await groupAt('east', 'job@work'))?.pending === 0, 30_000);
  const { sites } = await labStatus(lab().dir);
  const problems = sites.find(({ name }) => name === 'east')?.report?.problems ?? [];
  expect(problems.map(({ code }) => code)).toContain('E_TERMINAL_FORGOTTEN');
  expect(ledger.doubledCount).toBe(50);
  await publishSome(lab(), 'acme/feeder', 'job.c', 20, ledger);
  await until('new ones go to west', () => ledger.missing().length === 0, 30_000);
  await consumer.stop();

  const back = await mbus(['terminal', 'undrain', 'acme/east', '--dir', lab().dir]);
  expect(back.code, back.stderr).toBe(0);
  expect((await labStatus(lab().dir)).forgotten).toEqual([]);
});

test('a group that says so gives a terminal up by itself, and loses nothing of what went to it', {
  timeout: 120_000,
}, async () => {
  await untilEastServes('rush@fast');
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/feeder', 'rush.a', 20, ledger);
  await until('east has them', async () => (await groupAt('east', 'rush@fast'))?.pending === 20, 60_000);
  const late = new Ledger();
  await dieWith('rush.b', 40, late);
  const consumer = await startConsumer(lab(), 'acme/west-worker', 'rush@fast', late);
  await publishSome(lab(), 'acme/feeder', 'rush.c', 10, late);
  expect(await late.settle(40_000)).toEqual({ lost: [], doubled: [], changed: [] });
  await untilHandedOver(lab(), 'origin', 'rush@fast');
  await consumer.stop();
});

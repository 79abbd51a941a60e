/** A site whose control plane goes away before its configuration is applied. */
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { labCut, labKill, labRestore, labStart } from '../../../src/lab/index.ts';
import { Ledger, logLines, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { until } from '../../support/tcp.ts';

const lab = useBus(`
sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo]
    topics:
      - {name: trade, groups: [{name: risk, terminals: [tokyo]}]}
    apps:
      - {name: exchange,    terminal: tokyo, publish: [trade]}
      - {name: risk-engine, terminal: tokyo, consume: [trade@risk]}
`);

test('a configuration that could not be applied in full is, without the control plane', {
  timeout: 90_000,
}, async () => {
  const dir = join(lab().dir, 'sites', 'tokyo');
  const [terminal = ''] = await readdir(join(dir, 'terminals'));
  const key = join(dir, 'terminals', terminal, 'securekey');
  await labKill(lab().dir, 'tokyo', 'sidecar');
  // no configuration of its own, and a terminal that cannot start
  await rm(join(dir, 'snapshot.json'));
  await rename(key, `${key}.away`);
  await mkdir(key);
  const ready = labStart(lab().dir, 'tokyo', 'sidecar');
  const failures = () => logLines(lab(), 'tokyo', 'EISDIR');
  await until('it cannot apply what it got', async () => (await failures()).length > 0, 30_000);
  await labCut(lab().dir, { control: 'tokyo' });
  await rmdir(key);
  await rename(`${key}.away`, key);
  await ready;
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await publishSome(lab(), 'acme/exchange', 'trade', 20, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  await labRestore(lab().dir, { control: 'tokyo' });
});

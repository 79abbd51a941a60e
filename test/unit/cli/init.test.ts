import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mbusJson } from '../../support/cli.ts';

async function initialised(args: string[]): Promise<Record<string, string>> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-test-init-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await mbusJson(['init', '--dir', join(dir, 'control'), ...args]);
  return JSON.parse(await readFile(join(dir, 'control/control.json'), 'utf8'));
}

test('init writes every address of a replica as it was given', async () => {
  const file = await initialised([
    ...['--listen', '0.0.0.0:7432', '--leaf-listen', '0.0.0.0:7433', '--cluster-listen', '10.0.0.2:7434'],
    ...['--advertise', 'two.example.net:7433', '--advertise-client', 'admin.example.net:7440'],
    ...['--advertise-cluster', '10.0.0.9:7434'],
  ]);
  expect(file).toMatchObject({
    clusterListen: '10.0.0.2:7434',
    advertise: 'two.example.net:7433',
    advertiseClient: 'admin.example.net:7440',
    advertiseCluster: '10.0.0.9:7434',
  });
});

test('init lets the host of --advertise stand for the listeners that name none', async () => {
  const file = await initialised(['--leaf-listen', '127.0.0.1:7433', '--advertise', 'bus.example.net:7433']);
  expect(file.advertiseClient).toMatch(/^bus\.example\.net:\d+$/);
  expect(file.advertiseCluster).toMatch(/^bus\.example\.net:\d+$/);
});

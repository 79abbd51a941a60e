/**
 * The campaign in short: three sites, two customers, plain clients in processes of their own, half a minute of faults with a
 * fixed seed. The long ones are run by hand (docs/campaign.md).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { CampaignDocument } from '../../campaign/report.ts';

const program = new URL('../../campaign/main.ts', import.meta.url).pathname;
const options = ['--seed', '11', '--sites', '3', '--minutes', '0.4', '--rate', '25', '--drain', '120'];
const faults = 'kill-sidecar,pause-sidecar,kill-consumers,kill-control,pause-postgres,link,change';

test('half a minute of faults loses, doubles, changes and leaks nothing', { timeout: 240_000, retry: 0 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...options, '--faults', faults, '--json'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const document = JSON.parse(stdout) as CampaignDocument;
  expect(document).toMatchObject({ ok: true, anomalies: [], kept: null });
  expect(document.total).toMatchObject({ lost: 0, duplicated: 0, changed: 0, leaked: 0, unexpected: 0 });
  expect(document.total.delivered).toBeGreaterThan(1_000);
  expect(Object.values(document.faults).reduce((sum, { injected }) => sum + injected, 0)).toBeGreaterThan(4);
});

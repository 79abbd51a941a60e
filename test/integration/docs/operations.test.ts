/**
 * docs/operations.md and docs/redundant-site.md, command by command: control plane with a database of its own, a second replica, backup
 * and restore, a site that joins, and units. What stands for other machines is moved into one directory, each place of the
 * page to a place of its own.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pastedBlocks } from '../../support/doc-blocks.ts';
import { freePort } from '../../support/nats-server.ts';
import { useDesk } from '../../support/paste.ts';
import { startPostgres } from '../../support/postgres.ts';

const desk = useDesk(['control', 'lost', 'two', 'site']);

/** Hosts and ports of one machine, exchanged for free ports of this one. */
async function moved(text: string): Promise<string> {
  const ports = new Map<string, number>();
  const address = /\b(?:[\w-]+\.bus\.example\.net|bus\.example\.net|\d+\.\d+\.\d+\.\d+):(\d+)\b/g;
  for (const [, port = ''] of text.matchAll(address)) if (!ports.has(port)) ports.set(port, await freePort());
  return text.replace(address, (_, port: string) => `127.0.0.1:${ports.get(port)}`);
}

/** The page's directories, in this one; the second replica has a directory of its own. */
function places(block: string): string {
  const control = block.includes('--cluster-listen') ? './two' : './control';
  return block
    .replaceAll('/var/lib/mbus-site', './site')
    .replaceAll('/var/lib/mbus', control)
    .replace(/\/(backup|etc\/mbus)\//g, './')
    .replaceAll('/safe/', './lost/')
    .replaceAll(/mbus (control|site) install/g, 'mbus $1 install --unit-dir ./units')
    .replace('mbus backup create', 'DATABASE_URL=postgres://mbus:…@db:5432/mbus mbus backup create')
    .replace('mbus site join', `mbus site join --listen 127.0.0.1:0`);
}

/** Daemons go to the background, and are waited for. */
function inBackground(block: string): string {
  return block
    .replace(
      /^((?:\w+=\S+ )?mbus control run .*)$/gm,
      '$1 2>> control.log & control=$!\nuntil mbus status --dir ./control > status.txt 2> status.err; do sleep 1; done',
    )
    .replace(/^(mbus sidecar run (?!.*--seat).*)$/gm, '$1 2>> sidecar.log & sidecar=$!')
    .replace(/^(mbus sidecar run .*--seat \d .*)$/gm, '$1 2>> seat.log &');
}

test('the pages as they stand', { timeout: 500_000 }, async () => {
  const postgres = await startPostgres();
  try {
    const url = await postgres.createEmptyDatabase();
    await copyFile(new URL('../../../examples/bus.yaml', import.meta.url), join(desk().root, 'bus.yaml'));
    const operations = await Promise.all(
      pastedBlocks('docs/operations.md').map(async (block) => {
        // the machine is lost
        const before = block.includes('backup restore') ? 'kill $control; wait $control; mv ./control ./lost\n' : '';
        const after = block.includes('lab up') ? 'mbus lab down --dir ./lab\n' : '';
        const here = inBackground(places(block));
        return `${before}${here.includes('./two') ? await moved(here) : here}${after}`;
      }),
    );
    const seats = pastedBlocks('docs/redundant-site.md').map((block) => inBackground(places(block)));
    const script = (
      await moved(
        [
          ...operations,
          'kill $sidecar; wait $sidecar',
          ...seats,
          "until grep -qE 'sidecar.started|lease.standby' seat.log; do sleep 1; done",
          'kill $(jobs -p); wait',
          'mbus site server --dir ./site --stop',
        ].join('\n'),
      )
    ).replaceAll('postgres://mbus:…@db:5432/mbus', url);
    const { code, stdout, stderr } = await desk().paste(script);
    expect(`${code} ${stdout} ${stderr}`).toMatch(/^0 /);
    expect(stdout).toContain('joined tokyo');
    expect(stdout).toMatch(/units\/mbus-control\.service/);
    expect(stdout).toMatch(/units\/mbus-site-tokyo\.service/);
    expect(stdout).toContain('nats-server of tokyo is stopped');
  } finally {
    await postgres.stop();
  }
});

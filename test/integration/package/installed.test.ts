/** The published package, installed into an empty folder: it brings up a lab there and carries a message between two sites. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const repository = new URL('../../..', import.meta.url).pathname;
const yaml = `
sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422"}
  - {name: osaka, mode: client}
customers:
  - name: acme
    terminals: [tokyo, osaka]
    links: [{between: [tokyo, osaka]}]
    topics: [{name: trade, groups: [{name: risk, terminals: [osaka]}]}]
    apps:
      - {name: exchange, terminal: tokyo, publish: [trade]}
      - {name: risk, terminal: osaka, consume: [trade@risk]}
`;

let folder: string;

/** The installed command, in the folder, as somebody without a checkout has it. */
async function mbus(...args: string[]): Promise<string> {
  const { stdout } = await run(join(folder, 'node_modules/.bin/mbus'), args, { cwd: folder, timeout: 180_000 });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mbus-package-'));
  // prepack builds it
  await run('npm', ['pack', '--pack-destination', folder], { cwd: repository });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', '--prefix', folder, join(folder, tarball ?? '')],
    { cwd: folder },
  );
}, 600_000);

afterAll(async () => {
  await mbus('lab', 'down', '--dir', './lab').catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

test('pages of the manual come with it, and nothing of the repository is needed', async () => {
  expect(await mbus('help', 'concepts')).toMatch(/^# Concepts/);
  expect(await mbus('explain', 'E_LINK_DOWN')).toContain('E_LINK_DOWN');
});

test('a lab runs in the folder, and a message crosses it', { timeout: 400_000 }, async () => {
  await writeFile(join(folder, 'bus.yaml'), yaml);
  const { console } = JSON.parse(await mbus('lab', 'up', 'bus.yaml', '--dir', './lab', '--json')) as {
    console: string;
  };
  for (const file of ['', 'main.js', 'style.css']) expect((await fetch(`${console}/${file}`)).status, file).toBe(200);
  await mbus('pub', 'trade.x', 'hello', '--dir', './lab', '--app', 'acme/exchange');
  const got = await mbus(
    'sub',
    'trade@risk',
    '--dir',
    './lab',
    '--app',
    'acme/risk',
    '--count',
    '1',
    '--timeout-ms',
    '60000',
    '--json',
  );
  expect(JSON.parse(got)).toMatchObject({ subject: 'trade.x', data: 'hello' });
  expect(await mbus('lab', 'down', '--dir', './lab')).toContain('stopped');
});

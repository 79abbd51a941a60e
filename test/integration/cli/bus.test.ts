/**
 * The command line against a running bus.
 *
 *   exchange ─▶ tokyo (server) ══════ frankfurt (server) ─▶ risk-engine
 *                     ╲
 *                      ╲═══ osaka (client), joined by hand
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { ResponseOf } from '../../../src/api/methods.ts';
import { type LabInfo, labDown, labUp } from '../../../src/lab/index.ts';
import { findRunning } from '../../../src/server/index.ts';
import { mbus, mbusHere, mbusJson, mbusJsonHere } from '../../support/cli.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

type Applied = ResponseOf<'bus.apply'>;
type Status = ResponseOf<'bus.status'>;

const busFile = `sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links: [{between: [tokyo, frankfurt]}]
    topics:
      - {name: trade, groups: [{name: risk, terminals: [frankfurt]}]}
    apps:
      - {name: exchange, terminal: tokyo, publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`;

// each step is a process of its own, which a busy machine makes slow
vi.setConfig({ testTimeout: 180_000 });

let root: string;
let lab: string;
let info: LabInfo;
const children: ChildProcess[] = [];

beforeAll(async () => {
  root = await makeTempDir('mbus-cli-');
  lab = join(root, 'lab');
  info = await labUp({ text: busFile, fileName: 'bus.yaml', dir: lab });
});

afterEach(async () => {
  for (const child of children.splice(0)) await ended(child, 'SIGTERM');
});

afterAll(async () => {
  await labDown(lab);
  await rm(root, { recursive: true, force: true });
});

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode;
}

const exchange = ['--app', 'acme/exchange'];
const riskEngine = ['--app', 'acme/risk-engine'];
const inLab = (...args: string[]): string[] => [...args, '--dir', lab];
const status = (): Promise<Status> => mbusJsonHere<Status>(inLab('status'));

test('what pub stores in one LAN, sub gets in the other, unchanged', async () => {
  const payload = Buffer.from([0xff, 0, 1, 2]);
  const stored = await mbusJson<{ stream: string; seq: number }>(
    inLab('pub', 'trade.eu.1', ...exchange, '--header', 'Source:manual', '--header', 'Time: 12:30'),
    { input: payload },
  );
  expect(stored).toEqual({ stream: 'trade', seq: 1, duplicate: false });
  const { stdout, code } = await mbus(
    inLab('sub', 'trade@risk', ...riskEngine, '--count', '1', '--json', '--timeout-ms', '20000'),
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    subject: 'trade.eu.1',
    headers: { Source: ['manual'], Time: ['12:30'] },
    dataBase64: payload.toString('base64'),
    deliveries: 1,
  });
});

test('replay publishes each line once, in order, and counts topics', async () => {
  const file = join(root, 'feed.jsonl');
  await writeFile(file, Array.from({ length: 300 }, (_, n) => `{"stream":"btc@trade","n":${n}}\n`).join(''));
  const result = await mbusJson(inLab('replay', file, ...exchange, '--window', '32'));
  expect(result).toMatchObject({ published: 300, topics: { trade: 300 } });
  const { stdout } = await mbus(
    inLab('sub', 'trade@risk', ...riskEngine, '--count', '300', '--json', '--timeout-ms', '20000'),
  );
  const messages = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { subject: string; data: string });
  expect(messages.map(({ data }) => (JSON.parse(data) as { n: number }).n)).toEqual(
    Array.from({ length: 300 }, (_, n) => n),
  );
  expect(new Set(messages.map(({ subject }) => subject))).toEqual(new Set(['trade.btc']));
});

test('replay stops at the line that is not stored and says so', async () => {
  const file = join(root, 'mixed.jsonl');
  await writeFile(file, '{"stream":"trade"}\n{"stream":"secret"}\n');
  const { code, stdout, stderr } = await mbus(inLab('replay', file, ...exchange));
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/mbus: E_APP_REFUSED: .*mixed\.jsonl:2: /);
  await mbus(inLab('sub', 'trade@risk', ...riskEngine, '--count', '1', '--timeout-ms', '20000'));
});

test('an app may do what its rights say and nothing else', async () => {
  const pub = await mbus(inLab('pub', 'trade', 'x', ...riskEngine));
  expect([pub.code, pub.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_APP_REFUSED: /)]);
  const sub = await mbus(inLab('sub', 'trade@risk', ...exchange, '--count', '1'));
  expect([sub.code, sub.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_APP_REFUSED: /)]);
  const away = await mbus([
    'pub',
    'trade',
    'x',
    '--server',
    'nats://127.0.0.1:1',
    '--creds',
    info.apps['acme/exchange']!.creds,
  ]);
  expect([away.code, away.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_SERVER_AWAY: /)]);
});

test('nouns come and go one by one, and the file says the same', async () => {
  const before = await mbusHere(inLab('export'));
  const created = await mbusJson<Applied>(inLab('topic', 'create', 'acme/depth', '--max-bytes', '1048576'));
  expect(created.changes).toEqual([{ action: 'add', noun: 'topic', name: 'acme/depth', fields: [] }]);
  await mbusJsonHere(inLab('group', 'create', 'acme/depth@books', '--terminals', 'tokyo'));
  await mbusJsonHere(
    inLab(
      'app',
      'create',
      'acme/booker',
      '--terminal=tokyo',
      '--publish=depth',
      '--consume=depth@books',
      '--expires=30d',
    ),
  );
  const set = await mbusJsonHere<Applied>(inLab('group', 'set', 'acme/depth@books', '--on-full', 'dropOldest'));
  expect(set.changes[0]?.fields).toEqual(['onFull: refuse -> dropOldest']);
  const booker = {
    customer: 'acme',
    name: 'booker',
    terminal: 'tokyo',
    publish: ['depth'],
    consume: ['depth@books'],
    deadLetters: [],
    credentialLifeMs: 30 * 24 * 3_600_000,
    credentialEnds: expect.stringMatching(/^20.*Z$/),
  };
  // its site says so once it has made the credential
  await vi.waitFor(async () => expect(await mbusJsonHere(inLab('app', 'ls', 'acme'))).toContainEqual(booker), {
    timeout: 20_000,
    interval: 500,
  });

  const siteDir = join(lab, 'sites', 'tokyo');
  const out = join(root, 'booker.creds');
  await vi.waitFor(
    async () =>
      expect((await mbusHere(['app', 'creds', 'acme/booker', '--site-dir', siteDir, '--out', out])).code).toBe(0),
    { timeout: 20_000, interval: 200 },
  );
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  const nats = info.sites.tokyo!.nats;
  await vi.waitFor(
    async () => expect((await mbusHere(['pub', 'depth', 'x', '--server', nats, '--creds', out])).code).toBe(0),
    { timeout: 20_000, interval: 200 },
  );
  expect(
    (await mbusHere(['sub', 'depth@books', '--server', nats, '--creds', out, '--count', '1', '--timeout-ms', '20000']))
      .stdout,
  ).toMatch(/^depth {2}#1\nx\n$/);

  await mbusJsonHere(inLab('app', 'rm', 'acme/booker'));
  await mbusJsonHere(inLab('group', 'rm', 'acme/depth@books'));
  // refused until tokyo has reported that the message is taken
  await vi.waitFor(() => mbusJsonHere(inLab('topic', 'rm', 'acme/depth')), { timeout: 20_000, interval: 200 });
  expect((await mbusHere(inLab('export'))).stdout).toBe(before.stdout);
});

test('a change that leaves something dangling is refused as a whole', async () => {
  const before = await status();
  const { code, stderr } = await mbusHere(inLab('topic', 'rm', 'acme/trade'));
  expect(code).toBe(2);
  expect(stderr).toMatch(/E_CONFIG: 2 problems\nthe bus after this change: customers\[0\]\.apps\[\d\]\.publish\[0\]: /);
  const unknown = await mbusHere(inLab('app', 'create', 'acme/x', '--terminal', 'tokyo', '--publish', 'nope'));
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('customer "acme" has no topic "nope"')]);
  expect((await status()).version).toBe(before.version);
});

test('changes made at the same time all arrive', async () => {
  const topics = ['one', 'two'];
  const results = await Promise.all(topics.map((topic) => mbus(inLab('topic', 'create', `acme/${topic}`))));
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  const listed = await mbusJsonHere<{ name: string }[]>(inLab('topic', 'ls'));
  expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(topics));
  for (const topic of topics) await mbusJsonHere(inLab('topic', 'rm', `acme/${topic}`));
});

test('apply of a changed file on the lab says what changed; audit tells who', async () => {
  const file = join(root, 'bus.yaml');
  await writeFile(file, busFile.replace('[tokyo, frankfurt]}]', '[tokyo, frankfurt], cost: 9}]'));
  const applied = await mbusJson<Applied>(inLab('apply', '-f', file));
  expect(applied.changes).toEqual([
    { action: 'update', noun: 'link', name: 'acme/frankfurt-tokyo', fields: ['cost: 1 -> 9'] },
  ]);
  expect((await mbusJsonHere<Applied>(inLab('apply', '-f', file))).changes).toEqual([]);
  expect((await mbusJsonHere<Applied>(inLab('diff', '-f', file))).changes).toEqual([]);
  await writeFile(file, busFile);
  expect((await mbusJsonHere<Applied>(inLab('diff', '-f', file))).changes.map(({ fields }) => fields)).toEqual([
    ['cost: 9 -> 1'],
  ]);
  const { rows } = await mbusJsonHere<ResponseOf<'audit.list'>>(inLab('audit', 'ls', '--limit', '1'));
  expect(rows[0]).toMatchObject({
    action: 'link.update',
    noun: 'acme/frankfurt-tokyo',
    actor: expect.stringMatching(/^admin:/),
  });
});

test('a site is declared, joined with a token that works once, and run', async () => {
  await mbusJsonHere(inLab('site', 'create', 'osaka', '--mode', 'client'));
  await mbusJsonHere(inLab('terminal', 'create', 'acme/osaka', '--link', 'tokyo'));
  const tokenFile = join(root, 'osaka.token');
  await mbusJsonHere(inLab('site', 'token', 'osaka', '--out', tokenFile));
  expect((await stat(tokenFile)).mode & 0o777).toBe(0o600);

  const site = join(root, 'osaka');
  const joined = await mbusJson(['site', 'join', '--dir', site, '--token-file', '-'], {
    input: await readFile(tokenFile),
  });
  expect(joined).toMatchObject({ site: 'osaka', dir: site });
  const again = await mbus(['site', 'join', '--dir', join(root, 'osaka-2'), '--token-file', tokenFile]);
  expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_TOKEN_USED: /)]);
  const twice = await mbus(['site', 'join', '--dir', site, '--token-file', tokenFile]);
  expect([twice.code, twice.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_EXISTS: /)]);

  try {
    const server = await mbusJson<{ pid: number }>(['site', 'server', '--dir', site]);
    expect(await mbusJson(['site', 'server', '--dir', site])).toMatchObject({ pid: server.pid, wasRunning: true });
    const sidecar = startSidecar(site);
    await untilUp('osaka');
    const second = await mbus(['sidecar', 'run', '--dir', site]);
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('E_SIDECAR_RUNNING')]);
    expect(await ended(sidecar, 'SIGTERM')).toBe(0);

    await registerAgain(site);
  } finally {
    await findRunning({ dir: join(site, 'nats'), configPath: join(site, 'nats/server.conf') })?.stop();
  }
});

function startSidecar(dir: string): ChildProcess {
  const entry = fileURLToPath(new URL('../../../cli/mbus.js', import.meta.url));
  const child = spawn(process.execPath, [entry, 'sidecar', 'run', '--dir', dir], { stdio: 'ignore' });
  children.push(child);
  return child;
}

async function untilUp(site: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { sites, version } = await status();
      const report = sites.find(({ name }) => name === site)?.report;
      expect(report?.applied).toBe(version);
      expect(report?.links.map(({ state }) => state)).toEqual(['up']);
    },
    { timeout: 40_000, interval: 250 },
  );
}

/** The securekey is lost: the new one is taken with a token of this terminal only. */
async function registerAgain(site: string): Promise<void> {
  const [terminal = ''] = await readdir(join(site, 'terminals'));
  await rm(join(site, 'terminals', terminal, 'securekey'));
  const terminalToken = (await mbusJsonHere<{ token: string }>(inLab('terminal', 'token', 'acme/osaka'))).token;
  const siteToken = (await mbusJsonHere<{ token: string }>(inLab('site', 'token', 'osaka'))).token;
  const register = ['terminal', 'join', 'acme', '--dir', site, '--token-file', '-'];
  const wrong = await mbus(register, { input: siteToken });
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/^mbus: E_TOKEN_UNKNOWN: /)]);
  expect(await mbusJson(register, { input: terminalToken })).toMatchObject({ customer: 'acme', registered: true });
}

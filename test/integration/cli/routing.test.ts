/**
 * The verbs that show routing, on a line of three sites:
 *
 *   tokyo ══ 3 ══ frankfurt ══ 5 ══ virginia      acme: exchange publishes trade at tokyo, archive is at virginia
 */
import { beforeAll, expect, test } from 'vitest';
import { labCut, labDown, labRestore, labUp } from '../../../src/lab/index.ts';
import { mbusHere, mbusJson, mbusJsonHere } from '../../support/cli.ts';
import { until } from '../../support/tcp.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const bus = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], cost: 3}
      - {between: [virginia, frankfurt], cost: 5}
    topics: [{name: trade, groups: [{name: archive, terminals: [virginia]}]}]
    apps:
      - {name: exchange, terminal: tokyo,    publish: [trade]}
      - {name: archiver, terminal: virginia, consume: [trade@archive]}
`;

let dir: string;

beforeAll(async () => {
  dir = `${await makeTempDir('mbus-cli-routing-')}/lab`;
  await labUp({ text: bus, fileName: 'bus.yaml', dir, keep: true });
  return () => labDown(dir);
});

interface LinkRow {
  link: string;
  seenAt: string;
  state: string;
  cost: number | null;
  reason: string;
}

const links = (): Promise<LinkRow[]> => mbusJsonHere<LinkRow[]>(['links', '--dir', dir, '--customer', 'acme']);

test('links shows each link from both its ends, and why one is down', async () => {
  await until('both ends of both links are up', async () => {
    const rows = await links();
    return rows.length === 4 && rows.every(({ state }) => state === 'up');
  });
  const rows = await mbusJson<LinkRow[]>(['links', '--dir', dir, '--customer', 'acme']);
  expect(rows.map(({ link, seenAt }) => `${link} ${seenAt}`)).toEqual([
    'acme/frankfurt-tokyo frankfurt',
    'acme/frankfurt-tokyo tokyo',
    'acme/frankfurt-virginia frankfurt',
    'acme/frankfurt-virginia virginia',
  ]);
  expect(rows.map(({ cost }, at) => (cost ?? 0) >= (at < 2 ? 3 : 5))).toEqual([true, true, true, true]);
  await labCut(dir, { customer: 'acme', a: 'frankfurt', b: 'virginia' });
  await until('it is seen as down', async () => (await links()).some(({ state }) => state === 'down'));
  const down = (await links()).filter(({ state }) => state === 'down');
  expect(down[0]).toMatchObject({ link: 'acme/frankfurt-virginia', cost: null });
  expect(down[0]?.reason).not.toBe('');
  const { stdout } = await mbusHere(['links', '--dir', dir]);
  expect(stdout).toMatch(/LINK +SEEN AT +STATE +RTT +JITTER +LOSS +COST +BACKLOG +SINCE +WHY/);
  expect(await mbusHere(['links', '--dir', dir, '--customer', 'nobody', '--json'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('E_UNKNOWN_NOUN'),
  });
  await labRestore(dir, { customer: 'acme', a: 'frankfurt', b: 'virginia' });
  await until('it is up again', async () => (await links()).every(({ state }) => state === 'up'), 20_000);
});

test('routes shows the paths a sidecar has, and explain --live the same with what it measures', async () => {
  interface Routes {
    routes: { to: string; path: string[] | null; isWhole: boolean; cost: number }[];
  }
  const from = ['--dir', dir, '--customer', 'acme', '--from', 'tokyo'];
  const routes = async () => (await mbusJsonHere<Routes>(['routes', ...from])).routes;
  await until('tokyo has a whole path to virginia', async () => (await routes()).every(({ isWhole }) => isWhole));
  expect((await routes()).map(({ to, path }) => [to, path])).toEqual([
    ['frankfurt', ['tokyo', 'frankfurt']],
    ['virginia', ['tokyo', 'frankfurt', 'virginia']],
  ]);
  const explain = (...more: string[]) =>
    mbusJsonHere<{ path: string[] | null; cost: number; terminal?: string }>([
      'route',
      'explain',
      '--live',
      ...from,
      ...more,
    ]);
  const { path, cost } = await explain('--to', 'virginia');
  expect(path).toEqual(['tokyo', 'frankfurt', 'virginia']);
  // what is measured comes on top of the operator's costs
  expect(cost).toBeGreaterThanOrEqual(8);
  expect(await explain('--group', 'trade@archive')).toMatchObject({ terminal: 'virginia', path });
  expect((await explain('--to', 'virginia', '--down', 'frankfurt-virginia')).path).toBeNull();
  const { code, stderr } = await mbusHere(['route', 'explain', ...from, '--to', 'virginia']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('give either --file or --live')]);
});

test('trace follows a probe over every terminal of its way, with times', async () => {
  interface Trace {
    sequence: number;
    hops: { site: string; kind: string; path: string[]; at: string | null; group: string | null }[];
  }
  const probe = await mbusJson<Trace>(['trace', 'acme/trade', '--probe', '--dir', dir, '--app', 'acme/exchange']);
  const seen = probe.hops.map(({ site, kind }) => `${site} ${kind}`);
  expect(seen.slice(-3)).toEqual(['frankfurt transit', 'virginia delivered', 'tokyo receipted']);
  expect(probe.hops.find(({ kind }) => kind === 'delivered')?.path).toEqual(['tokyo', 'frankfurt', 'virginia']);
  expect(probe.hops.filter(({ kind }) => kind === 'transit' || kind === 'delivered').every(({ at }) => at)).toBe(true);
  expect(probe.hops.at(-1)?.group).toBe('trade@archive');

  const again = ['trace', 'acme/trade', '--from', 'tokyo', '--sequence', String(probe.sequence), '--dir', dir];
  expect((await mbusJson<Trace>(again)).hops.map(({ site, kind }) => `${site} ${kind}`)).toEqual(
    expect.arrayContaining(['virginia delivered']),
  );
  const { stdout } = await mbusHere([
    'trace',
    'acme/trade',
    '--from',
    'tokyo',
    '--sequence',
    '999999',
    '--wait-ms',
    '0',
    '--dir',
    dir,
  ]);
  expect(stdout).toContain('nobody remembers sequence 999999');
});

test('the audit table can be verified', async () => {
  const verdict = await mbusJson<{ ok: boolean; rows: number }>(['audit', 'verify', '--dir', dir]);
  expect(verdict).toMatchObject({ ok: true, firstBadId: null });
  expect(verdict.rows).toBeGreaterThan(5);
});

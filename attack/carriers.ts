/** L5, L7, L11, L12: sites on the way that lie, whose disks were altered, whose clocks are wrong. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { clockFile } from '../campaign/skewed-clock.ts';
import { labCut, labKill, labRestore, labStart } from '../src/lab/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { counter, startLiar, substitute } from './liars.ts';
import { soon, type World } from './world.ts';

const patienceMs = 90_000;
const dayMs = 24 * 3_600_000;

/** What a site says of its problems, one code and text each. */
async function problemsAt(world: World, site: string): Promise<{ code: string; text: string }[]> {
  const { sites } = await world.admin.call('bus.status', {});
  return sites.find(({ name }) => name === site)?.report?.problems ?? [];
}

const isShunned = (world: World, over: string): Promise<boolean> =>
  soon(async () => {
    const problems = await problemsAt(world, 'tokyo');
    return problems.some(({ code, text }) => code === 'E_SHUNNED' && text.includes(over));
  }, patienceMs);

async function takesAndDrops(world: World): Promise<Outcome> {
  await world.captured();
  const problems: string[] = [];
  const disorderly = await startLiar(world, 'osaka', 'disorders');
  const carried = await soon(async () => (await disorderly.count('mbus_transit_forwarded_total')) > 20, patienceMs);
  if (!carried) problems.push('nothing went over the one that doubles');
  if (!(await world.victim.flows(patienceMs))) problems.push('messages stand still behind the one that doubles');
  await disorderly.stop();
  const dropping = await startLiar(world, 'osaka', 'drops');
  if (!(await isShunned(world, 'osaka'))) problems.push('the one that drops is not named');
  if (!(await world.victim.flows(patienceMs))) problems.push('messages stand still before the one that drops');
  await dropping.stop();
  return verdict(problems, 'twice, late and out of order: once each; dropped: named in status and gone around');
}

async function twoLiars(world: World): Promise<Outcome> {
  await world.captured();
  const between = (await (await world.site('osaka')).link('acme', 'lima')).side.linkId;
  const env = { LIE_LINK: between };
  const [osaka, lima] = [
    await startLiar(world, 'osaka', 'circles', env),
    await startLiar(world, 'lima', 'circles', env),
  ];
  // what one holds still when it comes back is not stored again, the rest ends at the hop limit
  const stopped = async (): Promise<number> => {
    const counts = [osaka, lima].flatMap((liar) => [
      liar.count('mbus_envelopes_refused_total', 'E_LOOP'),
      liar.count('mbus_transit_repeated_total'),
    ]);
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };
  const problems: string[] = [];
  if (!(await soon(async () => (await stopped()) > 0, patienceMs))) problems.push('nothing ended the circle');
  if (!(await world.victim.flows(patienceMs))) problems.push('messages stand still');
  const refused = await stopped();
  await Promise.all([osaka.stop(), lima.stop()]);
  return verdict(problems, `${refused} times an envelope went no further, traffic goes around both`);
}

const ends = { customer: 'acme' };

/** Cuts the way on from the site that carries now, and alters what it holds while its server is down. */
async function alteredBlocks(world: World): Promise<Outcome> {
  const site = await carrierNow(world);
  const onward = ['frankfurt', site === 'osaka' ? 'lima' : 'osaka'].map((b) => ({ ...ends, a: site, b }));
  const used = (): Promise<number> => counter(world.info.sites[site]?.metrics ?? '', 'mbus_transit_used_bytes');
  await Promise.all(onward.map((link) => labCut(world.dir, link)));
  const holds = await soon(async () => (await used()) > 0, 20_000);
  await labKill(world.dir, site, 'sidecar');
  await labKill(world.dir, site, 'server');
  const altered = await alter(join(world.dir, 'sites', site, 'nats/store'));
  await labStart(world.dir, site, 'server');
  await Promise.all(onward.map((link) => labRestore(world.dir, link)));
  await labStart(world.dir, site, 'sidecar');
  const problems = holds ? [] : [`${site} held nothing`];
  if (altered === 0) problems.push('no block was altered');
  if (!(await world.victim.flows(patienceMs))) problems.push('messages stand still');
  return verdict(problems, `${altered} blocks of ${site} altered and cut; what came of them is in the ledger`);
}

async function carrierNow(world: World): Promise<string> {
  const forwarded = (site: string): Promise<number> =>
    counter(world.info.sites[site]?.metrics ?? '', 'mbus_transit_forwarded_total');
  const before = await forwarded('lima');
  await delay(2_000);
  return (await forwarded('lima')) > before + 5 ? 'lima' : 'osaka';
}

/** Bytes in the middle of each block of a transit stream are other ones, and its end is missing. */
async function alter(store: string): Promise<number> {
  const files = await readdir(store, { recursive: true });
  const blocks = files.filter((name) => name.includes('/transit-') && name.endsWith('.blk'));
  let altered = 0;
  for (const name of blocks) {
    const path = join(store, name);
    const bytes = await readFile(path);
    if (bytes.length < 200) continue;
    for (let at = 100; at < bytes.length; at += 997) bytes[at]! ^= 0x55;
    await writeFile(path, bytes);
    await truncate(path, bytes.length - 7);
    altered += 1;
  }
  return altered;
}

async function wrongClock(world: World): Promise<Outcome> {
  const program = fileURLToPath(new URL('../cli/mbus.js', import.meta.url));
  const loader = new URL('../campaign/skewed-clock.ts', import.meta.url).pathname;
  const set = (offsetMs: number): Promise<void> => writeFile(clockFile(world.dir, 'tokyo'), `${offsetMs}`);
  const problems: string[] = [];
  await set(dayMs);
  const skewed = await substitute(world, 'tokyo', { program, env: { NODE_OPTIONS: `--import=${loader}` } });
  for (const [offsetMs, what] of [
    [dayMs, 'a day ahead'],
    [-dayMs, 'a day behind'],
    [3_600_000, 'an hour ahead'],
  ] as const) {
    // one is enough, and each that does not work is waited for
    if (problems.length > 0) break;
    await set(offsetMs);
    await delay(1_000);
    if (!(await world.victim.flows(patienceMs))) problems.push(`messages stand still with the clock ${what}`);
    // its next report is signed by that clock
    const isHeard = await soon(async () => {
      const { sites } = await world.admin.call('bus.status', {});
      return (sites.find(({ name }) => name === 'tokyo')?.reportAgeMs ?? Number.POSITIVE_INFINITY) < 4_000;
    }, 30_000);
    if (!isHeard) problems.push(`the control plane hears nothing with the clock ${what}`);
  }
  await set(0);
  await skewed.stop();
  return verdict(problems, 'a day ahead, a day behind, jumping: messages and reports go on');
}

export const carrierAttacks: Attack[] = [
  {
    id: 'L11',
    attempt: 'stored blocks of a carrying site altered and cut off',
    defence: { note: 'checksums of blocks are nats-server’s own; behind them stands K4' },
    run: alteredBlocks,
  },
  {
    id: 'L5',
    attempt: 'a carrying site doubles, delays, reorders, then takes and drops',
    defence: 'shun',
    run: takesAndDrops,
  },
  {
    id: 'L7',
    attempt: 'two carrying sites send everything to each other',
    defence: { note: 'what is held already, the path and the hop limit each end it alone' },
    run: twoLiars,
  },
  {
    id: 'L12',
    attempt: 'a site’s clock a day ahead, a day behind, jumping',
    defence: 'clock-offset',
    run: wrongClock,
  },
];

import { expect, test } from 'vitest';
import { chooseFaults, drawKillCycles, drawPlan, faultNames, faults } from '../../../campaign/plan.ts';
import { drawTopology, maxSites, minSites } from '../../../campaign/topology.ts';
import { checkBus } from '../../../src/config/check.ts';

const topics = ['trade', 'depth', 'bookTicker'];
const seeds = Array.from({ length: 60 }, (_, seed) => seed);

test('every drawn bus is a valid one, with all sizes, modes and policies among them', () => {
  const drawn = seeds.map((seed) => drawTopology({ seed, topics }));
  for (const { file } of drawn) expect(checkBus(file).problems).toEqual([]);
  const sizes = new Set(drawn.map(({ file }) => file.sites.length));
  expect([...sizes].sort()).toEqual(Array.from({ length: maxSites - minSites + 1 }, (_, at) => minSites + at));
  expect(new Set(drawn.flatMap(({ file }) => file.sites.map(({ mode }) => mode)))).toEqual(
    new Set(['server', 'client']),
  );
  const groups = drawn.flatMap(({ file }) => file.customers.flatMap((c) => c.topics.flatMap((t) => t.groups)));
  expect(new Set(groups.map(({ policy }) => policy))).toEqual(new Set(['nearest', 'spread', 'ordered']));
});

test('every group has a consumer at each of its terminals, every topic a publisher, and all with the right to it', () => {
  for (const seed of seeds) {
    const { file, publishers, consumers } = drawTopology({ seed, topics });
    for (const { name, topics: all, apps } of file.customers) {
      for (const topic of all) {
        expect(publishers.some((job) => job.customer === name && job.topic === topic.name)).toBe(true);
        for (const group of topic.groups) {
          const wanted = `${topic.name}@${group.name}`;
          const jobs = consumers.filter((job) => job.customer === name && job.group === wanted);
          expect(jobs.map(({ site }) => site)).toEqual(group.terminals);
          for (const { app } of jobs)
            expect(apps.find((one) => `${name}/${one.name}` === app)?.consume).toContain(wanted);
        }
      }
    }
  }
});

test('the same seed draws the same bus and the same plan, another seed others', () => {
  const draw = (seed: number) => {
    const { file } = drawTopology({ seed, topics });
    return { file, plan: drawPlan({ seed, minutes: 3, bus: file, faults: faultNames }) };
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('a plan has every fault, ends before the load does, and never does two things to one part at a time', () => {
  const { file: bus } = drawTopology({ seed: 3, topics, sites: 5 });
  const plan = drawPlan({ seed: 3, minutes: 30, bus, faults: faultNames });
  expect(new Set(plan.map(({ fault }) => fault))).toEqual(new Set(faultNames));
  const busyUntil = new Map<string, number>();
  let lastMs = 0;
  for (const { fault, target, atMs, forMs } of plan) {
    expect(atMs).toBeGreaterThanOrEqual(lastMs);
    lastMs = atMs;
    for (const part of faults[fault].takes(target)) {
      expect(busyUntil.get(part) ?? 0).toBeLessThanOrEqual(atMs);
      busyUntil.set(part, atMs + forMs);
    }
  }
  expect(lastMs).toBeLessThan(30 * 60_000);
});

test('faults are chosen by name or by family, and a word that is neither is no choice', () => {
  expect(chooseFaults(['cut', 'pause'])).toEqual([
    'cut',
    ...faultNames.filter((name) => faults[name].family === 'pause'),
  ]);
  expect(chooseFaults(['cut', 'earthquake'])).toBeUndefined();
});

test('kill cycles take every process in turn', () => {
  const { file: bus } = drawTopology({ seed: 1, topics, sites: 3 });
  const steps = drawKillCycles(1, 16, bus);
  expect(steps).toHaveLength(16);
  expect(new Set(steps.slice(0, 8).map(({ fault, target }) => `${fault} ${JSON.stringify(target)}`)).size).toBe(8);
  expect(steps.slice(8).map(({ fault }) => fault)).toEqual(steps.slice(0, 8).map(({ fault }) => fault));
});

test('a bus from which a change takes a link is still a valid one', () => {
  for (const seed of seeds) {
    const { file } = drawTopology({ seed, topics });
    for (const target of faults.change.targets(file)) {
      const [what, a = '', b = ''] = target.kind === 'change' ? target.name.split(' ') : [];
      if (target.kind !== 'change' || what !== 'link') continue;
      const customers = file.customers.map((customer) =>
        customer.name !== target.customer
          ? customer
          : {
              ...customer,
              links: customer.links.filter(({ between }) => !(between.includes(a) && between.includes(b))),
            },
      );
      expect(checkBus({ ...file, customers }).problems).toEqual([]);
    }
  }
});

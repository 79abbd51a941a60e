/** What will go wrong in a schedule, and when: drawn from its seed before it starts, so that it can be made smaller. */
import type { Random } from './random.ts';
import { type Topology, topologies } from './topology.ts';

type SiteFault = 'kill-sidecar' | 'kill-server' | 'kill-site' | 'pause-sidecar' | 'break' | 'lose-transit' | 'clock';
type LinkFault = 'cut' | 'silence' | 'slow';

export interface Fault {
  kind: SiteFault | LinkFault;
  /** a site, or the ends of a link */
  where: string;
  atMs: number;
  /** how long until it is over, milliseconds; by how much for a clock */
  forMs: number;
  /** strikes at that event of the sidecar or server after `atMs`, not at once */
  afterSteps: number;
}

export interface Burst {
  topic: string;
  atMs: number;
  count: number;
}

export interface Plan {
  seed: number;
  topology: Topology;
  bursts: Burst[];
  faults: Fault[];
  /** group streams have room for a few messages, and applications that take them slowly */
  isGroupTight: boolean;
  /** transit has room for a few envelopes */
  isTransitTight: boolean;
  /** share of packets that a link carries twice */
  replayShare: number;
  /** one-way latency per link, milliseconds */
  latencyMs: number[];
  /** share of local packets that take long */
  stallShare: number;
  /** one batch in three is stored without its last message, the marker, and refused */
  areBatchesTorn: boolean;
}

const startMs = 1_000;
const busyMs = 4_000;
const siteFaults: readonly SiteFault[] = [
  'kill-sidecar',
  'kill-sidecar',
  'kill-server',
  'kill-server',
  'kill-site',
  'pause-sidecar',
  'break',
  'lose-transit',
  'clock',
];
const linkFaults: readonly LinkFault[] = ['cut', 'cut', 'silence', 'slow'];

export function drawPlan(seed: number, random: Random): Plan {
  const topology = random.pick(topologies);
  const isCalm = random.isLikely(0.08);
  const faultCount = isCalm ? 0 : random.whole(1, 6);
  return {
    seed,
    topology,
    bursts: drawBursts(topology, random),
    faults: Array.from({ length: faultCount }, () => drawFault(topology, random)).sort((a, b) => a.atMs - b.atMs),
    isGroupTight: random.isLikely(0.12),
    isTransitTight: random.isLikely(0.15),
    replayShare: random.isLikely(0.15) ? 0.1 : 0,
    latencyMs: topology.links.map(() => random.pick([1, 5, 20, 80]) * random.between(0.5, 1.5)),
    stallShare: random.pick([0, 0.02, 0.1]),
    areBatchesTorn: seed % 4 === 0,
  };
}

function drawBursts({ topics }: Topology, random: Random): Burst[] {
  const count = random.whole(4, 14);
  return Array.from({ length: count }, () => ({
    topic: random.pick(topics).name,
    atMs: startMs + random.next() * busyMs,
    count: random.whole(1, 5),
  })).sort((a, b) => a.atMs - b.atMs);
}

function drawFault(topology: Topology, random: Random): Fault {
  const atMs = startMs + random.next() * busyMs;
  // most are short, some outlast every patience
  const forMs = random.isLikely(0.85) ? random.between(50, 3_000) : random.between(3_000, 15_000);
  if (random.isLikely(0.45)) {
    const [a, b] = random.pick(topology.links);
    return { kind: random.pick(linkFaults), where: `${a}-${b}`, atMs, forMs, afterSteps: 0 };
  }
  const kind = random.pick(siteFaults);
  const afterSteps = random.isLikely(0.6) ? random.whole(1, 120) : 0;
  const byMs = kind === 'clock' ? random.between(-1, 1) * 10 * 3_600_000 : forMs;
  return { kind, where: random.pick(topology.sites), atMs, forMs: byMs, afterSteps };
}

/** A crash of one process at one of its events. */
export interface CrashPoint {
  kind: 'kill-sidecar' | 'kill-server';
  where: string;
  step: number;
}

/** While messages of a crash plan are on their way, milliseconds. */
export const crashWindow = { fromMs: startMs, toMs: startMs + 2_000 };

/** The same messages in a shorter time, and one crash; without a point none. */
export function crashPlan(plan: Plan, point: CrashPoint | undefined): Plan {
  const bursts = plan.bursts.map((burst) => ({ ...burst, atMs: startMs + (burst.atMs - startMs) / 4 }));
  const { fromMs: atMs } = crashWindow;
  const faults = point === undefined ? [] : [{ ...point, atMs, forMs: 300, afterSteps: point.step }];
  return { ...plan, bursts, faults };
}

/** One line per thing that matters, for people. */
export function describePlan(plan: Plan): string[] {
  const { topology, bursts, faults, latencyMs } = plan;
  const traits = [
    plan.isGroupTight ? 'small group streams' : '',
    plan.isTransitTight ? 'small transit caches' : '',
    plan.replayShare > 0 ? 'links that repeat' : '',
    plan.areBatchesTorn ? 'torn batches' : '',
  ].filter((trait) => trait !== '');
  const links = topology.links.map(([a, b], index) => `${a}-${b} ${Math.round(latencyMs[index] ?? 0)} ms`);
  return [
    `seed ${plan.seed}: ${topology.name}, ${links.join(', ')}${traits.map((trait) => `, ${trait}`).join('')}`,
    ...bursts.map(({ topic, atMs, count }) => `${seconds(atMs)} ${count} to ${topic}`),
    ...faults.map(
      ({ kind, where, atMs, forMs, afterSteps }) =>
        `${seconds(atMs)} ${kind} ${where} for ${Math.round(forMs)} ms${afterSteps > 0 ? `, ${afterSteps} events later` : ''}`,
    ),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3).padStart(8)} s`;
}

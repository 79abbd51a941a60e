/**
 * What a campaign found, as one JSON document and as a page for people: the ledger, every anomaly with what was wrong around
 * it and the plan up to there, counts of faults, memory of every sidecar, machine and versions. Pure.
 */
import { columns } from '../demo/report.ts';
import { type Anomaly, type GroupTally, isClean } from './judge.ts';
import type { MemorySample } from './memory.ts';
import type { Injection } from './nemesis.ts';
import { type Step, targetText } from './plan.ts';
import type { RunOptions, RunResult } from './run.ts';

/** an anomaly's faults: those active from this long before one of its copies was stored, or it was published … */
const beforeMs = 3_000;
/** … until this long after */
const afterMs = 10_000;
const shownAnomalies = 20;

export type ReportedAnomaly = Anomaly & {
  /** ids of the plan's steps that were active around it */
  during: number[];
  /** the plan up to there: all steps that began before its end */
  planUpTo: number;
};

export interface CampaignDocument {
  ok: boolean;
  /** `30 minutes`, `200 kills` */
  length: string;
  note: string;
  seed: number;
  minutes: number;
  input: string;
  topology: { sites: string[]; customers: string[] };
  startedAt: string;
  seconds: number;
  drainSeconds: number;
  published: number;
  acknowledged: number;
  unknown: number;
  refused: number;
  publishedPerSecond: number;
  deliveredPerSecond: number;
  total: GroupTally;
  groups: Record<string, GroupTally>;
  /** by fault: how often it was done, how often something about it did not work, slowest recovery */
  faults: Record<string, { injected: number; problems: number; slowestMs: number }>;
  changes: RunResult['changes'];
  anomalies: ReportedAnomaly[];
  moreAnomalies: number;
  memory: Record<string, { firstMiB: number; medianMiB: number; maxMiB: number; lastMiB: number }>;
  memorySeries: Record<string, MemorySample[]>;
  plan: Step[];
  injections: Injection[];
  machine: RunResult['machine'];
  kept: string | null;
}

export function documentOf(
  options: Pick<RunOptions, 'seed' | 'minutes' | 'plan' | 'isInTurn' | 'topology' | 'input'> & { note: string },
  result: RunResult,
): CampaignDocument {
  const { verdict, injections, seconds } = result;
  const total = totalOf(Object.values(verdict.groups));
  return {
    ok: isClean(verdict),
    length: options.isInTurn ? `${injections.length} kills` : `${options.minutes} minutes`,
    note: options.note,
    seed: options.seed,
    minutes: options.isInTurn ? Math.round(seconds / 60) : options.minutes,
    input: options.input.name,
    topology: {
      sites: options.topology.file.sites.map(({ name, mode }) => `${name} (${mode})`),
      customers: options.topology.file.customers.map(
        ({ name, terminals, links, topics }) =>
          `${name}: ${terminals.length} terminals, ${links.length} links, ${topics.map((topic) => `${topic.name}@${topic.groups.map((group) => `${group.name}(${group.policy} ${group.terminals.length})`).join(' ')}`).join(', ')}`,
      ),
    },
    startedAt: new Date(result.startedMs).toISOString(),
    seconds,
    drainSeconds: result.drainSeconds,
    published: verdict.published,
    acknowledged: verdict.acknowledged,
    unknown: verdict.unknown,
    refused: verdict.refused,
    publishedPerSecond: Math.round(verdict.acknowledged / Math.max(1, seconds)),
    deliveredPerSecond: Math.round(total.delivered / Math.max(1, seconds + result.drainSeconds)),
    total,
    groups: verdict.groups,
    faults: countFaults(injections),
    changes: result.changes,
    anomalies: verdict.anomalies.map((anomaly) => reported(anomaly, injections)),
    moreAnomalies: verdict.more,
    memory: Object.fromEntries(Object.entries(result.memory).map(([site, samples]) => [site, summaryOf(samples)])),
    memorySeries: result.memory,
    plan: [...options.plan],
    injections,
    machine: result.machine,
    kept: result.dir,
  };
}

function totalOf(tallies: readonly GroupTally[]): GroupTally {
  const keys = Object.keys(tallies[0] ?? {}) as (keyof GroupTally)[];
  return Object.fromEntries(
    keys.map((key) => [key, tallies.reduce((sum, one) => sum + one[key], 0)]),
  ) as unknown as GroupTally;
}

function countFaults(injections: readonly Injection[]): CampaignDocument['faults'] {
  const counts: CampaignDocument['faults'] = {};
  for (const { step, injectedMs, problem, recoveryMs } of injections) {
    const { injected, problems, slowestMs } = counts[step.fault] ?? { injected: 0, problems: 0, slowestMs: 0 };
    counts[step.fault] = {
      injected: injected + (injectedMs === null ? 0 : 1),
      problems: problems + (problem === null ? 0 : 1),
      slowestMs: Math.max(slowestMs, recoveryMs ?? 0),
    };
  }
  return counts;
}

function reported(anomaly: Anomaly, injections: readonly Injection[]): ReportedAnomaly {
  const firstMs = anomaly.publishedMs ?? anomaly.deliveries[0]?.atMs ?? 0;
  const lastMs = anomaly.deliveries.at(-1)?.atMs ?? firstMs + afterMs;
  const copiesMs = anomaly.deliveries.map(({ place }) => storedMs(place));
  const timesMs = copiesMs.length > 1 ? copiesMs : [firstMs, lastMs];
  const during = injections.filter(({ injectedMs, healedMs }) =>
    timesMs.some(
      (atMs) =>
        injectedMs !== null &&
        injectedMs <= atMs + afterMs &&
        (healedMs ?? Number.POSITIVE_INFINITY) >= atMs - beforeMs,
    ),
  );
  const begun = injections.filter(({ injectedMs }) => injectedMs !== null && injectedMs <= lastMs);
  return {
    ...anomaly,
    during: during.map(({ step }) => step.id),
    planUpTo: Math.max(0, ...begun.map(({ step }) => step.id)),
  };
}

function summaryOf(samples: readonly MemorySample[]): CampaignDocument['memory'][string] {
  const values = samples.map(({ mebibytes }) => mebibytes);
  const sorted = [...values].sort((a, b) => a - b);
  return {
    firstMiB: values[0] ?? 0,
    medianMiB: sorted[sorted.length >> 1] ?? 0,
    maxMiB: sorted.at(-1) ?? 0,
    lastMiB: values.at(-1) ?? 0,
  };
}

/** For a terminal. */
export function renderDocument(document: CampaignDocument): string {
  const head = [
    'group',
    'owed',
    'delivered',
    'lost',
    'duplicated',
    'changed',
    'leaked',
    'unexpected',
    'redelivered',
    'moved',
  ];
  const rows = [...Object.entries(document.groups), ['total', document.total] as const].map(([name, t]) => [
    name,
    ...[
      t.owed,
      t.delivered,
      t.lost,
      t.duplicated,
      t.changed,
      t.leaked,
      t.unexpected,
      t.redelivered + t.afterConfirmation,
      t.moved,
    ].map(String),
  ]);
  const { acknowledged, unknown, refused, total } = document;
  const done = Object.values(document.faults).reduce((sum, { injected }) => sum + injected, 0);
  return [
    ...columns([head, ...rows]),
    '',
    `published  ${document.published}: ${acknowledged} acknowledged, ${unknown} unknown (${total.unknownDelivered} deliveries), ${refused} refused`,
    `rates      ${document.publishedPerSecond} acknowledged and ${document.deliveredPerSecond} delivered a second; drained in ${document.drainSeconds} s`,
    `faults     ${done}: ${Object.entries(document.faults)
      .map(([name, { injected }]) => `${name} ${injected}`)
      .join(', ')}`,
    `changes    ${changesText(document)}`,
    `memory     ${Object.entries(document.memory)
      .map(([site, m]) => `${site} ${m.medianMiB} to ${m.maxMiB} MiB`)
      .join(', ')}`,
    ...anomalyLines(document),
    '',
    ...(document.note === '' ? [] : [document.note]),
    document.ok
      ? 'OK: nothing lost, duplicated, changed or leaked'
      : `FAILED: see above; ledgers and lab are in ${document.kept}`,
    '',
  ].join('\n');
}

function changesText({ changes: { applies, busVersion, keyVersions } }: CampaignDocument): string {
  const rotations = Object.values(keyVersions).reduce((sum, versions) => sum + versions - 1, 0);
  const perTopic = Object.entries(keyVersions).map(([topic, versions]) => `${topic} ${versions}`);
  return `${applies} changed files applied, ${rotations} keys rotated (versions now: ${perTopic.join(', ')}); the bus is at version ${busVersion}`;
}

/** One after the other, those that went the same way only once: a batch makes hundreds. */
function anomalyLines({ anomalies, moreAnomalies, plan, injections }: CampaignDocument): string[] {
  const shown = anomalies.filter((anomaly, at) => wayOf(anomaly) !== wayOf(anomalies[at - 1])).slice(0, shownAnomalies);
  const lines = shown.flatMap((anomaly) => [
    '',
    `${anomaly.kind}: ${anomaly.id} at ${anomaly.group}, sequence ${anomaly.sequence ?? 'unknown'}, ${anomaly.outcome ?? 'never published'} ${timeOf(anomaly.publishedMs)}`,
    ...anomaly.deliveries.map(
      ({ atMs, site, place, isConfirmed }) =>
        `  delivered ${timeOf(atMs)} at ${site}, copy ${copyText(place)}${isConfirmed ? ', acknowledged' : ''}`,
    ),
    ...anomaly.during.map((id) => `  during ${stepText(plan, injections, id)}`),
    `  the plan up to step ${anomaly.planUpTo}`,
  ]);
  const rest = anomalies.length - shown.length + moreAnomalies;
  return rest > 0 ? [...lines, '', `… and ${rest} more, most of them as the one before them`] : lines;
}

/** Of a message: its kind, group, publisher and the seconds in which its copies were stored. */
function wayOf(anomaly: Anomaly | undefined): string {
  if (anomaly === undefined) return '';
  const { kind, group, id, deliveries } = anomaly;
  const copies = deliveries.map(({ site, place }) => `${site} ${place.slice(place.indexOf('@'), -9)}`);
  return [kind, group, id.slice(0, id.lastIndexOf('.')), ...new Set(copies)].join(' ');
}

/** `seq@nanoseconds` as `seq, stored hh:mm:ss` */
function copyText(place: string): string {
  return `${place.slice(0, place.indexOf('@'))}, stored ${timeOf(storedMs(place))}`;
}

function storedMs(place: string): number {
  return Number(place.slice(place.indexOf('@') + 1)) / 1e6;
}

function stepText(plan: readonly Step[], injections: readonly Injection[], id: number): string {
  const step = plan.find((one) => one.id === id);
  const injection = injections.find((one) => one.step.id === id);
  return step === undefined
    ? `step ${id}`
    : `step ${id}: ${step.fault} ${targetText(step.target)} ${timeOf(injection?.injectedMs ?? null)} to ${timeOf(injection?.healedMs ?? null)}`;
}

function timeOf(ms: number | null): string {
  return ms === null ? 'never' : new Date(ms).toISOString().slice(11, 23);
}

/** A page for docs/campaigns/. */
export function renderMarkdown(document: CampaignDocument, command: string): string {
  const { machine, total } = document;
  const table = (rows: readonly (readonly (string | number)[])[]): string[] =>
    rows.flatMap((row, at) => [`| ${row.join(' | ')} |`, ...(at === 0 ? [`|${' --- |'.repeat(row.length)}`] : [])]);
  return [
    `# Campaign, seed ${document.seed}, ${document.length}: ${document.ok ? 'clean' : 'FAILED'}`,
    '',
    `\`${command}\`, ${document.startedAt.slice(0, 10)}. ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, nats-server ${machine.natsServer}, mbus ${machine.mbus}.`,
    `Input: ${document.input}. [campaign.md](../campaign.md) says what the words mean.`,
    '',
    ...(document.note === '' ? [] : [document.note, '']),
    ...document.topology.customers.map((line) => `- ${line}`),
    `- sites: ${document.topology.sites.join(', ')}`,
    '',
    '## Ledger',
    '',
    `${document.published} published: ${document.acknowledged} acknowledged, ${document.unknown} unknown (${total.unknownDelivered} deliveries), ${document.refused} refused. ${document.publishedPerSecond} acknowledged and ${document.deliveredPerSecond} delivered a second over ${document.seconds} s; drained ${document.drainSeconds} s after healing.`,
    '',
    ...table([
      [
        'group',
        'owed',
        'delivered',
        'lost',
        'duplicated',
        'changed',
        'leaked',
        'unexpected',
        'redelivered',
        'after confirmation',
        'moved',
        'reordered',
      ],
      ...[...Object.entries(document.groups), ['**total**', total] as const].map(([name, t]) => [
        name,
        t.owed,
        t.delivered,
        t.lost,
        t.duplicated,
        t.changed,
        t.leaked,
        t.unexpected,
        t.redelivered,
        t.afterConfirmation,
        t.moved,
        t.reordered,
      ]),
    ]),
    '',
    ...(document.anomalies.length > 0 ? ['```', ...anomalyLines(document), '```', ''] : []),
    '## Faults',
    '',
    ...table([
      ['fault', 'injected', 'with a problem of its own', 'slowest recovery, s'],
      ...Object.entries(document.faults).map(([name, { injected, problems, slowestMs }]) => [
        name,
        injected,
        problems,
        (slowestMs / 1000).toFixed(1),
      ]),
    ]),
    '',
    `The control plane at the end: ${changesText(document)}.`,
    '',
    '## Memory of the sidecars, MiB',
    '',
    ...table([
      ['site', 'first', 'median', 'most', 'last', 'over time'],
      ...Object.entries(document.memory).map(([site, m]) => [
        site,
        m.firstMiB,
        m.medianMiB,
        m.maxMiB,
        m.lastMiB,
        thinned(document.memorySeries[site] ?? []),
      ]),
    ]),
    '',
  ].join('\n');
}

/** Twelve of them. */
function thinned(samples: readonly MemorySample[]): string {
  const every = Math.max(1, Math.floor(samples.length / 12));
  return samples
    .filter((_, at) => at % every === 0)
    .map(({ mebibytes }) => mebibytes)
    .join(' ');
}

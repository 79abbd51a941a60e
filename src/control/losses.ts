/**
 * What a change of the bus takes messages from: the streams of a topic go with it, a group that goes waits no longer at
 * other sites, and nothing is delivered any more at a terminal that goes. Counted from the sites' last reports, so a few
 * seconds old; a site that has been silent is named as not known, for what waits there may have changed.
 */
import { type Loss, lossText, silentAfterMs } from '../api/loss.ts';
import type { Change } from '../api/methods.ts';
import type { SiteReport } from '../api/site-report.ts';
import type { BusFile, CustomerSpec, TopicSpec } from '../config/bus-file.ts';
import { BusError } from '../errors.ts';
import { exportBusFile, listNames, listReports, listSites, type Registry } from '../registry/index.ts';

/** A joined site, and the last it said of itself. */
export interface Reporter {
  site: string;
  report: SiteReport | null;
  /** ms since then, null when it never reported */
  ageMs: number | null;
}

/** Nothing for a change that deletes no stream. */
export async function findLosses(trx: Registry, changes: readonly Change[]): Promise<Loss[]> {
  if (!changes.some(({ action, noun }) => action === 'remove' && takers.has(noun))) return [];
  const reports = new Map((await listReports(trx)).map((each) => [each.siteId, each]));
  const joined = (await listSites(trx)).filter(({ requestKey }) => requestKey !== null);
  const reporters = joined.map(({ id, name }) => {
    const { report = null, ageMs = null } = reports.get(id) ?? {};
    return { site: name, report, ageMs };
  });
  return lossesOf(changes, await exportBusFile(trx), reporters, await listNames(trx));
}

/** E_WOULD_LOSE, with a line for each. */
export function refuseLosses(losses: readonly Loss[]): void {
  if (losses.length === 0) return;
  const lines = losses.slice(0, maxLines).map((loss) => `\n  ${lossText(loss)}`);
  const more = losses.length > maxLines ? `\n  and ${losses.length - maxLines} more` : '';
  throw new BusError('E_WOULD_LOSE', `this change would delete what waits:${lines.join('')}${more}`, {
    details: { losses },
  });
}

const takers: ReadonlySet<Change['noun']> = new Set(['terminal', 'topic', 'group']);
const maxLines = 20;

/** `current`: the bus before the change. Pure. */
export function lossesOf(
  changes: readonly Change[],
  current: BusFile,
  reporters: readonly Reporter[],
  names: Readonly<Record<string, string>>,
): Loss[] {
  const removed = new Set(
    changes.flatMap(({ action, noun, name }) => (action === 'remove' ? [`${noun} ${name}`] : [])),
  );
  return reporters.flatMap((reporter) =>
    current.customers
      .filter(({ terminals }) => terminals.includes(reporter.site))
      .flatMap((customer) => lossesAt(reporter, customer, removed, names)),
  );
}

function lossesAt(
  { site, report, ageMs }: Reporter,
  customer: CustomerSpec,
  removed: ReadonlySet<string>,
  names: Readonly<Record<string, string>>,
): Loss[] {
  const isTerminalGone = removed.has(`terminal ${customer.name}/${site}`);
  const taken = customer.topics.flatMap((topic) => takenOf(customer.name, topic, isTerminalGone, removed));
  if (taken.length === 0) return [];
  if (report === null) return [{ site, name: customer.name, messages: null, reportAgeMs: null }];
  const reportAgeMs = ageMs ?? 0;
  const isSilent = reportAgeMs > silentAfterMs;
  return taken
    .map(({ name, count }) => ({ site, name, messages: count(report, names), reportAgeMs }))
    .filter(({ messages }) => messages > 0 || isSilent);
}

/** A topic or group from which messages are taken, and how many of them a report shows. */
interface Taken {
  name: string;
  count: (report: SiteReport, names: Readonly<Record<string, string>>) => number;
}

function takenOf(customer: string, topic: TopicSpec, isTerminalGone: boolean, removed: ReadonlySet<string>): Taken[] {
  const name = `${customer}/${topic.name}`;
  const isTopicGone = isTerminalGone || removed.has(`topic ${name}`);
  if (isTopicGone) return [{ name, count: (report, names) => inTopic(topic, name, report, names) }];
  return topic.groups
    .map((group) => `${name}@${group.name}`)
    .filter((group) => removed.has(`group ${group}`))
    .map((group) => ({ name: group, count: (report, names) => inGroup(topic, group, report, names) }));
}

/** Groups of a topic that stays in its LAN have no streams of their own: their messages are counted once, at the topic. */
function inTopic(
  { scope }: TopicSpec,
  name: string,
  report: SiteReport,
  names: Readonly<Record<string, string>>,
): number {
  const captured = report.topics.filter(({ topicId }) => names[topicId] === name).map(({ messages }) => messages);
  const stored = report.groups.filter(({ topicId }) => names[topicId] === name).map((row) => row.pending + row.unacked);
  return sum(captured) + (scope === 'lan' ? 0 : sum(stored));
}

/** A group's own stream stays until it is empty; what has not reached it is given up. */
function inGroup(
  { scope }: TopicSpec,
  name: string,
  report: SiteReport,
  names: Readonly<Record<string, string>>,
): number {
  const rows = report.groups.filter(({ groupId }) => names[groupId] === name);
  return sum(rows.map((row) => (scope === 'lan' ? row.pending + row.unacked : row.outgoing)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** `bus.status` for people: sites, links, topics and groups, and in plain words why something waits. */
import type { SiteReport } from '../src/api/site-report.ts';
import { bytesText, durationText, type Status, type Stuck } from '../src/status/index.ts';
import { table } from './output.ts';

interface Reported {
  site: string;
  report: SiteReport;
}

/** The whole view; parts with nothing to show are left out. */
export function statusText(status: Status, stuck: readonly Stuck[]): string {
  const reported = status.sites.flatMap(({ name, report }) => (report ? [{ site: name, report }] : []));
  const nameOf = (id: string | null): string => (id === null ? '-' : (status.names[id] ?? id));
  const parts = [
    `bus ${status.busId}, version ${status.version}, ${replicasText(status)}`,
    stuckText(stuck),
    sitesTable(status),
    sidecarsTable(reported),
    serversTable(reported),
    linksTable(reported, nameOf),
    topicsTable(reported, nameOf),
    groupsTable(reported, nameOf),
    limitsTable(reported, nameOf),
    usageTable(reported, nameOf),
    status.draining.length === 0 ? '' : `draining: ${status.draining.join(', ')}`,
    status.forgotten.length === 0 ? '' : `forgotten: ${status.forgotten.join(', ')}`,
    status.revoked.length === 0 ? '' : `revoked: ${status.revoked.join(', ')}`,
    ...problems(reported),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function replicasText({ replicas }: Status): string {
  const count = `${replicas.length} control ${replicas.length === 1 ? 'replica' : 'replicas'}`;
  return [count, ...replicas.flatMap(({ consoleUrl }) => (consoleUrl === null ? [] : `console ${consoleUrl}`))].join(
    ', ',
  );
}

function sitesTable(status: Status): string {
  return rowsOrNothing(
    ['SITE', 'MODE', 'STATE', 'APPLIED', 'REPORTED', 'NATS-SERVER'],
    status.sites.map((site) => [
      site.name,
      site.mode,
      site.state === 'declared' ? 'not joined' : site.state,
      site.report ? appliedText(site.report.applied, status.version) : '-',
      ageText(site.reportAgeMs),
      site.report?.serverVersion ?? '-',
    ]),
  );
}

/** Sites with several sidecars. */
function sidecarsTable(reported: readonly Reported[]): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.sidecars.map(({ seat, role }) => [site, String(seat), role === 'active' ? 'works' : 'stands by']),
  );
  return rowsOrNothing(['SIDECARS OF', 'SEAT', 'STATE'], rows.sort(byFirstCells));
}

/** Sites with several nats-servers. */
function serversTable(reported: readonly Reported[]): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.servers.map(({ server, isUp }) => [site, String(server), isUp ? 'up' : 'down']),
  );
  return rowsOrNothing(['SERVERS OF', 'SERVER', 'STATE'], rows.sort(byFirstCells));
}

function linksTable(reported: readonly Reported[], nameOf: (id: string | null) => string): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.links.map((link) => [
      nameOf(link.linkId),
      site,
      link.state,
      link.rttMs === null ? '-' : `${link.rttMs.toFixed(1)} ms`,
      durationText(link.sinceMs),
      link.reason || '-',
    ]),
  );
  return rowsOrNothing(['LINK', 'SEEN AT', 'STATE', 'RTT', 'SINCE', 'WHY'], rows.sort(byFirstCells));
}

function topicsTable(reported: readonly Reported[], nameOf: (id: string | null) => string): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.topics.map((topic) => [
      nameOf(topic.topicId),
      site,
      topic.isReady ? 'ready' : 'not ready',
      String(topic.messages),
      `${bytesText(topic.bytes)} of ${bytesText(topic.maxBytes)}`,
    ]),
  );
  return rowsOrNothing(['TOPIC', 'AT', 'STATE', 'MESSAGES', 'DISK'], rows.sort(byFirstCells));
}

function groupsTable(reported: readonly Reported[], nameOf: (id: string | null) => string): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.groups.map((group) => [
      nameOf(group.groupId),
      site,
      String(group.outgoing),
      String(group.pending),
      String(group.unacked),
      String(group.dead),
      nameOf(group.assigned),
      [group.reason, group.dropped > 0 ? `${group.dropped} dropped` : ''].filter(Boolean).join('; ') || '-',
    ]),
  );
  return rowsOrNothing(
    ['GROUP', 'AT', 'TO SEND', 'WAITING', 'UNACKED', 'DEAD', 'SERVED BY', 'WHY'],
    rows.sort(byFirstCells),
  );
}

const limitNames = { capture: 'topic', group: 'group', deadLetters: 'dead letters', transit: 'transit' } as const;

/** Streams from 80 % of their limit on. */
function limitsTable(reported: readonly Reported[], nameOf: (id: string | null) => string): string {
  const rows = reported.flatMap(({ site, report }) =>
    report.limits.map(({ kind, id, bytes, maxBytes, heldBy }) => [
      `${limitNames[kind]} ${nameOf(id)}`,
      site,
      `${Math.floor((100 * bytes) / maxBytes)} % of ${bytesText(maxBytes)}`,
      heldBy || '-',
    ]),
  );
  return rowsOrNothing(['NEARLY FULL', 'AT', 'USED', 'HELD BY'], rows.sort(byFirstCells));
}

/** Customers with limits of their own. */
function usageTable(reported: readonly Reported[], nameOf: (id: string | null) => string): string {
  const of = (used: string, most: string | null): string => (most === null ? used : `${used} of ${most}`);
  const rows = reported.flatMap(({ site, report }) =>
    report.usage.map((row) => [
      nameOf(row.customerId),
      site,
      of(String(row.connections), row.maxConnections === null ? null : String(row.maxConnections)),
      of(bytesText(row.storageBytes), row.maxStorage === null ? null : bytesText(row.maxStorage)),
      of(String(row.consumers), row.maxConsumers === null ? null : String(row.maxConsumers)),
    ]),
  );
  return rowsOrNothing(['CUSTOMER', 'AT', 'CONNECTIONS', 'STORED', 'CONSUMERS OF A STREAM'], rows.sort(byFirstCells));
}

/** A line each, first of all: what somebody may have to do something about. */
function stuckText(stuck: readonly Stuck[]): string {
  if (stuck.length === 0) return 'nothing is stuck';
  return ['stuck', ...stuck.map(({ text }) => `  ${text}`)].join('\n');
}

function problems(reported: readonly Reported[]): string[] {
  const lines = reported.flatMap(({ site, report }) =>
    report.problems.map(({ code, text }) => `${site}: ${code}: ${text}`),
  );
  return lines.length === 0 ? [] : [['problems', ...lines.map((line) => `  ${line}`)].join('\n')];
}

function appliedText(applied: number, version: number): string {
  return applied === version ? `${applied}` : `${applied}, not yet ${version}`;
}

function rowsOrNothing(head: string[], rows: string[][]): string {
  return rows.length === 0 ? '' : table([head, ...rows]);
}

function byFirstCells(a: readonly string[], b: readonly string[]): number {
  return `${a[0]}\0${a[1]}` < `${b[0]}\0${b[1]}` ? -1 : 1;
}

function ageText(ms: number | null): string {
  return ms === null ? 'never' : `${durationText(ms)} ago`;
}

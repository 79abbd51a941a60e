/**
 * What the console's page shows, from the same status that `mbus status --json` prints: named, flat, and with each link
 * judged from both of its ends. Pure: no clock, no network. Texts may come from sites and customers: they are data, never
 * markup.
 */
import type { SiteReport } from '../api/site-report.ts';
import type { Status, StatusSite, Stuck } from '../status/index.ts';
import { type LinkEnd, type SiteVoice, StatusView } from '../status/index.ts';
import { endKey, type Rates } from './traffic.ts';

export interface ConsoleView {
  /** the control plane's time, ms since 1970; every age below is as of then */
  atMs: number;
  busId: string;
  version: number;
  replicas: number;
  sites: SiteRow[];
  links: LinkRow[];
  groups: GroupRow[];
  topics: TopicRow[];
  stuck: Stuck[];
  /** `draining acme/tokyo`, `forgotten …`, `revoked site tokyo` */
  notes: string[];
}

export interface SiteRow {
  name: string;
  mode: 'server' | 'client';
  state: 'declared' | 'joined' | 'revoked';
  voice: SiteVoice;
  reportAgeMs: number | null;
  /** configuration version it has applied; null when it never reported */
  applied: number | null;
  sidecarVersion: string;
  serverVersion: string;
  /** customers with a terminal there */
  customers: string[];
  sidecars: { seat: number; role: 'active' | 'standby' }[];
  problems: { code: string; text: string }[];
  /** streams from 80 % of their limit on */
  limits: {
    kind: SiteReport['limits'][number]['kind'];
    name: string;
    bytes: number;
    maxBytes: number;
    heldBy: string;
  }[];
}

/** `unknown`: no end of it reports */
export type LinkWord = 'up' | 'degraded' | 'silent' | 'down' | 'unknown';

export interface LinkRow {
  /** `acme/frankfurt-tokyo` */
  name: string;
  customer: string;
  sites: [string, string];
  /** the worst that an end which reports says of it */
  state: LinkWord;
  ends: EndRow[];
}

/** What one site says of a link; rates in bytes a second, null until two reports have told them. */
export interface EndRow {
  site: string;
  state: LinkWord;
  rttMs: number | null;
  jitterMs: number;
  lossRatio: number;
  cost: number | null;
  backlogBytes: number;
  sentBytesPerSecond: number | null;
  receivedBytesPerSecond: number | null;
  sinceMs: number;
  reason: string;
  isDialer: boolean;
}

/** A group at one site. */
export interface GroupRow {
  /** `acme/trade@risk` */
  name: string;
  customer: string;
  site: string;
  /** messages: for the group elsewhere, for consumers here, delivered and not acknowledged, dead letters */
  outgoing: number;
  pending: number;
  unacked: number;
  dead: number;
  consumers: number | null;
  oldestMs: number | null;
  servedBy: string | null;
  reason: string;
}

export interface TopicRow {
  name: string;
  customer: string;
  site: string;
  messages: number;
  bytes: number;
  maxBytes: number;
  isReady: boolean;
}

export interface ViewInput {
  status: Status;
  stuck: Stuck[];
  rates: Rates;
  atMs: number;
}

export function consoleView({ status, stuck, rates, atMs }: ViewInput): ConsoleView {
  const view = new StatusView(status);
  const { busId, version, replicas, draining, forgotten, revoked } = status;
  const told = (word: string, names: readonly string[]): string[] => names.map((name) => `${word} ${name}`);
  return {
    atMs,
    busId,
    version,
    replicas: replicas.length,
    sites: status.sites.map((site) => siteRow(view, site)).sort(byName),
    links: linkRows(view, rates),
    groups: status.sites.flatMap((site) => groupRows(view, site)).sort(byNameAndSite),
    topics: status.sites.flatMap((site) => topicRows(view, site)).sort(byNameAndSite),
    stuck,
    notes: [...told('draining', draining), ...told('forgotten', forgotten), ...told('revoked', revoked)],
  };
}

function siteRow(view: StatusView, { name, mode, state, reportAgeMs, report }: StatusSite): SiteRow {
  const terminals = Object.values(view.status.names).filter((text) => text.endsWith(`@${name}`) && !text.includes('/'));
  return {
    name,
    mode,
    state,
    voice: view.voiceOf(name),
    reportAgeMs,
    applied: report?.applied ?? null,
    sidecarVersion: report?.sidecarVersion ?? '',
    serverVersion: report?.serverVersion ?? '',
    customers: terminals.map((text) => text.slice(0, -name.length - 1)).sort(),
    sidecars: report?.sidecars ?? [],
    problems: report?.problems ?? [],
    limits: (report?.limits ?? []).map(({ id, ...limit }) => ({ ...limit, name: view.nameOf(id) })),
  };
}

const badness: readonly LinkWord[] = ['unknown', 'up', 'degraded', 'silent', 'down'];

function linkRows(view: StatusView, rates: Rates): LinkRow[] {
  const rows = new Map<string, LinkRow>();
  const heard = new Set(view.ends.map(endName));
  for (const { name: site, report } of view.status.sites) {
    for (const end of report?.links ?? []) {
      const name = view.nameOf(end.linkId);
      const peer = view.nameOf(end.peerSiteId);
      const [a, b] = [site, peer].sort() as [string, string];
      const row = rows.get(name) ?? { name, customer: customerOf(name), sites: [a, b], state: 'unknown', ends: [] };
      const state = heard.has(endName({ link: name, site })) ? end.state : 'unknown';
      row.ends.push({
        site,
        state,
        rttMs: end.rttMs,
        jitterMs: end.jitterMs,
        lossRatio: end.lossRatio,
        cost: end.cost,
        backlogBytes: end.backlogBytes,
        sentBytesPerSecond: rates.get(endKey(site, end.linkId))?.sent ?? null,
        receivedBytesPerSecond: rates.get(endKey(site, end.linkId))?.received ?? null,
        sinceMs: end.sinceMs + (view.site(site)?.reportAgeMs ?? 0),
        reason: end.reason,
        isDialer: end.isDialer,
      });
      if (badness.indexOf(state) > badness.indexOf(row.state)) row.state = state;
      rows.set(name, row);
    }
  }
  return [...rows.values()].sort(byName);
}

function endName({ link, site }: Pick<LinkEnd, 'link' | 'site'>): string {
  return `${link} ${site}`;
}

function groupRows(view: StatusView, { name: site, report }: StatusSite): GroupRow[] {
  return (report?.groups ?? []).map((row) => {
    const name = view.nameOf(row.groupId);
    const { outgoing, pending, unacked, dead, consumers, oldestMs, reason } = row;
    const counts = { outgoing, pending, unacked, dead, consumers, oldestMs };
    return { name, customer: customerOf(name), site, ...counts, servedBy: view.siteOf(row.assigned), reason };
  });
}

function topicRows(view: StatusView, { name: site, report }: StatusSite): TopicRow[] {
  return (report?.topics ?? []).map(({ topicId, ...topic }) => {
    const name = view.nameOf(topicId);
    return { name, customer: customerOf(name), site, ...topic };
  });
}

function customerOf(name: string): string {
  return name.split('/')[0] ?? '';
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function byNameAndSite(a: { name: string; site: string }, b: { name: string; site: string }): number {
  return `${a.name}\0${a.site}` < `${b.name}\0${b.site}` ? -1 : 1;
}

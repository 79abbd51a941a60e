/**
 * What is stuck, and why: one row per thing, with its cause as a word for programs and a line for people that names the
 * place and the reason. Pure over the reports of all sites; `mbus status`, the lab and the console show the same rows.
 *
 * The innermost error code in a reason decides: `E_PEER_BUSY: frankfurt: E_STREAM_FULL: …` is a full stream.
 */

import { type GroupRow, type LinkEnd, type Status, type StatusSite, StatusView } from './view.ts';
import type { DownLink } from './ways.ts';
import { blockingLinks, downLinks, isWay } from './ways.ts';
import { bytesText, clockText, countText, durationText, listText } from './words.ts';

export type Cause =
  | 'link-cut'
  | 'link-silent'
  | 'no-consumers'
  | 'not-acknowledging'
  | 'stream-full'
  | 'ticket-refused'
  | 'version'
  | 'revoked'
  | 'key-service-away'
  | 'not-applied'
  | 'sidecar-down'
  | 'site-away'
  | 'moving'
  | 'other';

export interface Stuck {
  cause: Cause;
  /** where it is to be seen */
  site: string;
  /** null for a site */
  customer: string | null;
  /** `acme/trade@archive`, `acme/frankfurt-virginia`, `acme/trade`, or the site */
  name: string;
  /** that wait because of it; null where none are counted */
  messages: number | null;
  /** age of the oldest of them, where it is known */
  oldestMs: number | null;
  /** the whole line */
  text: string;
}

/** how full a stream is when it may refuse the next message */
const fullFrom = 0.99;
const mostNamed = 3;
/** without a receipt for so long is no longer just under way */
const lateAfterMs = 60_000;

/** Sites, links, groups and streams that do not go on, those with most messages first within each. */
export function stuckThings(status: Status, nowMs: number): Stuck[] {
  const view = new StatusView(status);
  const sites = status.sites.flatMap((site) => stuckSite(view, site));
  const customers = [...new Set(view.ends.map(({ customer }) => customer))].sort();
  const links = customers.flatMap((customer) =>
    downLinks(view, customer).map((link) => stuckLink(customer, link, nowMs)),
  );
  const groups = status.sites.flatMap((site) =>
    (site.report?.groups ?? []).flatMap((row) => stuckGroup({ view, site, row, nowMs })),
  );
  const streams = status.sites.flatMap((site) => fullStreams(view, site));
  return [...sites, ...links, ...groups.sort(byMessages), ...streams];
}

function byMessages(a: Stuck, b: Stuck): number {
  return (b.messages ?? 0) - (a.messages ?? 0) || (a.name < b.name ? -1 : 1);
}

function stuckSite(view: StatusView, site: StatusSite): Stuck[] {
  const { name, report } = site;
  const row = (cause: Cause, text: string): Stuck => ({
    cause,
    site: name,
    customer: null,
    name,
    messages: null,
    oldestMs: null,
    text: `${name}: ${text}`,
  });
  if (site.state === 'revoked') return [row('revoked', 'the site is revoked')];
  if (site.state === 'declared') return [];
  if (view.voiceOf(name) === 'unheard') return [row(...silence(view, site))];
  if (report?.problems.some(({ code }) => code === 'E_CONTROL_AWAY'))
    return [
      row('key-service-away', 'the control plane does not answer it: it seals until its tickets end, then waits'),
    ];
  if (report === null || report.applied === view.status.version) return [];
  const problems = report.problems.map(({ code, text }) => `${code}: ${text}`).slice(0, 1);
  const because = problems.length === 0 ? '' : `: ${problems[0]}`;
  const applied = report.applied < 0 ? 'no configuration' : `configuration ${report.applied}`;
  return [row('not-applied', `configuration ${view.status.version} is not yet applied, ${applied} is${because}`)];
}

/** A site that does not report, judged by what its neighbours hear of it. */
function silence(view: StatusView, { name, reportAgeMs }: StatusSite): [Cause, string] {
  const since = reportAgeMs === null ? 'has not reported yet' : `no report for ${durationText(reportAgeMs)}`;
  const words = view.neighboursOf(name);
  const hearing = words.find(({ isUp }) => isUp);
  if (hearing !== undefined) {
    const heard = `${hearing.site} hears its sidecar, so it works and does not reach the control plane: no new tickets`;
    return ['key-service-away', `${since}; ${heard}`];
  }
  const empty = words.find(isNobodyThere);
  if (empty !== undefined)
    return ['sidecar-down', `sidecar down: ${since}; ${empty.site} reaches its nats-server, where nobody listens`];
  if (words.length > 0)
    return ['site-away', `${since}, and no neighbour reaches it: machine, nats-server or network down`];
  return ['sidecar-down', `${since}: its sidecar is down, or does not reach the control plane`];
}

function isNobodyThere({ reason }: LinkEnd): boolean {
  return reason.includes('nobody listens');
}

function stuckLink(customer: string, link: DownLink, nowMs: number): Stuck {
  const [end] = link.ends;
  const seen = listText(link.ends.map(({ site }) => site));
  const name = link.link;
  const text = `${customer}/${linkText(link, nowMs)} (seen at ${seen})`;
  return { cause: causeOf(link), site: end?.site ?? '', customer, name, messages: null, oldestMs: null, text };
}

function causeOf({ ends }: DownLink): Cause {
  if (ends.some(isNobodyThere)) return 'sidecar-down';
  return ends.some(({ isSilent }) => isSilent) ? 'link-silent' : 'link-cut';
}

/** `link frankfurt-virginia silent since 12:03, next try in 4 s` */
function linkText({ link, ends }: DownLink, nowMs: number): string {
  const short = link.split('/')[1] ?? link;
  const sinceMs = Math.max(...ends.map((end) => end.sinceMs));
  const since = `since ${clockText(nowMs - sinceMs, nowMs)}`;
  const empty = ends.find(isNobodyThere);
  if (empty !== undefined) return `link ${short} down ${since}: nobody listens at ${empty.peer}`;
  const word = ends.some(({ isSilent }) => isSilent) ? 'silent' : 'cut';
  return `link ${short} ${word} ${since}${nextTry(ends, word)}`;
}

function nextTry(ends: readonly LinkEnd[], word: string): string {
  const dialer = ends.find(({ isDialer }) => isDialer);
  if (dialer === undefined) return '';
  if (dialer.redialMs !== null) return `, next try in ${durationText(dialer.redialMs)}`;
  return word === 'cut' ? `, ${dialer.site} dials every 0.2 s` : '';
}

interface GroupCase {
  view: StatusView;
  site: StatusSite;
  row: GroupRow;
  nowMs: number;
}

function stuckGroup(group: GroupCase): Stuck[] {
  const why = group.row.outgoing > 0 ? whyNotSent(group) : whyNotConsumed(group);
  if (why === null) return [];
  const { view, site, row } = group;
  const name = view.nameOf(row.groupId);
  const [cause, text, messages] = why;
  const customer = name.split('/')[0] ?? null;
  // the counts are those of its last report
  const asOf =
    view.voiceOf(site.name) === 'unheard' ? ` (as ${site.name} said ${durationText(site.reportAgeMs ?? 0)} ago)` : '';
  const line = `${name}: ${text}${asOf}`;
  return [{ cause, site: site.name, customer, name, messages, oldestMs: row.oldestMs, text: line }];
}

type Why = [Cause, string, number];

/** Messages here for a group elsewhere. */
function whyNotSent(group: GroupCase): Why | null {
  const { view, site, row } = group;
  const to = view.siteOf(row.assigned);
  const [cause, reason] = row.reason === '' ? sentReason(group, to) : sendReason(group, to);
  if (reason === '') return null;
  const oldest = row.oldestMs === null ? '' : `, the oldest for ${durationText(row.oldestMs)}`;
  const waiting = `${countText(row.outgoing)} waiting at ${site.name} for ${to ?? 'a terminal of the group'}${oldest}`;
  return [cause, `${waiting}: ${reason}`, row.outgoing];
}

/** What was sent on and is not receipted: it lies on the way, or its receipt does. */
function sentReason(group: GroupCase, to: string | null): [Cause, string] {
  const { view, site, row } = group;
  const customer = view.nameOf(row.groupId).split('/')[0] ?? '';
  const sent = row.awaited.reduce((sum, { messages }) => sum + messages, 0);
  const onTheWay = sent === 0 ? '' : `${countText(sent)} sent and not receipted, `;
  if (to !== null && !isWay(view, customer, site.name, to)) {
    const [cause, reason] = noWay(group, to);
    return [cause, `${onTheWay}${reason}`];
  }
  const isLate = row.oldestMs !== null && row.oldestMs > lateAfterMs;
  return ['other', isLate ? `${onTheWay}no receipt yet` : ''];
}

function sendReason(group: GroupCase, to: string | null): [Cause, string] {
  const { view, site, row } = group;
  const code = codeOf(row.reason);
  if (code === 'E_LINK_DOWN') return noWay(group, to);
  if (code === 'E_STREAM_FULL' || code === 'E_CACHE_FULL' || code === 'E_DISK_FULL')
    return ['stream-full', `${row.reason}${holderText(view, to, row.groupId)}`];
  const known = causeOfCode(code);
  if (known === 'key-service-away') return [known, `${site.name} gets no ticket to seal with: ${row.reason}`];
  if (known === 'not-applied')
    return [known, `${to ?? 'the other site'} has not applied the configuration: ${row.reason}`];
  return [known, row.reason];
}

/** No path: the links that would be one, or the sidecar that is not there. */
function noWay({ view, site, row, nowMs }: GroupCase, to: string | null): [Cause, string] {
  if (to === null) return ['link-cut', 'no terminal of the group can be reached'];
  const customer = view.nameOf(row.groupId).split('/')[0] ?? '';
  const links = blockingLinks(view, customer, site.name, to);
  if (links.length === 0) return [view.voiceOf(to) === 'unheard' ? 'site-away' : 'link-cut', `no way to ${to}`];
  const texts = links.slice(0, mostNamed).map((link) => linkText(link, nowMs));
  const more = links.length > mostNamed ? [`${links.length - mostNamed} more links`] : [];
  return [commonCause(links), listText([...texts, ...more])];
}

function commonCause(links: readonly DownLink[]): Cause {
  const causes = new Set(links.map(causeOf));
  return (['sidecar-down', 'link-silent', 'link-cut'] as const).find((cause) => causes.has(cause)) ?? 'link-cut';
}

/** What holds the space of the group's stream at the other site. */
function holderText(view: StatusView, to: string | null, groupId: string): string {
  const limits = view.site(to ?? '')?.report?.limits ?? [];
  const held = limits.find(({ kind, id }) => kind === 'group' && id === groupId);
  return held === undefined ? '' : `; held by ${held.heldBy}`;
}

/** Messages here for consumers here. */
function whyNotConsumed({ site, row }: GroupCase): Why | null {
  const { pending, unacked, consumers, notAckedMs, ackWaitMs, redelivered } = row;
  const waiting = pending + unacked;
  if (row.reason !== '') {
    const cause = causeOfCode(codeOf(row.reason));
    return [cause === 'other' ? 'moving' : cause, `${countText(waiting)} at ${site.name}: ${row.reason}`, waiting];
  }
  if (waiting === 0) return null;
  const oldest = row.oldestMs === null ? '' : `, the oldest for ${durationText(row.oldestMs)}`;
  if (notAckedMs !== null && notAckedMs > ackWaitMs) {
    const again = redelivered === 0 ? '' : `, ${countText(redelivered)} of them delivered again`;
    const text = `consumers at ${site.name} acknowledge nothing since ${durationText(notAckedMs)}`;
    return [
      'not-acknowledging',
      `${countText(unacked)} delivered, ${countText(pending)} waiting: ${text}${again}`,
      waiting,
    ];
  }
  if (consumers !== 0) return null;
  return ['no-consumers', `${countText(waiting)} waiting at ${site.name}${oldest}: no consumers`, waiting];
}

/** Streams that refuse what comes. */
function fullStreams(view: StatusView, { name: site, report }: StatusSite): Stuck[] {
  const rows = (report?.limits ?? []).filter(({ bytes, maxBytes }) => bytes >= maxBytes * fullFrom);
  return rows.map(({ kind, id, maxBytes, heldBy }) => {
    const noun = view.nameOf(id);
    const what = `${streamNames[kind]} full at ${site} (${bytesText(maxBytes)})`;
    const held = heldBy === '' ? '' : `; held by ${heldBy}`;
    const text = `${noun}: ${what}: ${fullEffects[kind]}${held}`;
    const customer = noun.split('/')[0] ?? null;
    return { cause: 'stream-full', site, customer, name: noun, messages: null, oldestMs: null, text };
  });
}

const streamNames = {
  capture: 'capture stream',
  group: 'group stream',
  deadLetters: 'dead letters',
  transit: 'transit cache',
} as const;

const fullEffects = {
  capture: 'publishers are refused',
  group: 'what comes from other sites waits at its origin',
  deadLetters: 'what would go there stays where it is',
  transit: 'what others send over this site waits at its origin',
} as const;

/** The innermost code of a reason. */
function codeOf(reason: string): string {
  return reason.match(/E_[A-Z_]+/g)?.at(-1) ?? '';
}

const codeCauses: Record<string, Cause> = {
  E_REVOKED: 'revoked',
  E_TERMINAL_FORGOTTEN: 'revoked',
  E_KEY_REFUSED: 'ticket-refused',
  E_KEY_BUSY: 'ticket-refused',
  E_KEY_AWAY: 'key-service-away',
  E_CONTROL_AWAY: 'key-service-away',
  E_NOT_YET: 'not-applied',
  E_VERSION_APART: 'version',
  E_STREAM_FULL: 'stream-full',
  E_CACHE_FULL: 'stream-full',
  E_DISK_FULL: 'stream-full',
  E_LINK_DOWN: 'link-cut',
};

function causeOfCode(code: string): Cause {
  return codeCauses[code] ?? 'other';
}

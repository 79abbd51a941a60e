/** Tables: sites, links, groups, topics. A name in them is a link to its details beside the map. */
/** @import { ConsoleView, EndRow, GroupRow, LinkRow, TopicRow } from '../src/console/view.ts' */
/** @import { Child } from './dom.js' */
import { h } from './dom.js';
import { bytes, count, duration, rate, roundTrip } from './text.js';
import { siteWord } from './words.js';

/**
 * A column: its head, which begins with `#` over numbers, and what stands in it of a row.
 * @template T @typedef {readonly [head: string, cell: (row: T) => Child]} Column
 */

const mostRows = 300;

/**
 * A table that scrolls by itself; a line that says so when there is nothing to show. A column in which no row has
 * anything to say is left out.
 * @template T
 * @param {string} label @param {readonly Column<T>[]} all @param {readonly T[]} rows
 */
export function table(label, all, rows) {
  if (rows.length === 0) return h('p', { class: 'nothing' }, `no ${label}`);
  const columns = all.filter(([, cell]) => rows.some((row) => cell(row) !== ''));
  const kind = /** @param {string} head */ (head) => (head.startsWith('#') ? 'number' : undefined);
  const heads = columns.map(([head]) => h('th', { scope: 'col', class: kind(head) }, head.replace('#', '')));
  const cells = /** @param {T} row */ (row) => columns.map(([head, cell]) => h('td', { class: kind(head) }, cell(row)));
  const more = rows.length - mostRows;
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label },
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...heads)),
      h('tbody', {}, ...rows.slice(0, mostRows).map((row) => h('tr', {}, ...cells(row)))),
    ),
    more > 0 && h('p', { class: 'nothing' }, `and ${count(more)} more: use the filter`),
  );
}

/** @param {string} state @param {string} text */
export function mark(state, text) {
  return h('span', { class: `mark ${state}` }, text);
}

/** @param {string} route @param {string} text */
export function to(route, text) {
  return h('a', { href: route }, text);
}

/** @param {string} name */
export function groupRoute(name) {
  return `#/groups/${name}`;
}

/** @param {ConsoleView} view */
export function sitesTable({ sites, version }) {
  /** @type {Column<ConsoleView['sites'][number]>[]} */
  const columns = [
    ['site', ({ name }) => to(`#/sites/${name}`, name)],
    ['state', (site) => mark(siteWord(site).state, siteWord(site).text)],
    ['mode', ({ mode }) => mode],
    ['customers', ({ customers }) => customers.join(', ')],
    ['#configuration', ({ applied }) => (applied === version ? `${version}` : `${applied ?? '-'}, not yet ${version}`)],
    ['#reported', ({ reportAgeMs }) => (reportAgeMs === null ? 'never' : `${duration(reportAgeMs)} ago`)],
    ['sidecar', ({ sidecarVersion }) => sidecarVersion],
    ['nats-server', ({ serverVersion }) => serverVersion],
  ];
  return table('sites', columns, sites);
}

/** @type {Column<EndRow & Pick<LinkRow, 'name' | 'sites'>>[]} */
const linkColumns = [
  ['link', ({ name, sites }) => to(`#/links/${sites[0]}/${sites[1]}`, name)],
  ['seen at', ({ site }) => site],
  ['state', ({ state }) => mark(state, state === 'unknown' ? 'not known' : state)],
  ['#round trip', ({ rttMs }) => roundTrip(rttMs)],
  ['#jitter', ({ jitterMs }) => roundTrip(jitterMs)],
  ['#loss', ({ lossRatio }) => `${Math.round(100 * lossRatio)} %`],
  ['#cost', ({ cost }) => (cost === null ? '-' : cost.toFixed(1))],
  ['#sends', ({ sentBytesPerSecond }) => rate(sentBytesPerSecond)],
  ['#receives', ({ receivedBytesPerSecond }) => rate(receivedBytesPerSecond)],
  ['#waits', ({ backlogBytes }) => bytes(backlogBytes)],
  ['#since', ({ sinceMs }) => duration(sinceMs)],
  ['why', ({ reason }) => reason],
];

/** A row per end. @param {readonly LinkRow[]} links @param {...string} known columns that the place has no need of, or no room for */
export function linksTable(links, ...known) {
  const rows = links.flatMap(({ name, sites, ends }) => ends.map((end) => ({ ...end, name, sites })));
  return table(known.length === 0 ? 'links' : 'links here', without(linkColumns, known), rows);
}

/** @type {Column<GroupRow>[]} */
const groupColumns = [
  ['group', ({ name }) => to(groupRoute(name), name)],
  ['at', ({ site }) => site],
  ['#to send', ({ outgoing }) => count(outgoing)],
  ['#waiting', ({ pending }) => count(pending)],
  ['#unacked', ({ unacked }) => count(unacked)],
  ['#dead', ({ dead }) => count(dead)],
  ['#consumers', ({ consumers }) => (consumers === null ? '-' : count(consumers))],
  ['#oldest', ({ oldestMs }) => duration(oldestMs)],
  ['served by', ({ servedBy }) => servedBy ?? '-'],
  ['why', ({ reason }) => reason],
];

/** @param {readonly GroupRow[]} groups @param {...string} known columns that the place has no need of, or no room for */
export function groupsTable(groups, ...known) {
  return table(known.length === 0 ? 'groups' : 'groups here', without(groupColumns, known), groups);
}

/** @type {Column<TopicRow>[]} */
const topicColumns = [
  ['topic', ({ name }) => name],
  ['at', ({ site }) => site],
  ['state', ({ isReady }) => mark(isReady ? 'good' : 'warn', isReady ? 'ready' : 'not ready')],
  ['#messages', ({ messages }) => count(messages)],
  ['#bytes', ({ bytes: held }) => bytes(held)],
  ['#of its budget', ({ bytes: held, maxBytes }) => share(held, maxBytes)],
];

/** @param {ConsoleView} view */
export function topicsTable({ topics }) {
  return table('topics', topicColumns, topics);
}

/** `12 % of 1.0 GiB` @param {number} held @param {number} most */
export function share(held, most) {
  return `${Math.floor((100 * held) / Math.max(1, most))} % of ${bytes(most)}`;
}

/** @template T @param {readonly Column<T>[]} columns @param {readonly string[]} known */
function without(columns, known) {
  return columns.filter(([head]) => !known.includes(head));
}

/** The tables below the map: sites, links, groups, topics. A name is a link to the details beside the map. */
/** @import { ConsoleView, GroupRow, LinkRow } from '../src/console/view.ts' */
/** @import { Child } from './dom.js' */
import { h } from './dom.js';
import { bytes, count, duration, rate, roundTrip } from './text.js';
import { siteWord } from './words.js';

const mostRows = 300;

/** @typedef {{ text: string, class?: string } | Child} Cell */

/**
 * A table that scrolls by itself. Heads that begin with `#` are of numbers.
 * @param {string} label @param {readonly string[]} heads @param {readonly (readonly Child[])[]} rows
 */
export function table(label, heads, rows) {
  if (rows.length === 0) return h('p', { class: 'nothing' }, `no ${label}`);
  const isNumber = heads.map((head) => head.startsWith('#'));
  const cells = /** @param {readonly Child[]} row */ (row) =>
    row.map((cell, i) => h('td', { class: isNumber[i] ? 'number' : undefined }, cell));
  const more = rows.length - mostRows;
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...heads.map((head, i) =>
            h('th', { scope: 'col', class: isNumber[i] ? 'number' : undefined }, head.replace('#', '')),
          ),
        ),
      ),
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

/** @param {ConsoleView} view */
export function sitesTable({ sites, version }) {
  const heads = ['site', 'state', 'mode', 'customers', '#configuration', '#reported', 'sidecar', 'nats-server'];
  return table(
    'sites',
    heads,
    sites.map((site) => {
      const word = siteWord(site);
      const applied = site.applied === version ? `${version}` : `${site.applied ?? '-'}, not yet ${version}`;
      const age = site.reportAgeMs === null ? 'never' : `${duration(site.reportAgeMs)} ago`;
      return [
        to(`#/sites/${site.name}`, site.name),
        mark(word.state, word.text),
        site.mode,
        site.customers.join(', '),
        applied,
        age,
        site.sidecarVersion,
        site.serverVersion,
      ];
    }),
  );
}

/** @param {readonly LinkRow[]} links */
export function linksTable(links) {
  const heads = [
    'link',
    'state',
    'seen at',
    '#round trip',
    '#jitter',
    '#loss',
    '#cost',
    '#sends',
    '#receives',
    '#waits',
    '#since',
    'why',
  ];
  return table('links', heads, links.flatMap(endRows));
}

/** @param {LinkRow} link @returns {Child[][]} */
function endRows({ name, sites, ends }) {
  return ends.map((end) => [
    to(`#/links/${sites[0]}/${sites[1]}`, name),
    mark(end.state, end.state === 'unknown' ? 'not known' : end.state),
    end.site,
    roundTrip(end.rttMs),
    roundTrip(end.jitterMs),
    `${Math.round(100 * end.lossRatio)} %`,
    end.cost === null ? '-' : end.cost.toFixed(1),
    rate(end.sentBytesPerSecond),
    rate(end.receivedBytesPerSecond),
    bytes(end.backlogBytes),
    duration(end.sinceMs),
    end.reason,
  ]);
}

/** @param {readonly GroupRow[]} groups */
export function groupsTable(groups) {
  const heads = [
    'group',
    'at',
    '#to send',
    '#waiting',
    '#unacked',
    '#dead',
    '#consumers',
    '#oldest',
    'served by',
    'why',
  ];
  return table(
    'groups',
    heads,
    groups.map((row) => [
      to(groupRoute(row.name), row.name),
      row.site,
      count(row.outgoing),
      count(row.pending),
      count(row.unacked),
      count(row.dead),
      row.consumers === null ? '-' : count(row.consumers),
      duration(row.oldestMs),
      row.servedBy ?? '-',
      row.reason,
    ]),
  );
}

/** @param {ConsoleView} view */
export function topicsTable({ topics }) {
  return table(
    'topics',
    ['topic', 'at', 'state', '#messages', '#bytes', '#of its budget'],
    topics.map((row) => [
      row.name,
      row.site,
      mark(row.isReady ? 'good' : 'warn', row.isReady ? 'ready' : 'not ready'),
      count(row.messages),
      bytes(row.bytes),
      `${Math.floor((100 * row.bytes) / Math.max(1, row.maxBytes))} % of ${bytes(row.maxBytes)}`,
    ]),
  );
}

/** @param {string} name */
export function groupRoute(name) {
  return `#/groups/${name}`;
}

/** What stands beside the map: one site, the links between two sites, one group with its last hour, or the bus as a whole. */
/** @import { ConsoleView } from '../src/console/view.ts' */
/** @import { Child } from './dom.js' */
/** @import { Column } from './tables.js' */
import { h } from './dom.js';
import { groupRoute, groupsTable, linksTable, mark, share, table, to } from './tables.js';
import { bytes, count, duration } from './text.js';
import { siteWord, worst } from './words.js';

/**
 * @param {ConsoleView} view all of it, whatever the filter
 * @param {string[]} route `['groups', 'acme/trade@risk']`
 */
export function detailOf(view, [kind, name = '', other = '']) {
  if (kind === 'sites' && name !== '') return siteDetail(view, name);
  if (kind === 'links' && other !== '') return pairDetail(view, name, other);
  if (kind === 'groups' && name !== '') return groupDetail(view, name);
  return busDetail(view);
}

/** @param {string} key @param {string} title @param {...Child} children */
function panel(key, title, ...children) {
  const close = key !== 'bus' && h('a', { href: '#/', class: 'close', 'aria-label': `close ${title}` }, '×');
  return h(
    'section',
    { class: 'detail', 'data-key': key, 'aria-label': title },
    h('h2', {}, title, close),
    ...children,
  );
}

/** @param {readonly (readonly [string, Child])[]} rows */
function facts(rows) {
  return h('dl', {}, ...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

/** @param {ConsoleView} view */
function busDetail({ busId, version, replicas, sites, links, groups, topics, notes }) {
  const sum = /** @param {'outgoing' | 'pending' | 'unacked' | 'dead'} field */ (field) =>
    count(groups.reduce((total, row) => total + row[field], 0));
  const isUp = links.filter(({ state }) => state === 'up' || state === 'degraded').length;
  const reporting = sites.filter(({ voice }) => voice === 'reports').length;
  return panel(
    'bus',
    'The bus',
    facts([
      ['sites', `${reporting} of ${sites.length} report`],
      ['links', `${isUp} of ${links.length} up`],
      ['to be sent to other sites', sum('outgoing')],
      ['waiting for consumers', sum('pending')],
      ['delivered, not acknowledged', sum('unacked')],
      ['dead letters', sum('dead')],
      ['held for topics', bytes(topics.reduce((total, row) => total + row.bytes, 0))],
      ['configuration', `version ${version}`],
      ['control plane', `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`],
      ['bus', h('code', {}, busId)],
    ]),
    notes.length > 0 && h('ul', { class: 'notes' }, ...notes.map((note) => h('li', {}, note))),
  );
}

/** of a link, that its own panel and the table of all links show */
const measured = ['#jitter', '#loss', '#waits', '#since'];

/** @param {ConsoleView} view @param {string} name */
function siteDetail(view, name) {
  const site = view.sites.find((each) => each.name === name);
  if (site === undefined) return gone(`site ${name}`);
  const word = siteWord(site);
  const roles = site.sidecars.map(({ seat, role }) => `${seat} ${role === 'active' ? 'works' : 'stands by'}`);
  return panel(
    `site ${name}`,
    name,
    facts([
      ['state', mark(word.state, word.text)],
      ['mode', site.mode],
      ['reported', site.reportAgeMs === null ? 'never' : `${duration(site.reportAgeMs)} ago`],
      [
        'configuration',
        site.applied === view.version ? `${view.version}` : `${site.applied ?? '-'}, not yet ${view.version}`,
      ],
      ['sidecar', [site.sidecarVersion || '-', ...roles].join(', ')],
      ['nats-server', site.serverVersion || '-'],
      ['terminals', site.customers.join(', ') || '-'],
    ]),
    site.problems.length > 0 &&
      h(
        'ul',
        { class: 'problems' },
        ...site.problems.map(({ code, text }) => h('li', {}, h('code', {}, code), ` ${text}`)),
      ),
    site.limits.length > 0 && table('nearly full', limitColumns, site.limits),
    h('h3', {}, 'Links'),
    linksTable(
      view.links.flatMap((link) => ({ ...link, ends: link.ends.filter((end) => end.site === name) })),
      'seen at',
      ...measured,
    ),
    h('h3', {}, 'Groups'),
    groupsTable(
      view.groups.filter((row) => row.site === name),
      'at',
      '#dead',
      'served by',
    ),
  );
}

/** @type {Column<ConsoleView['sites'][number]['limits'][number]>[]} */
const limitColumns = [
  ['nearly full', ({ kind, name }) => `${kind} ${name}`],
  ['#used', ({ bytes: used, maxBytes }) => share(used, maxBytes)],
  ['held by', ({ heldBy }) => heldBy],
];

/** @param {ConsoleView} view @param {string} a @param {string} b */
function pairDetail(view, a, b) {
  const links = view.links.filter(({ sites }) => sites.includes(a) && sites.includes(b));
  if (links.length === 0) return gone(`link ${a}-${b}`);
  const state = worst(links.map((link) => link.state));
  const names = new Set(links.map(({ name }) => name));
  return panel(
    `links ${a} ${b}`,
    `${a} – ${b}`,
    facts([
      ['state', mark(state, state === 'unknown' ? 'not known' : state)],
      ['customers', links.map(({ customer }) => customer).join(', ')],
      ['sites', h('span', {}, to(`#/sites/${a}`, a), ', ', to(`#/sites/${b}`, b))],
    ]),
    sentences(view, (row) => names.has(row.name)),
    linksTable(links, links.length === 1 ? 'link' : '', '#waits'),
  );
}

/** @param {ConsoleView} view @param {string} name */
function groupDetail(view, name) {
  const rows = view.groups.filter((row) => row.name === name);
  if (rows.length === 0) return gone(`group ${name}`);
  const waiting = rows.reduce((sum, { outgoing, pending, unacked }) => sum + outgoing + pending + unacked, 0);
  return panel(
    `group ${name}`,
    name,
    facts([
      [
        'behind',
        `${count(waiting)} messages at ${rows.filter((row) => row.outgoing + row.pending + row.unacked > 0).length} of ${rows.length} sites`,
      ],
      ['dead letters', count(rows.reduce((sum, row) => sum + row.dead, 0))],
    ]),
    sentences(view, (row) => row.name === name),
    h('h3', {}, 'Messages behind, last hour'),
    h('div', {
      class: 'chart',
      'data-own': true,
      'data-key': `chart ${name}`,
      'data-group': name,
      role: 'img',
      'aria-label': `messages behind, ${name}, by site over the last hour`,
    }),
    h('h3', {}, 'By site'),
    groupsTable(rows, 'group'),
  );
}

/** @param {ConsoleView} view @param {(row: ConsoleView['stuck'][number]) => boolean} isOf */
function sentences(view, isOf) {
  const rows = view.stuck.filter(isOf);
  return rows.length > 0 && h('ul', { class: 'problems' }, ...rows.map(({ text }) => h('li', {}, text)));
}

/** @param {string} noun */
function gone(noun) {
  return panel(
    'gone',
    noun,
    h('p', { class: 'nothing' }, `there is no ${noun}, or nothing has been reported of it yet`),
  );
}

/** Where a stuck row's details are. @param {ConsoleView} view @param {ConsoleView['stuck'][number]} row */
export function routeOf(view, { name, site }) {
  const link = view.links.find((each) => each.name === name);
  if (link !== undefined) return `#/links/${link.sites[0]}/${link.sites[1]}`;
  return view.groups.some((row) => row.name === name) ? groupRoute(name) : `#/sites/${site}`;
}

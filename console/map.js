/** The map: sites and what joins them, coloured and dashed by state, each a link to its details. */
/** @import { ConsoleView, LinkRow, SiteRow } from '../src/console/view.ts' */
/** @import { Point } from './layout.js' */
import { h, s } from './dom.js';
import { placeSites } from './layout.js';
import { bytes, roundTrip } from './text.js';
import { siteWord, worst } from './words.js';

const box = { width: 720, height: 420, margin: 70 };
const radius = 17;
/** of a label from its line */
const beside = 8;
const roomForName = 12;
/** bytes a second; receipts and routing are always a few */
const leastTraffic = 512;

/** @type {{ key: string, places: Map<string, Point> }} */
let known = { key: '', places: new Map() };

/**
 * @param {ConsoleView} view what the filter leaves
 * @param {string} selected route of what is shown beside the map
 */
export function mapOf(view, selected) {
  const pairs = pairsOf(view.links);
  const places = placesOf(view.sites, pairs);
  const edges = pairs.flatMap((links) => edge(links, places, selected));
  const labels = pairs.flatMap((links) => label(links, places));
  const nodes = view.sites.flatMap((site) => node(site, places, selected));
  const title = `${view.sites.length} sites, ${view.links.length} links`;
  return h(
    'figure',
    { class: 'map', 'data-key': 'map' },
    s(
      'svg',
      { viewBox: `0 0 ${box.width} ${box.height}`, role: 'group', 'aria-label': `Map: ${title}` },
      ...edges,
      ...labels,
      ...nodes,
    ),
    legend(),
  );
}

/** Links between the same two sites are drawn as one. @param {readonly LinkRow[]} links @returns {LinkRow[][]} */
function pairsOf(links) {
  return [...Map.groupBy(links, ({ sites }) => sites.join(' ')).values()];
}

/** Kept while sites and links are the same, so nothing jumps. @param {readonly SiteRow[]} sites @param {LinkRow[][]} pairs */
function placesOf(sites, pairs) {
  const names = sites.map(({ name }) => name);
  const joined = pairs.flatMap((links) => (links[0] === undefined ? [] : [links[0].sites]));
  const key = JSON.stringify([names, joined]);
  if (known.key !== key) known = { key, places: placeSites(names, joined, box) };
  return known.places;
}

/** @param {LinkRow[]} links @param {Map<string, Point>} places */
function endsOf(links, places) {
  const [a = '', b = ''] = links[0]?.sites ?? [];
  const [from, to] = [places.get(a), places.get(b)];
  return from === undefined || to === undefined ? undefined : { a, b, from, to };
}

/** @param {LinkRow[]} links @param {Map<string, Point>} places @param {string} selected */
function edge(links, places, selected) {
  const ends = endsOf(links, places);
  if (ends === undefined) return [];
  const { a, b, from, to } = ends;
  const state = worst(links.map((link) => link.state));
  const route = `#/links/${a}/${b}`;
  const line = { x1: from.x, y1: from.y, x2: to.x, y2: to.y };
  const words = edgeWords(links, state).map(({ text }) => text);
  return [
    s(
      'a',
      {
        href: route,
        class: `edge ${state}${route === selected ? ' selected' : ''}`,
        'data-key': route,
        'aria-label': `link ${a} to ${b}: ${words.join(', ')}`,
      },
      s('line', { ...line, class: 'touch' }),
      s('line', { ...line, class: 'line' }),
    ),
  ];
}

/** @param {LinkRow[]} links @param {string} state @returns {{ kind: string, text: string }[]} */
function edgeWords(links, state) {
  if (state === 'unknown') return [{ kind: 'word', text: 'not known' }];
  if (state !== 'up' && state !== 'degraded') return [{ kind: 'word', text: state }];
  const ends = links.flatMap((link) => link.ends);
  const trips = ends.flatMap(({ rttMs }) => rttMs ?? []);
  const costs = ends.flatMap(({ cost }) => cost ?? []);
  const traffic = links.reduce(
    (sum, { ends: [end] }) => sum + (end?.sentBytesPerSecond ?? 0) + (end?.receivedBytesPerSecond ?? 0),
    0,
  );
  return [
    ...(state === 'degraded' ? [{ kind: 'word', text: state }] : []),
    ...(trips.length === 0 ? [] : [{ kind: 'trip', text: roundTrip(Math.min(...trips)) }]),
    ...(costs.length === 0 ? [] : [{ kind: 'cost', text: `cost ${Math.min(...costs).toFixed(1)}` }]),
    ...(traffic < leastTraffic ? [] : [{ kind: 'traffic', text: `${bytes(traffic)}/s` }]),
  ];
}

/**
 * Along its line and above it, so the line does not run through it; over all lines, so none of the others does either.
 * @param {LinkRow[]} links @param {Map<string, Point>} places
 */
function label(links, places) {
  const ends = endsOf(links, places);
  if (ends === undefined) return [];
  const state = worst(links.map((link) => link.state));
  const [left, right] = ends.from.x <= ends.to.x ? [ends.from, ends.to] : [ends.to, ends.from];
  const degrees = (Math.atan2(right.y - left.y, right.x - left.x) * 180) / Math.PI;
  const turn = `translate(${(left.x + right.x) / 2} ${(left.y + right.y) / 2}) rotate(${degrees})`;
  // a site's name stands under it: on a steep line the label makes room for the upper one's
  const down = roomForName * Math.sin((degrees * Math.PI) / 180);
  const words = edgeWords(links, state);
  const parts = words.map(({ kind, text }, i) => s('tspan', { class: kind }, i === 0 ? text : ` · ${text}`));
  return [
    s(
      'g',
      { class: `edge ${state}`, transform: turn, 'aria-hidden': 'true' },
      s('text', { class: 'fact', x: down, y: -beside, 'text-anchor': 'middle' }, ...parts),
    ),
  ];
}

/** @param {SiteRow} site @param {Map<string, Point>} places @param {string} selected */
function node(site, places, selected) {
  const at = places.get(site.name);
  if (at === undefined) return [];
  const word = siteWord(site);
  const route = `#/sites/${site.name}`;
  return [
    s(
      'a',
      {
        href: route,
        class: `node ${word.state}${route === selected ? ' selected' : ''}`,
        'data-key': route,
        'aria-label': `site ${site.name}: ${word.text}`,
      },
      s('circle', { cx: at.x, cy: at.y, r: radius }),
      s('text', { class: 'sign', x: at.x, y: at.y + 5, 'text-anchor': 'middle' }, word.sign),
      s('text', { class: 'name', x: at.x, y: at.y + radius + 17, 'text-anchor': 'middle' }, site.name),
    ),
  ];
}

function legend() {
  const word = /** @param {string} state @param {string} text */ (state, text) =>
    h(
      'li',
      { class: `edge ${state}` },
      s(
        'svg',
        { width: 30, height: 8, 'aria-hidden': 'true' },
        s('line', { class: 'line', x1: 1, y1: 4, x2: 29, y2: 4 }),
      ),
      text,
    );
  return h(
    'figcaption',
    {},
    h(
      'ul',
      { class: 'legend' },
      word('up', 'up'),
      word('degraded', 'degraded'),
      word('silent', 'silent'),
      word('down', 'down'),
      word('unknown', 'not known'),
    ),
  );
}

/** What states are called and how they are marked: by colour, by sign and by word, never by colour alone. */
/** @import { ConsoleView, LinkWord, SiteRow } from '../src/console/view.ts' */

/** @type {readonly LinkWord[]} */
const fromBest = ['unknown', 'up', 'degraded', 'silent', 'down'];

/** @param {readonly LinkWord[]} states @returns {LinkWord} */
export function worst(states) {
  return states.reduce((a, b) => (fromBest.indexOf(b) > fromBest.indexOf(a) ? b : a), 'unknown');
}

/** @param {SiteRow} site @returns {{ state: 'good' | 'warn' | 'bad' | 'off', sign: string, text: string }} */
export function siteWord({ state, voice, problems }) {
  if (state === 'revoked') return { state: 'bad', sign: '×', text: 'revoked' };
  if (state === 'declared') return { state: 'off', sign: '…', text: 'not joined' };
  if (voice === 'unheard') return { state: 'bad', sign: '?', text: 'does not report' };
  if (problems.length > 0)
    return { state: 'warn', sign: '!', text: `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}` };
  return { state: 'good', sign: '✓', text: 'well' };
}

/**
 * The part of the view that the filter leaves: every word of it must be in a name. Sites stay when they, or something at
 * them, match.
 * @param {ConsoleView} view @param {string} filter @returns {ConsoleView}
 */
export function filtered(view, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return view;
  const fits = /** @param {...string} names */ (...names) => {
    const text = names.join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const links = view.links.filter(({ name, sites, state }) => fits(name, ...sites, state));
  const groups = view.groups.filter(({ name, site, reason }) => fits(name, site, reason));
  const topics = view.topics.filter(({ name, site }) => fits(name, site));
  const named = new Set([...links.flatMap(({ sites }) => sites), ...[...groups, ...topics].map(({ site }) => site)]);
  const sites = view.sites.filter(({ name, customers }) => named.has(name) || fits(name, ...customers));
  const stuck = view.stuck.filter(({ name, site, text }) => fits(name, site, text));
  return { ...view, links, groups, topics, sites, stuck };
}

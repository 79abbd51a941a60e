/**
 * The console's page: who is logged in, what the control plane tells, and what is shown of it. Everything on the page follows
 * from the state below; a change of it draws the page anew, and drawing keeps what has not changed.
 */
/** @import { ConsoleView } from '../src/console/view.ts' */
import { auditTable, readAudit } from './audit.js';
import { detailOf, routeOf } from './detail.js';
import { h, update } from './dom.js';
import { keepChart, stopChart } from './lag-chart.js';
import { loginPage } from './login.js';
import { mapOf } from './map.js';
import { getJson, postJson, Refused } from './session.js';
import { groupsTable, linksTable, sitesTable, topicsTable } from './tables.js';
import { count, duration } from './text.js';
import { filtered } from './words.js';

/** without news for so long the page says so, ms */
const staleMs = 8_000;
const themes = ['auto', 'light', 'dark'];
const tabs = ['sites', 'links', 'groups', 'topics', 'audit'];

const state = {
  /** @type {'unknown' | 'out' | 'in'} */
  session: 'unknown',
  /** @type {ConsoleView | undefined} */
  view: undefined,
  heardAtMs: 0,
  trouble: '',
  filter: '',
  theme: localStorage.getItem('theme') ?? 'auto',
};

/** @type {EventSource | undefined} */
let events;

/** `#/groups/acme/trade@risk` -> ['groups', 'acme/trade@risk']; `#/links/a/b` -> ['links', 'a', 'b'] */
function route() {
  const path = decodeURIComponent(location.hash.replace(/^#\/?/, ''));
  const [kind = '', ...rest] = path.split('/');
  return kind === 'groups' && rest.length > 0 ? [kind, rest.join('/')] : [kind, ...rest];
}

function draw() {
  document.documentElement.dataset.theme = state.theme;
  const page = /** @type {Element} */ (document.querySelector('#page'));
  if (state.session === 'unknown') return;
  update(page, state.session === 'out' ? [loginPage(state.trouble)] : [bar(), content()]);
  if (state.session === 'in') keepChart();
  else stopChart();
}

function bar() {
  const stuck = state.view?.stuck.length ?? 0;
  const news = newsText();
  const word =
    news !== ''
      ? h('a', { href: '#/', class: 'pill bad' }, news)
      : h(
          'a',
          { href: '#/', class: `pill ${stuck > 0 ? 'bad' : 'good'}` },
          stuck > 0 ? `${count(stuck)} stuck` : 'nothing is stuck',
        );
  return h(
    'header',
    { 'data-key': 'bar' },
    h('h1', {}, h('a', { href: '#/' }, 'MessageBus')),
    h('div', { role: 'status', class: 'state' }, word),
    h('label', { for: 'filter', class: 'hidden' }, 'Filter'),
    h('input', { id: 'filter', type: 'search', placeholder: 'Filter: acme tokyo …', title: 'press / to come here' }),
    h(
      'button',
      {
        type: 'button',
        'data-do': 'theme',
        'aria-label': `theme: ${state.theme}`,
        title: 'light, dark, or as the system has it',
      },
      `◐ ${state.theme}`,
    ),
    h('button', { type: 'button', 'data-do': 'logout' }, 'log out'),
  );
}

/** Why what is shown may be old, empty when it is not. */
function newsText() {
  if (state.trouble !== '') return state.trouble;
  const quietMs = performance.now() - state.heardAtMs;
  return state.view !== undefined && quietMs > staleMs ? `no news for ${duration(quietMs)}` : '';
}

function content() {
  if (state.view === undefined)
    return h('main', { 'data-key': 'main' }, h('p', { class: 'nothing' }, 'waiting for the control plane …'));
  const at = route();
  const view = filtered(state.view, state.filter);
  return h(
    'main',
    { 'data-key': 'main' },
    stuckList(state.view, view),
    h('div', { class: 'upper', 'data-key': 'upper' }, mapOf(view, `#/${at.join('/')}`), detailOf(state.view, at)),
    h('nav', { 'data-key': 'tabs', 'aria-label': 'tables' }, ...tabs.map((name) => tab(name, at, view))),
    h('div', { class: 'lower', 'data-key': `table ${tabOf(at)}` }, tableOf(tabOf(at), view)),
  );
}

/** @param {ConsoleView} whole @param {ConsoleView} view */
function stuckList(whole, { stuck }) {
  if (stuck.length === 0) return h('ul', { class: 'stuck', 'data-key': 'stuck', hidden: true });
  const rows = stuck.map((row) => h('li', {}, h('a', { href: routeOf(whole, row) }, row.text)));
  return h('ul', { class: 'stuck', 'data-key': 'stuck', 'aria-label': 'what is stuck, and why' }, ...rows);
}

/** @param {string[]} at */
function tabOf([kind = '']) {
  return tabs.includes(kind) ? kind : 'sites';
}

/** @param {string} name @param {string[]} at @param {ConsoleView} view */
function tab(name, at, view) {
  const rows = {
    sites: view.sites.length,
    links: view.links.length,
    groups: new Set(view.groups.map((row) => row.name)).size,
    topics: new Set(view.topics.map((row) => row.name)).size,
  }[name];
  return h(
    'a',
    { href: `#/${name}`, 'aria-current': tabOf(at) === name ? 'page' : undefined },
    rows === undefined ? name : `${name} ${count(rows)}`,
  );
}

/** @param {string} name @param {ConsoleView} view */
function tableOf(name, view) {
  if (name === 'links') return linksTable(view.links);
  if (name === 'groups') return groupsTable(view.groups);
  if (name === 'topics') return topicsTable(view);
  return name === 'audit' ? auditTable(state.filter) : sitesTable(view);
}

function follow() {
  events?.close();
  events = new EventSource('/api/events');
  events.addEventListener('view', ({ data }) => {
    Object.assign(state, { view: JSON.parse(data), heardAtMs: performance.now(), trouble: '' });
    draw();
  });
  events.addEventListener('trouble', ({ data }) => {
    state.trouble = JSON.parse(data).message;
    draw();
  });
  events.addEventListener('end', () => loggedOut('the session has ended'));
  // a browser tries again by itself, unless it was refused
  events.addEventListener('error', () => {
    if (events?.readyState === EventSource.CLOSED) setTimeout(enter, 2_000);
  });
}

/** @param {string} why */
function loggedOut(why) {
  events?.close();
  Object.assign(state, { session: 'out', view: undefined, trouble: why });
  draw();
}

async function enter() {
  try {
    await getJson('/api/session');
    Object.assign(state, { session: 'in', trouble: '', heardAtMs: performance.now() });
    follow();
    draw();
    await routed();
  } catch (error) {
    if (error instanceof Refused && error.code === 'E_CONSOLE_LOGIN') return loggedOut('');
    state.trouble = 'the control plane does not answer';
    draw();
    setTimeout(enter, 2_000);
  }
}

/** @param {string} code */
async function login(code) {
  try {
    await postJson('/api/login', { code });
    await enter();
  } catch (error) {
    loggedOut(error instanceof Error ? error.message : `${error}`);
  }
}

/** @type {Record<string, () => Promise<void> | void>} */
const deeds = {
  logout: async () => {
    await postJson('/api/logout').catch(() => undefined);
    loggedOut('');
  },
  theme: () => {
    state.theme = themes[(themes.indexOf(state.theme) + 1) % themes.length] ?? 'auto';
    localStorage.setItem('theme', state.theme);
    draw();
  },
  'more-audit': async () => {
    await readAudit(true);
    draw();
  },
};

async function routed() {
  if (route()[0] === 'audit') await readAudit(false);
  draw();
}

addEventListener('hashchange', () => void routed());
document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest('[data-do]') : null;
  void deeds[button?.getAttribute('data-do') ?? '']?.();
});
document.addEventListener('input', ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== 'filter') return;
  state.filter = target.value;
  draw();
});
document.addEventListener('submit', (event) => {
  event.preventDefault();
  const input = document.querySelector('#code');
  if (input instanceof HTMLInputElement) void login(input.value);
});
document.addEventListener('keydown', (event) => {
  const filter = document.querySelector('#filter');
  if (!(filter instanceof HTMLInputElement)) return;
  if (event.key === '/' && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    filter.focus();
  }
});
setInterval(() => {
  if (state.session === 'in') draw();
}, 1_000);

const code = /^#code=(.+)$/.exec(location.hash)?.[1];
document.documentElement.dataset.theme = state.theme;
if (code === undefined) void enter();
else {
  // it is used up: nobody is to find it in the history
  history.replaceState(null, '', '#/');
  void login(decodeURIComponent(code));
}

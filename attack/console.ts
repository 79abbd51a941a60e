/** C6: the console, and what else the control plane says over HTTP. */
import { randomBytes } from 'node:crypto';
import { type Attack, type Outcome, verdict } from './attack.ts';
import type { World } from './world.ts';

const read = ['/api/session', '/api/events', '/api/lag?group=acme/trade@risk', '/api/audit'];
const evil = 'http://evil.example';

/** The status of an answer, its stream cut off. */
async function statusOf(url: string, init: RequestInit): Promise<number> {
  const abort = new AbortController();
  const { status } = await fetch(url, { ...init, signal: abort.signal });
  abort.abort();
  return status;
}

const cookieName = 'mbus-console';

class Visitor {
  readonly #root: string;
  readonly problems: string[] = [];
  tried = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Notes a problem unless the answer is `wanted`. */
  async try(what: string, wanted: number, path: string, headers: Record<string, string>, body?: string): Promise<void> {
    this.tried += 1;
    const init = body === undefined ? { headers } : { method: 'POST', headers, body };
    const status = await statusOf(`${this.#root}${path}`, init);
    if (status !== wanted) this.problems.push(`${what}: ${status}`);
  }

  /** As the page itself would log in. */
  login(code: string, headers: Record<string, string> = {}): Promise<Response> {
    const own = { origin: this.#root, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    const body = JSON.stringify({ code });
    return fetch(`${this.#root}/api/login`, { method: 'POST', headers: { ...own, ...headers }, body });
  }
}

async function browsers(world: World): Promise<string[]> {
  const visitor = new Visitor(world.info.console);
  const { problems } = visitor;
  const forged = randomBytes(32).toString('base64url');
  for (const path of read) {
    await visitor.try(`${path} without a login`, 401, path, {});
    await visitor.try(`${path} with a forged session`, 401, path, { cookie: `${cookieName}=${forged}` });
  }
  const { code } = await world.admin.call('console.code', {});
  const foreign = { origin: evil, 'sec-fetch-site': 'cross-site' };
  if ((await visitor.login(code, foreign)).ok) problems.push('a page of another site logs in');
  const answer = await visitor.login(code);
  const setCookie = answer.headers.get('set-cookie') ?? '';
  const cookie = setCookie.split(';')[0] ?? '';
  if (!answer.ok) problems.push(`the right code: ${answer.status}`);
  if (!/HttpOnly/.test(setCookie) || !/SameSite=Strict/.test(setCookie)) problems.push('scripts may read the cookie');
  if ((await visitor.login(code)).ok) problems.push('a code logs in twice');
  await visitor.try('the session', 200, '/api/session', { cookie });
  for (const path of read)
    await visitor.try(`${path} for a page of another site`, 403, path, { cookie, 'sec-fetch-site': 'cross-site' });
  await visitor.try('two cookies', 401, '/api/session', { cookie: `${cookie}; ${cookieName}=${forged}` });
  const json = { cookie, 'content-type': 'application/json' };
  await visitor.try('a logout by another page', 403, '/api/logout', { ...json, origin: evil }, '{}');
  await visitor.try('a logout by a form', 403, '/api/logout', { cookie, origin: world.info.console }, 'x=1');
  await scripts(world.info.console, cookie, problems);
  await visitor.try('the logout', 200, '/api/logout', { ...json, origin: world.info.console }, '{}');
  await visitor.try('a stolen session after its logout', 401, '/api/session', { cookie });
  // last: it keeps this address out for the rest of the minute
  const codes = [];
  for (let n = 0; n < 15; n++) codes.push((await visitor.login(randomBytes(16).toString('hex'))).status);
  if (codes.some((status) => status !== 401 && status !== 429)) problems.push(`guessed codes: ${codes}`);
  if (!codes.includes(429)) problems.push('codes may be guessed without end');
  return problems;
}

/** Text of others comes as data, and the page runs no script but its own. */
async function scripts(root: string, cookie: string, problems: string[]): Promise<void> {
  const named = await fetch(`${root}/api/lag?group=${encodeURIComponent('<script>alert(1)</script>')}`, {
    headers: { cookie },
  });
  const type = named.headers.get('content-type') ?? '';
  if (!type.startsWith('application/json') || named.headers.get('x-content-type-options') !== 'nosniff')
    problems.push('a name in an answer may be taken for a page');
  await named.body?.cancel();
  const page = await fetch(`${root}/`);
  const policy = page.headers.get('content-security-policy') ?? '';
  if (!policy.includes("script-src 'self'") || policy.includes('unsafe')) problems.push(`the policy is ${policy}`);
  if (/<script(?![^>]*\bsrc=)|\son\w+=/i.test(await page.text())) problems.push('the page holds script of its own');
}

/** The pages beside the console: whoever is on the machine reads them, nobody changes anything. */
async function plainPages(world: World): Promise<string[]> {
  const root = new URL(world.info.control.metrics).origin;
  const problems: string[] = [];
  const gone = [
    '/',
    '/admin',
    '/status/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/apply',
    '/metrics?x=<script>',
  ];
  for (const path of gone) {
    const status = await statusOf(`${root}${path}`, {});
    if (status !== 404) problems.push(`${path}: ${status}`);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const status = await statusOf(`${root}/status`, { method, headers: { origin: evil } });
    if (status !== 404) problems.push(`${method}: ${status}`);
  }
  for (const path of ['/status', '/metrics', '/readyz', '/healthz']) {
    const { headers } = await fetch(`${root}${path}`, { headers: { origin: evil } });
    const type = headers.get('content-type') ?? '';
    if (!/^(text\/plain|application\/json)/.test(type) || headers.get('x-content-type-options') !== 'nosniff')
      problems.push(`${path} may be taken for a page`);
    if (headers.has('access-control-allow-origin')) problems.push(`${path} can be read by other sites' pages`);
  }
  if (new URL(root).hostname !== '127.0.0.1') problems.push(`it listens at ${root}`);
  return problems;
}

async function pages(world: World): Promise<Outcome> {
  const problems = [...(await plainPages(world)), ...(await browsers(world))];
  return verdict(
    problems,
    'no login, forged, planted and ended sessions 401; other sites’ pages and forms 403; a code once, guesses 429; no foreign script',
  );
}

export const consoleAttacks: Attack[] = [
  {
    id: 'C6',
    attempt: 'the console: no login, wrong or stolen ones, other sites’ pages, script in names',
    defence: ['nosniff', 'console-session', 'console-origin'],
    run: pages,
  },
];

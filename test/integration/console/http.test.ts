/** The console as a browser, a stranger and another site's page meet it over HTTP; see test/support/console.ts for who is there. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LagSeries } from '../../../src/console/history.ts';
import { serveConsole } from '../../../src/console/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { openDatabase } from '../../../src/registry/index.ts';
import { createCa, createCsr, issueCertificate } from '../../../src/trust/index.ts';
import { login, startTestConsole, type TestConsole } from '../../support/console.ts';
import { eventually } from '../../support/nats-server.ts';

let page: TestConsole;

beforeAll(async () => {
  page = await startTestConsole();
});
afterAll(() => page.stop());

const paths = ['/api/session', '/api/events', '/api/lag?group=acme/trade@risk', '/api/audit'];

async function session(): Promise<string> {
  const answer = await login(page.url, await page.code());
  expect(answer.status).toBe(200);
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

function get(path: string, cookie = '', headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${page.url}${path}`, { headers: { ...headers, ...(cookie && { cookie }) } });
}

/** A stream of server-sent events: each as it comes, and whether it has ended. */
async function follow(cookie: string): Promise<{ events: { kind: string; data: string }[]; close(): void }> {
  const abort = new AbortController();
  const { body, status } = await fetch(`${page.url}/api/events`, { headers: { cookie }, signal: abort.signal });
  expect(status).toBe(200);
  const events: { kind: string; data: string }[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const parts = (text + chunk).split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const [, kind = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
        if (kind !== '') events.push({ kind, data });
      }
    }
  };
  read().catch(() => undefined);
  return { events, close: () => abort.abort() };
}

test('the page is for everybody, says nothing of the bus, and forbids foreign script', async () => {
  for (const path of ['/', '/main.js', '/style.css', '/vendor/uplot.js', '/icon.svg']) {
    const answer = await get(path);
    expect(answer.status, path).toBe(200);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const text = await answer.text();
    for (const secret of ['acme', 'tokyo.example.net']) if (path !== '/main.js') expect(text).not.toContain(secret);
  }
  const html = await (await get('/')).text();
  expect(html).not.toMatch(/<script>|<style|\son\w+=|https?:\/\//);
});

test('nothing else of the disk can be asked for', async () => {
  for (const path of ['/tsconfig.json', '/../package.json', '/%2e%2e/package.json', '/vendor/../main.js/x', '/vendor/'])
    expect((await get(path)).status, path).toBe(404);
});

test('without a session nothing is told: none, a forged one, one that is planted beside another', async () => {
  const own = await session();
  const forged = `mbus-console=${'A'.repeat(43)}`;
  for (const path of paths) {
    expect((await get(path)).status, path).toBe(401);
    for (const cookie of [
      forged,
      'mbus-console=',
      `${own}x`,
      `${own}; ${forged}`,
      own.replace('mbus-console', 'other'),
    ])
      expect((await get(path, cookie)).status, `${path} ${cookie}`).toBe(401);
  }
  expect(await (await get('/api/session', own)).json()).toEqual({ actor: expect.stringMatching(/^admin:/) });
});

test('a login code works once, its cookie is out of reach of scripts and of other sites, and both are audited', async () => {
  const code = await page.code();
  expect(code).toMatch(/^([2-9A-HJKMNP-TV-Z]{4}-){4}[2-9A-HJKMNP-TV-Z]{4}$/);
  const first = await login(page.url, code.toLowerCase());
  expect(first.headers.get('set-cookie')).toMatch(/^mbus-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  const again = await login(page.url, code);
  expect(again.status).toBe(401);
  expect(again.headers.get('set-cookie')).toBeNull();
  const { rows } = await page.control.admin.call('audit.list', { limit: 10 });
  expect(rows.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['console.code', 'console.login', 'refused console.login']),
  );
});

test('a code that is too old is refused', async () => {
  const code = await page.code();
  const client = new Client(page.databaseUrl);
  await client.connect();
  await client.query("update console_passes set expires_at = clock_timestamp() where kind = 'code'");
  await client.end();
  expect((await login(page.url, code)).status).toBe(401);
});

test('a request of another site’s page is refused, whatever cookie it carries', async () => {
  const cookie = await session();
  const code = await page.code();
  const post = (headers: Record<string, string>, body = JSON.stringify({ code })): Promise<Response> =>
    fetch(`${page.url}/api/login`, { method: 'POST', headers, body });
  const json = { 'content-type': 'application/json' };
  const tries = [
    await post({ ...json, origin: 'http://evil.example' }),
    await post({ ...json, origin: 'null' }),
    await post(json),
    await post({ 'content-type': 'text/plain', origin: page.url }),
    await post({ 'content-type': 'application/x-www-form-urlencoded', origin: page.url }, `code=${code}`),
    await get('/api/audit', cookie, { 'sec-fetch-site': 'cross-site' }),
    await get('/api/audit', cookie, { 'sec-fetch-site': 'same-site' }),
    await get('/api/events', cookie, { origin: 'http://evil.example' }),
    await fetch(`${page.url}/api/logout`, {
      method: 'POST',
      headers: { ...json, cookie, origin: 'http://evil.example' },
    }),
  ];
  expect(tries.map(({ status }) => status)).toEqual(tries.map(() => 403));
  for (const answer of tries) expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  // neither was the code used nor the session ended
  expect((await login(page.url, code)).status).toBe(200);
  expect((await get('/api/session', cookie)).status).toBe(200);
});

test('it reads only: no method and no path changes the bus', async () => {
  const cookie = await session();
  const { version } = await page.control.admin.call('bus.export', {});
  const headers = { cookie, origin: page.url, 'content-type': 'application/json' };
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS'])
    expect((await fetch(`${page.url}/api/audit`, { method, headers })).status, method).toBe(405);
  for (const path of ['/api/apply', '/api/audit', '/api/events', '/', '/api/bus.apply'])
    expect((await fetch(`${page.url}${path}`, { method: 'POST', headers, body: '{}' })).status, path).toBe(404);
  expect((await page.control.admin.call('bus.export', {})).version).toBe(version);
});

test('what is too long or malformed is refused, and the console goes on', async () => {
  const headers = { origin: page.url, 'content-type': 'application/json' };
  const post = async (body: string): Promise<number> =>
    (await fetch(`${page.url}/api/login`, { method: 'POST', headers, body })).status;
  expect(await post('x'.repeat(5_000))).toBe(400);
  for (const body of ['', '{', '[]', '{"code":1}', '{"code":"a","more":1}']) expect(await post(body), body).toBe(400);
  expect((await get('/api/audit?limit=5000', await session())).status).toBe(400);
});

test('a change at a site is told within 2 s, in the words of mbus status', async () => {
  const linkId = page.idOf('acme/frankfurt-tokyo');
  const peerSiteId = page.idOf('frankfurt');
  const end = { linkId, peerSiteId, rttMs: 4, sinceMs: 100, reason: '', isDialer: true };
  await page.report('tokyo', { links: [{ ...end, state: 'up' }] });
  const stream = await follow(await session());
  const newest = (): { links: { state: string }[]; stuck: { text: string }[] } | undefined =>
    JSON.parse(stream.events.findLast(({ kind }) => kind === 'view')?.data ?? 'null') ?? undefined;
  await eventually('a link that is up', () => newest()?.links[0]?.state === 'up');
  await page.report('tokyo', { links: [{ ...end, state: 'down', reason: 'the leaf connection closed' }] });
  await eventually('a link that is down', () => newest()?.links[0]?.state === 'down', 2_000);
  expect(newest()?.stuck.map(({ text }) => text)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^acme\/link frankfurt-tokyo cut since .*, tokyo dials every 0\.2 s/),
    ]),
  );
  stream.close();
});

test('the last hour of a group is asked for by its name', async () => {
  const cookie = await session();
  const lag = (await (await get('/api/lag?group=acme/trade@risk', cookie)).json()) as LagSeries;
  expect(lag.times.length).toBeGreaterThan(0);
  expect((await get('/api/lag', cookie)).status).toBe(400);
});

test('who logs out, or is put out, is told nothing any more', async () => {
  const [one, other] = [await session(), await session()];
  const [stream, open] = [await follow(one), await follow(other)];
  const headers = { cookie: one, origin: page.url, 'content-type': 'application/json' };
  const answer = await fetch(`${page.url}/api/logout`, { method: 'POST', headers, body: '{}' });
  expect(answer.headers.get('set-cookie')).toMatch(/^mbus-console=;.*Max-Age=0$/);
  await eventually('the end of the stream', () => stream.events.at(-1)?.kind === 'end');
  expect((await get('/api/session', one)).status).toBe(401);
  expect((await get('/api/session', other)).status).toBe(200);
  expect((await page.control.admin.call('console.close', {})).sessions).toBeGreaterThan(0);
  expect((await get('/api/session', other)).status).toBe(401);
  await eventually('the end of the other', () => open.events.at(-1)?.kind === 'end');
});

test('wrong codes are few per minute', async () => {
  const statuses = [];
  for (let i = 0; i < 12; i++) statuses.push((await login(page.url, `WRONG-${i}`)).status);
  expect(statuses.at(-1)).toBe(429);
  expect(statuses.every((status) => status === 401 || status === 429)).toBe(true);
});

test('over TLS cookies are for TLS only; in the clear it is for this machine only', async () => {
  const db = await openDatabase({ url: page.databaseUrl, log: silentLogger });
  const dir = await mkdtemp('/tmp/mbus-test-console-');
  const [ca, { keyPem, csrPem }] = [await createCa({ name: 'bus' }), await createCsr({ commonName: 'console' })];
  const tls = { cert: `${dir}/cert.pem`, key: `${dir}/key.pem` };
  const names = ['127.0.0.1'];
  await writeFile(tls.cert, issueCertificate({ ca, csrPem, commonName: 'console', names, days: 1 }));
  await writeFile(tls.key, keyPem);
  const common = { db, readStatus: () => page.control.admin.call('bus.status', {}), log: silentLogger, port: 0 };
  await expect(serveConsole({ ...common, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'E_CONSOLE_TLS' });
  const bad = { cert: tls.key, key: tls.key };
  await expect(serveConsole({ ...common, host: '127.0.0.1', tls: bad })).rejects.toMatchObject({
    code: 'E_CONSOLE_TLS',
  });
  const secure = await serveConsole({ ...common, host: '127.0.0.1', tls });
  const { code } = await page.control.admin.call('console.code', {});
  const headers = { origin: secure.url, 'content-type': 'application/json' };
  const cookie = await new Promise((resolve, reject) => {
    const sent = request(`${secure.url}/api/login`, { method: 'POST', headers, ca: ca.certPem }, (answer) => {
      answer.resume();
      resolve(answer.headers['set-cookie']?.[0]);
    });
    sent.on('error', reject).end(JSON.stringify({ code }));
  });
  expect(cookie).toMatch(/^__Host-mbus-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
  await secure.close();
  await db.destroy();
  await rm(dir, { recursive: true, force: true });
});

/**
 * The console over HTTP. The page and its files are for everybody and say nothing of the bus; all that does needs a session.
 *
 *   GET /  /main.js …          the page                     POST /api/login   {code} -> session cookie
 *   GET /api/events            views, as they change        POST /api/logout
 *   GET /api/lag?group=        its last hour                GET  /api/audit?before=&limit=
 *
 * It reads only: no method changes the bus. A request of another site's page is refused before anything looks at it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { BusError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type AuditRow, databaseError, listAudit, type Registry } from '../registry/index.ts';
import type { Status } from '../status/index.ts';
import { type Asset, readAssets } from './assets.ts';
import { Feed } from './feed.ts';
import { refuseForeign, safetyHeaders } from './guard.ts';
import { keepCertificate, type ListenOptions, listen, requireSafe } from './listen.ts';
import { Logins } from './logins.ts';
import { Streams } from './streams.ts';

export interface ConsoleOptions extends ListenOptions {
  db: Registry;
  readStatus: () => Promise<Status>;
  log: Logger;
}

export interface RunningConsole {
  /** as browsers reach it */
  readonly url: string;
  close(): Promise<void>;
}

interface Page {
  db: Registry;
  assets: ReadonlyMap<string, Asset>;
  feed: Feed;
  logins: Logins;
  streams: Streams;
  headers: Record<string, string>;
  /** origins that the page itself may have */
  url: () => string;
}

const mostBodyBytes = 1_024;
const auditPage = 100;

/** Serves until it is closed. E_PORT_TAKEN E_CONSOLE_TLS */
export async function serveConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const { db, readStatus, log } = options;
  const { isSecure } = requireSafe(options);
  const feed = new Feed({ read: readStatus, log });
  const logins = new Logins(db, isSecure);
  const streams = new Streams(feed, logins);
  let url = '';
  const assets = await readAssets();
  const page: Page = { db, assets, feed, logins, streams, headers: safetyHeaders(isSecure), url: () => url };
  const { server, url: own } = await listen(options, (request, response) => {
    answer(page, request, response).catch((error: unknown) => refuse(response, error, log));
  });
  url = own;
  const stopped = new AbortController();
  const { signal } = stopped;
  const certificate = options.tls && keepCertificate(server, options.tls, log, signal);
  const loops = Promise.all([feed.run(signal), streams.keep(signal), certificate]);
  log.info({ event: 'console.ready', url }, `console at ${url}`);
  return {
    url,
    close: async () => {
      stopped.abort();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await loops;
    },
  };
}

async function answer(page: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(page.headers)) response.setHeader(name, value);
  const { method = '', headers } = request;
  const url = new URL(request.url ?? '/', 'http://console');
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') return sendJson(response, 405, { code: 'E_USAGE' });
  const asset = page.assets.get(url.pathname);
  if (asset !== undefined && method !== 'POST') return sendAsset(request, response, asset);
  const known = routes[`${method} ${url.pathname}`];
  if (known === undefined) return sendJson(response, 404, { code: 'E_NOT_HERE', message: 'no such page' });
  refuseForeign(method, headers, page.url());
  await known(page, { request, response, url });
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
}

type Route = (page: Page, exchange: Exchange) => Promise<void>;

const codeSchema = z.strictObject({ code: z.string().max(100) });
const auditSchema = z.strictObject({
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(auditPage),
});
const lagSchema = z.strictObject({ group: z.string().max(300) });

const routes: Record<string, Route> = {
  'POST /api/login': async ({ logins }, { request, response }) => {
    const { code } = parse(codeSchema, jsonOf(await bodyOf(request)));
    response.setHeader('set-cookie', await logins.login(code, request.socket.remoteAddress ?? ''));
    sendJson(response, 200, {});
  },
  'POST /api/logout': async ({ logins, streams }, { request, response }) => {
    const session = await logins.require(request);
    response.setHeader('set-cookie', await logins.logout(session));
    streams.end(session.cookie);
    sendJson(response, 200, {});
  },
  'GET /api/session': async ({ logins }, { request, response }) => {
    const { actor } = await logins.require(request);
    sendJson(response, 200, { actor });
  },
  'GET /api/events': async ({ logins, streams }, { request, response }) => {
    streams.open(response, await logins.require(request));
  },
  'GET /api/lag': async ({ logins, feed }, { request, response, url }) => {
    await logins.require(request);
    const { group } = parse(lagSchema, Object.fromEntries(url.searchParams));
    sendJson(response, 200, feed.lagOf(group));
  },
  'GET /api/audit': async ({ db, logins }, { request, response, url }) => {
    await logins.require(request);
    const wanted = parse(auditSchema, Object.fromEntries(url.searchParams));
    const rows: AuditRow[] = await listAudit(db, wanted);
    sendJson(response, 200, { rows });
  },
};

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const { data, error } = schema.safeParse(value);
  if (error !== undefined) throw new BusError('E_USAGE', z.prettifyError(error));
  return data as T;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBodyBytes) throw new BusError('E_USAGE', `more than ${mostBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BusError('E_USAGE', 'the body is no JSON', { cause });
  }
}

function sendAsset(request: IncomingMessage, response: ServerResponse, { type, bytes, gzipped, etag }: Asset): void {
  response.setHeader('etag', etag).setHeader('cache-control', 'no-cache').setHeader('vary', 'accept-encoding');
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
  const takesGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  if (takesGzip) response.setHeader('content-encoding', 'gzip');
  response.writeHead(200, { 'content-type': type }).end(takesGzip ? gzipped : bytes);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}

const statuses: Partial<Record<ErrorCode, number>> = {
  E_CONSOLE_LOGIN: 401,
  E_CONSOLE_FOREIGN: 403,
  E_CONSOLE_BUSY: 429,
  E_USAGE: 400,
};

function refuse(response: ServerResponse, error: unknown, log: Logger): void {
  const { code, message } = databaseError(error, 'answering the console');
  const status = statuses[code] ?? 503;
  if (status === 503) log.warn({ event: 'console.failed', code, err: error }, message);
  if (response.headersSent) response.destroy();
  else sendJson(response, status, { code, message });
}

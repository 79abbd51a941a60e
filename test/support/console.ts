/**
 * A control plane that serves the console, over a database of its own, with two sites that report what a test tells them to:
 *
 *   fetch, browser ──▶ console ──▶ status ◀── PostgreSQL ◀── site.report ◀── tokyo, frankfurt (keys only, no servers)
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestOf } from '../../src/api/methods.ts';
import { parseBusFile } from '../../src/config/parse.ts';
import { exampleBus } from './bus-file.ts';
import { type JoinedSite, joinTestSite, startTestControl, type TestControl } from './control.ts';
import { startPostgres } from './postgres.ts';

type Report = RequestOf<'site.report'>;

export interface TestConsole {
  control: TestControl;
  /** `http://127.0.0.1:…` */
  url: string;
  databaseUrl: string;
  /** id of a noun by its name: `acme/trade@risk` */
  idOf(name: string): string;
  report(site: 'tokyo' | 'frankfurt', told: Partial<Report>): Promise<void>;
  code(): Promise<string>;
  stop(): Promise<void>;
}

export async function startTestConsole(): Promise<TestConsole> {
  const postgres = await startPostgres();
  const databaseUrl = await postgres.createEmptyDatabase();
  const dir = await mkdtemp('/tmp/mbus-test-console-');
  const control = await startTestControl(`${dir}/c`, databaseUrl, { console: { address: '127.0.0.1:0' } });
  await control.admin.call('bus.apply', { file: parseBusFile(exampleBus, 'bus.yaml') });
  const sites: Record<string, JoinedSite> = {
    tokyo: await joinTestSite(control, 'tokyo'),
    frankfurt: await joinTestSite(control, 'frankfurt'),
  };
  const { names } = await control.admin.call('bus.status', {});
  const ids = new Map(Object.entries(names).map(([id, name]) => [name, id]));
  const { version: applied } = await control.admin.call('bus.export', {});
  return {
    control,
    url: control.consoleUrl ?? '',
    databaseUrl,
    idOf: (name) => ids.get(name) ?? '',
    report: async (site, told) => {
      const facts = { applied, sidecarVersion: '0.1.0', serverVersion: '2.15.1', linkCredentials: [] };
      const nothing = { links: [], groups: [], topics: [], apps: [], problems: [] };
      await sites[site]?.client.call('site.report', { ...facts, ...nothing, ...told });
    },
    code: async () => (await control.admin.call('console.code', {})).code,
    stop: async () => {
      await control.stop();
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What a browser sends along when the console's own page logs in. */
export function login(url: string, code: string): Promise<Response> {
  const headers = { origin: url, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
  return fetch(`${url}/api/login`, { method: 'POST', headers, body: JSON.stringify({ code }) });
}

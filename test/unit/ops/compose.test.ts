/** docker-compose.yml, the bus it runs and the image agree with each other and with the program. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseBusFile } from '../../../src/config/parse.ts';
import { minimumVersion } from '../../../src/server/version.ts';
import { composeFile } from '../../support/compose.ts';

const root = new URL('../../../', import.meta.url);
const { services, volumes } = composeFile();
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

test('each service waits for one that is there, and its volumes are declared', () => {
  for (const [name, { depends_on: needs, volumes: mounts }] of Object.entries(services)) {
    expect([name, Object.keys(needs).filter((other) => !Object.hasOwn(services, other))]).toEqual([name, []]);
    const sources = mounts.map((mount) => mount.split(':')[0] ?? '');
    for (const source of sources) {
      const isThere = source.startsWith('.') ? existsSync(new URL(source, root)) : Object.hasOwn(volumes, source);
      expect([name, source, isThere]).toEqual([name, source, true]);
    }
  }
});

test('the sites are those of its bus, where the bus says they are', () => {
  const { sites } = parseBusFile(read('ops/compose/bus.yaml'), 'bus.yaml');
  expect(services.setup?.environment.MBUS_SITES).toBe(sites.map(({ name }) => name).join(' '));
  for (const { name, mode, address } of sites) {
    const { environment } = services[name] ?? {};
    expect(environment).toMatchObject({ MBUS_SITE: name });
    const port = environment?.MBUS_LEAF_LISTEN?.split(':')[1];
    expect(address).toBe(mode === 'server' ? `${name}:${port}` : undefined);
  }
});

test('nothing is published to other machines, and no password is written down', () => {
  const published = Object.values(services).flatMap(({ ports }) => ports);
  expect(published.length).toBeGreaterThan(0);
  expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  expect(read('docker-compose.yml')).not.toMatch(/PASSWORD: /);
});

test('each part of the script is a service, and the shell reads it', () => {
  const script = fileURLToPath(new URL('ops/compose/start.sh', root));
  execFileSync('sh', ['-n', script]);
  const parts = [...read('ops/compose/start.sh').matchAll(/^(\w+)\)$/gm)].map(([, part]) => part);
  const used = new Set(Object.values(services).flatMap(({ command }) => command ?? []));
  expect([...used].sort()).toEqual(parts.sort());
});

test('the image holds a nats-server that is new enough', () => {
  const [, version] = /^FROM nats:(\d+\.\d+\.\d+)-alpine/m.exec(read('Dockerfile')) ?? [];
  expect(version).toBe(minimumVersion);
});

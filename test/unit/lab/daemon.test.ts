import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LinkDaemon, startLinkDaemon } from '../../../src/lab/daemon.ts';
import { Links } from '../../../src/lab/links.ts';
import { closeAll, dial, startSink, until } from '../../support/tcp.ts';

let dir: string;
let daemon: LinkDaemon;
let links: Links;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-links-'));
  daemon = await startLinkDaemon({ dir });
  links = await Links.open(dir);
});

afterEach(async () => {
  await daemon.stop();
  closeAll();
  await rm(dir, { recursive: true });
});

async function openLink(name: string, targetPort: number): Promise<number> {
  const all = await links.run({ do: 'open', link: name, targetPort });
  return all.find((link) => link.link === name)?.port ?? 0;
}

test('opens, cuts and restores a link by name, and counts what it carries', async () => {
  const sink = await startSink();
  const port = await openLink('link/acme/a/b', sink.port);
  (await dial(port)).write('hello');
  await until('bytes arrive', () => sink.receivedBytes() === 5);
  const [cut] = await links.run({ do: 'cut', link: 'link/acme/a/b' });
  expect(cut).toMatchObject({ flow: 'cut', connections: 0, bytes: { up: 5, down: 0 } });
  const [restored] = await links.run({ do: 'restore', link: 'link/acme/a/b' });
  expect(restored?.flow).toBe('open');
});

test('restore ends a cut and keeps the shape; a second restore takes the shape away', async () => {
  await openLink('l', 1);
  await links.run({ do: 'shape', link: 'l', shape: { delayMs: 5, mbit: 20 } });
  await links.run({ do: 'silence', link: 'l' });
  const [once] = await links.run({ do: 'restore', link: 'l' });
  expect(once).toMatchObject({ flow: 'open', shape: { delayMs: 5, mbit: 20, jitterMs: 0 } });
  const [twice] = await links.run({ do: 'restore', link: 'l' });
  expect(twice?.shape).toEqual({ delayMs: 0, mbit: null, jitterMs: 0 });
});

test('keeps the port of a link whose target moves', async () => {
  const port = await openLink('l', 1);
  const sink = await startSink();
  expect(await openLink('l', sink.port)).toBe(port);
  (await dial(port)).write('x');
  await until('byte arrives at the new target', () => sink.receivedBytes() === 1);
});

test('a tap hears both directions piece by piece', async () => {
  const echo = await startSink((socket) => socket.pipe(socket));
  const port = await openLink('l', echo.port);
  const heard = { up: '', down: '' };
  const tap = await links.tap('l', (direction, bytes) => {
    heard[direction] += bytes.toString();
  });
  const client = await dial(port);
  for (let i = 0; i < 100; i++) client.write('x'.repeat(1000));
  await until('everything is heard', () => heard.up.length === 100_000 && heard.down.length === 100_000);
  tap.close();
});

test('names the links there are when there is no such link', async () => {
  await openLink('link/acme/a/b', 1);
  await expect(links.run({ do: 'cut', link: 'nope' })).rejects.toMatchObject({
    code: 'E_LAB_NOUN',
    message: 'no link nope: the lab has link/acme/a/b',
  });
});

test('keeps its token in a file for its owner alone and refuses any other', async () => {
  const path = join(dir, 'links.json');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await openLink('l', 1);
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), token: 'guess' }));
  await expect((await Links.open(dir)).run({ do: 'cut', link: 'l' })).rejects.toThrow('401');
  expect((await links.stats())[0]?.flow).toBe('open');
});

test('a daemon that is gone is told apart from a link that is unknown', async () => {
  await daemon.stop();
  await expect(links.stats()).rejects.toMatchObject({ code: 'E_LAB_GONE' });
});

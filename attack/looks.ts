/** What an attack looks at from inside to see whether anything has changed: database, server, processes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import type { World } from './world.ts';

/** The lab's database with the rights of its owner: a stolen dump, and worse. */
export async function database(world: World): Promise<Client> {
  const dir = join(world.dir, 'control/postgres');
  const password = await readFile(join(dir, 'password'), 'utf8');
  const port = Number((await readFile(join(dir, 'data/postmaster.pid'), 'utf8')).split('\n')[3]);
  const client = new Client({ host: '127.0.0.1', port, user: 'mbus', database: 'mbus', password });
  await client.connect();
  world.onEnd(() => client.end());
  return client;
}

/** Every leaf connection of the attacked site by the server's own word: one that was cut comes back as another. */
export async function leafConnections(world: World): Promise<string> {
  const { dir } = await world.site('frankfurt');
  const page = (await (await fetch(`http://${dir.file.monitor}/leafz`)).json()) as {
    leafs: { id: number; port: number; account: string }[];
  };
  return page.leafs
    .map(({ id, port, account }) => `${account} ${id} ${port}`)
    .sort()
    .join();
}

/** Of a process. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

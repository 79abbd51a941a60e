/**
 * Sites that lie: the sidecar is killed and another takes its place, a build of the product with a few lines replaced, with
 * the site's own keys, directory and server. `stop` puts the honest one back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Break, buildBroken } from '../campaign/broken.ts';
import { BusError } from '../src/errors.ts';
import { labKill, labStart } from '../src/lab/index.ts';
import { soon, type World } from './world.ts';

const readyMs = 120_000;
const forwarder = 'src/transit/forwarder.ts';

export const lies = {
  drops: {
    what: 'it answers for what it should carry, and drops it',
    file: 'src/terminal/inbound.ts',
    edits: [
      { from: 'await transit.take({ bytes, manifest, path: frame.path, shun: frame.shun, destinations });', to: '' },
    ],
  },
  disorders: {
    what: 'it sends everything twice, late, in another order',
    file: forwarder,
    edits: [
      {
        from: 'if (bytes !== null) await link.send(this.#nextFrame(bytes, terminalIds), lane.key);',
        to: `const frame = bytes === null ? null : this.#nextFrame(bytes, terminalIds);
      await new Promise((resolve) => setTimeout(resolve, 300 * Math.random()));
      if (frame !== null) void link.send(frame, lane.key).catch(() => undefined);
      if (frame !== null) await link.send(frame, lane.key);`,
      },
    ],
  },
  circles: {
    what: 'it sends everything over one link, whoever it is for, and says that it has been nowhere',
    file: forwarder,
    edits: [
      {
        from: 'return hop !== null && links.has(hop.linkId) ? hop : null;',
        to: "return hop === null ? hop : { linkId: process.env.LIE_LINK ?? '' };",
      },
      { from: 'path: [...frame.path, terminalId], destinations', to: 'path: [], destinations' },
    ],
  },
} satisfies Record<string, Break>;

export interface Substitute {
  /** sum of a counter's series with that label, from its page */
  count(name: string, label?: string): Promise<number>;
  stop(): Promise<void>;
}

/** The site's sidecar of another build, ready. E_TIMEOUT when it does not become so. */
export async function startLiar(
  world: World,
  site: string,
  lie: keyof typeof lies,
  env: Record<string, string> = {},
): Promise<Substitute> {
  const build = join(world.dir, '..', `liar-${lie}-${site}`);
  await buildBroken(build, lies[lie]);
  return substitute(world, site, { program: join(build, 'cli/mbus.js'), env });
}

/** @param program cli/mbus.js of some build */
export async function substitute(
  world: World,
  site: string,
  { program, env }: { program: string; env: Record<string, string> },
): Promise<Substitute> {
  const page = world.info.sites[site]?.metrics ?? '';
  const { host } = new URL(page);
  await labKill(world.dir, site, 'sidecar');
  const args = [
    program,
    'sidecar',
    'run',
    '--dir',
    join(world.dir, 'sites', site),
    '--external-server',
    '--monitor',
    host,
  ];
  const log = await open(join(world.dir, 'logs', `${site}.substitute.log`), 'a', 0o600);
  const child = spawn(process.execPath, args, { stdio: ['ignore', log.fd, log.fd], env: { ...process.env, ...env } });
  await log.close();
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await end(child);
    await labStart(world.dir, site, 'sidecar');
  };
  world.onEnd(() => end(child));
  const ready = (): Promise<boolean> =>
    fetch(`http://${host}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  if (await soon(ready, readyMs)) return { stop, count: (name, label) => counter(page, name, label) };
  await stop();
  throw new BusError('E_TIMEOUT', `the other sidecar of ${site} does not become ready`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Sum of a counter's series with that label. */
export async function counter(page: string, name: string, label = ''): Promise<number> {
  const text = await (await fetch(page)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

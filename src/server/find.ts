/**
 * Finds a nats-server the bus can trust, in this order: NATS_SERVER, the PATH, the copy kept from last time, the
 * project's release, the Debian archive. What is fetched is kept beside package.json (in a checkout) or in the user's
 * cache. A binary named by NATS_SERVER is an order: too old is an error, elsewhere it is passed over.
 */
import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BusError, errorText, isBusError } from '../errors.ts';
import { fetchFromDebian } from './fetch-debian.ts';
import { fetchFromRelease } from './fetch-release.ts';
import { withLock } from './lock.ts';
import { isNewEnough, minimumVersion, readVersion } from './version.ts';

export interface FoundServer {
  path: string;
  version: string;
  source: 'NATS_SERVER' | 'PATH' | 'kept copy' | 'release' | 'Debian archive';
}

export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  /** where fetched copies are kept; default as above */
  toolsDir?: string;
  /** told of each download, in plain words */
  onProgress?: (line: string) => void;
  /** false: use what is on this machine only */
  mayDownload?: boolean;
}

/** E_NATS_SERVER_OLD when NATS_SERVER names an old one, E_NATS_SERVER_MISSING with all that was tried when there is none. */
export async function findServer(options: FindOptions = {}): Promise<FoundServer> {
  const env = options.env ?? process.env;
  const toolsDir = options.toolsDir ?? defaultToolsDir(env);
  const kept = join(toolsDir, 'nats-server');
  const tried: string[] = [];
  if (env.NATS_SERVER) return namedServer(env.NATS_SERVER);
  tried.push('NATS_SERVER: not set');
  const present = (await onPath(env.PATH ?? '', tried)) ?? (await usable(kept, 'kept copy', tried));
  if (present) return present;
  if (options.mayDownload !== false) {
    const fetched = await withLock(join(toolsDir, '.lock'), async () => {
      // another process may have fetched it while this one waited
      return (
        (await usable(kept, 'kept copy', [])) ??
        (await fetchServer(toolsDir, kept, tried, options.onProgress ?? (() => undefined)))
      );
    });
    if (fetched) return fetched;
  }
  const lines = tried.map((line) => `\n  ${line}`).join('');
  throw new BusError('E_NATS_SERVER_MISSING', `no nats-server ${minimumVersion} or newer. Tried:${lines}`, {
    details: { tried },
  });
}

async function namedServer(path: string): Promise<FoundServer> {
  let version: string;
  try {
    version = await readVersion(path);
  } catch (cause) {
    throw new BusError('E_NATS_SERVER_MISSING', `NATS_SERVER=${path} cannot be used: ${errorText(cause)}`, { cause });
  }
  if (isNewEnough(version)) return { path, version, source: 'NATS_SERVER' };
  throw new BusError('E_NATS_SERVER_OLD', `NATS_SERVER=${path} is ${version}, needed is ${minimumVersion} or newer`);
}

async function onPath(path: string, tried: string[]): Promise<FoundServer | undefined> {
  const places = path
    .split(delimiter)
    .filter(Boolean)
    .map((dir) => join(dir, 'nats-server'));
  for (const place of places) {
    if (!existsSync(place)) continue;
    const found = await usable(place, 'PATH', tried);
    if (found) return found;
  }
  tried.push(`PATH: none in ${places.length} directories that is new enough`);
  return undefined;
}

async function usable(path: string, source: FoundServer['source'], tried: string[]): Promise<FoundServer | undefined> {
  try {
    await access(path, constants.X_OK);
    const version = await readVersion(path);
    if (isNewEnough(version)) return { path, version, source };
    tried.push(`${source}: ${path} is ${version}, older than ${minimumVersion}`);
  } catch (error) {
    tried.push(`${source}: ${isBusError(error) ? error.message : `${path} ${errorText(error)}`}`);
  }
  return undefined;
}

async function fetchServer(
  toolsDir: string,
  kept: string,
  tried: string[],
  onProgress: (line: string) => void,
): Promise<FoundServer | undefined> {
  const sources = [
    { source: 'release', fetch: fetchFromRelease },
    { source: 'Debian archive', fetch: fetchFromDebian },
  ] as const;
  for (const { source, fetch } of sources) {
    onProgress(`nats-server: fetching from ${source}`);
    try {
      await fetch({ toolsDir, target: kept });
      const found = await usable(kept, source, tried);
      if (found) {
        onProgress(`nats-server: ${found.version} from ${source}, kept at ${kept}`);
        return found;
      }
    } catch (error) {
      tried.push(`${source}: ${errorText(error)}`);
    }
  }
  return undefined;
}

/** `.tools` of a checkout; where the package is installed, the user's cache. */
/** Where fetched and computed things are kept between runs: `.tools/` of a checkout, else the user's cache. */
export function defaultToolsDir(env: NodeJS.ProcessEnv = process.env): string {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const isCheckout =
    existsSync(join(root, 'package.json')) && existsSync(join(root, 'src')) && !root.includes('/node_modules/');
  if (isCheckout) return join(root, '.tools');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mbus');
}

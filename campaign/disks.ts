/**
 * Disks that can be filled: where the campaign runs as root, every site's JetStream store lies on a tmpfs of its own, and a
 * file beside the streams takes what is left. Elsewhere disks cannot be filled and the fault is left out, told so.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statfsSync, writeSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labKill, labStart } from '../src/lab/index.ts';
import { isHealthy } from '../src/server/index.ts';
import { openSiteDir } from '../src/site/index.ts';

/** room for the streams of a site, 64 MiB each at most, while their groups lag */
const diskMebibytes = 512;
const pieceBytes = 1024 * 1024;
const fillerName = 'filler';
/** nats-server meets the full disk with the next write */
const noticeMs = 300;

export class Disks {
  readonly #lab: string;
  readonly #mounted = new Set<string>();

  constructor(lab: string) {
    this.#lab = lab;
  }

  static get arePossible(): boolean {
    return process.platform === 'linux' && process.getuid?.() === 0;
  }

  /** Moves the stores of these sites to disks of their own; their servers are started anew. */
  async mount(sites: readonly string[]): Promise<void> {
    await Promise.all(sites.map((site) => this.#mount(site)));
  }

  async #mount(site: string): Promise<void> {
    const store = this.#store(site);
    await Promise.all([labKill(this.#lab, site, 'sidecar'), labKill(this.#lab, site, 'server')]);
    await rename(store, `${store}.before`);
    await mkdir(store, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMebibytes}m,mode=700`, 'mbus-campaign', store]);
    this.#mounted.add(site);
    await cp(`${store}.before`, store, { recursive: true });
    await rm(`${store}.before`, { recursive: true });
    await labStart(this.#lab, site, 'server');
    await labStart(this.#lab, site, 'sidecar');
  }

  /** Writes until the disk is full, all at once. */
  fill(site: string): void {
    const file = openSync(this.#filler(site), 'w');
    try {
      const piece = Buffer.alloc(pieceBytes);
      while (this.#hasRoom(site)) writeSync(file, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Makes room, and starts nats-server anew when it has switched JetStream off, as a supervisor that asks /healthz does. */
  async free(site: string): Promise<void> {
    await rm(this.#filler(site), { force: true });
    if (!this.#mounted.has(site)) return;
    await delay(noticeMs);
    const { file } = await openSiteDir(join(this.#lab, 'sites', site));
    if (await isHealthy(file)) return;
    await labKill(this.#lab, site, 'server');
    await labStart(this.#lab, site, 'server');
  }

  /** After the lab is down. */
  unmount(): void {
    for (const site of this.#mounted) execFileSync('umount', ['-l', this.#store(site)]);
    this.#mounted.clear();
  }

  /** A disk that was taken away under this is not filled instead of the machine's own. */
  #hasRoom(site: string): boolean {
    const { bsize, blocks, bavail } = statfsSync(this.#store(site));
    return blocks * bsize <= diskMebibytes * 1024 * 1024 && bavail > 0;
  }

  #filler(site: string): string {
    return join(this.#store(site), fillerName);
  }

  #store(site: string): string {
    return join(this.#lab, 'sites', site, 'nats', 'store');
  }
}

/**
 * Disks that can be filled: where the campaign runs as root, every site's JetStream store lies on a tmpfs of its own, and a
 * file beside the streams takes what is left. Elsewhere disks cannot be filled and the fault is left out, told so.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { labKill, labStart } from '../src/lab/index.ts';

const diskMebibytes = 192;
const pieceBytes = 1024 * 1024;
const fillerName = 'filler';

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

  /** Writes until the disk is full. */
  async fill(site: string): Promise<void> {
    const file = await open(join(this.#store(site), fillerName), 'w');
    try {
      const piece = Buffer.alloc(pieceBytes);
      while (await this.#hasRoom(site)) await file.write(piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }

  async free(site: string): Promise<void> {
    await rm(join(this.#store(site), fillerName), { force: true });
  }

  /** After the lab is down. */
  unmount(): void {
    for (const site of this.#mounted) execFileSync('umount', ['-l', this.#store(site)]);
    this.#mounted.clear();
  }

  /** A disk that was taken away under this is not filled instead of the machine's own. */
  async #hasRoom(site: string): Promise<boolean> {
    const { bsize, blocks, bavail } = await statfs(this.#store(site));
    return blocks * bsize <= diskMebibytes * 1024 * 1024 && bavail > 0;
  }

  #store(site: string): string {
    return join(this.#lab, 'sites', site, 'nats', 'store');
  }
}

/**
 * A wrong clock for one sidecar, without root and without a line in the product: loaded into the lab's processes before
 * their own code (NODE_OPTIONS --import), it adds to `Date` what LAB/clock.SITE holds, looked up five times a second.
 * Only sidecars take part: nats-server, PostgreSQL and OpenSSL keep the machine's time.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const lookMs = 200;

export function clockFile(lab: string, site: string): string {
  return join(lab, `clock.${site}`);
}

function readOffset(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

function skew(path: string): void {
  const Real = Date;
  let offsetMs = readOffset(path);
  setInterval(() => {
    offsetMs = readOffset(path);
  }, lookMs).unref();
  globalThis.Date = new Proxy(Real, {
    construct: (target, given, newTarget) =>
      Reflect.construct(target, given.length === 0 ? [Real.now() + offsetMs] : given, newTarget),
    get: (target, key) => (key === 'now' ? () => Real.now() + offsetMs : Reflect.get(target, key)),
  });
}

const [, , noun, verb] = process.argv;
const at = process.argv.indexOf('--dir');
const siteDir = process.argv[at + 1];
if (noun === 'sidecar' && verb === 'run' && at > 0 && siteDir !== undefined) {
  // LAB/sites/SITE
  const lab = dirname(dirname(siteDir));
  skew(clockFile(lab, siteDir.slice(lab.length + '/sites/'.length)));
}

/**
 * A site of the lab joins its bus: token, keys made in the site's directory, enrolment, and from then on every way out of
 * the site leads through the lab's proxies.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { joinSite } from '../api/index.ts';
import type { ControlClient } from '../api/methods.ts';
import type { SiteSpec } from '../config/bus-file.ts';
import { type CreateSiteOptions, createSiteDir, prepareSiteDir } from '../site/index.ts';
import { type LabContext, portsOf } from './parts.ts';
import { type ServerPorts, siteDir } from './state.ts';

export interface JoinOptions {
  control: ControlClient;
  site: SiteSpec;
  /** proxy of the site's link to the control plane */
  controlPort: number;
}

/** every part of the lab starts at once */
const patienceMs = 30_000;

/** Makes the site's keys, which takes a while and needs nobody; joining finds them made. */
export async function prepareLabSite(context: LabContext, site: string): Promise<void> {
  await prepareSiteDir(siteDir(context.dir, site), site);
}

/** Nothing when the site has joined before. */
export async function joinLabSite(context: LabContext, { control, site, controlPort }: JoinOptions): Promise<void> {
  context.abort.signal.throwIfAborted();
  const path = siteDir(context.dir, site.name);
  if (existsSync(join(path, 'site.json'))) return;
  const { token } = await control.call('token.create', { site: site.name }, { timeoutMs: patienceMs });
  const ports = portsOf(context.state, site.name);
  const { key, controlUser, csrPem } = await prepareSiteDir(path, site.name);
  const enrolment = await joinSite(token, { key, controlUser, csrPem });
  await createSiteDir({
    path,
    enrolment,
    listen: local(ports.client),
    ...(site.mode === 'server' && { leafListen: local(ports.leaf), websocketListen: local(ports.websocket) }),
    monitor: local(ports.server),
    ...(ports.cluster !== undefined && { cluster: clusterOf(site, ports.cluster, ports.servers) }),
    controlVia: [local(controlPort)],
    // one machine, where all sites lose power together: fsync only where the file asks for it
    durability: site.durability === 'auto' ? 'process' : site.durability,
  });
}

function clusterOf(site: SiteSpec, first: number, servers: readonly ServerPorts[]): CreateSiteOptions['cluster'] {
  const others = servers.map((ports) => ({
    listen: local(ports.client),
    leafListen: site.mode === 'server' ? local(ports.leaf) : null,
    ...(site.mode === 'server' && { websocketListen: local(ports.websocket) }),
    monitor: local(ports.server),
    clusterListen: local(ports.cluster),
  }));
  return { listen: local(first), others };
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}

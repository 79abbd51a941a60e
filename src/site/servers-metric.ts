/** A series that says how many nats-servers of a site live, of those it should have. */
import { Gauge, type Registry } from 'prom-client';
import type { SiteServer } from './site-server.ts';

export function createServersMetric(registry: Registry, site: Pick<SiteServer, 'servers' | 'replicas'>): void {
  if (site.replicas === 1) return;
  new Gauge({
    name: 'mbus_site_servers',
    help: 'nats-servers of a site that has several, by whether they live; told by the sidecar at work',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const up = site.servers.filter(({ isUp }) => isUp).length;
      this.set({ state: 'up' }, up);
      this.set({ state: 'down' }, site.servers.length - up);
    },
  });
}

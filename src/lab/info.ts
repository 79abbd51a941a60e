/** Where the parts of a lab are, for who uses it: what `mbus lab up --json` prints. */
import { join } from 'node:path';
import type { BusFile } from '../config/bus-file.ts';
import { portsOf } from './parts.ts';
import { type LabState, siteDir } from './state.ts';

export interface LabInfo {
  /** by site: URL of its nats-server, and of its sidecar's Prometheus page */
  sites: Record<string, { nats: string; metrics: string }>;
  /** by `customer/app`: URL and credentials file that any NATS client takes */
  apps: Record<string, { nats: string; creds: string }>;
  /** monitoring of the control plane */
  console: string;
}

export function labInfo(dir: string, state: LabState, file: BusFile): LabInfo {
  const nats = (site: string): string => `nats://127.0.0.1:${portsOf(state, site).client}`;
  const metrics = (site: string): string => `http://127.0.0.1:${portsOf(state, site).monitor}/metrics`;
  const sites = file.sites.map(({ name }) => [name, { nats: nats(name), metrics: metrics(name) }]);
  const apps = file.customers.flatMap((customer) =>
    customer.apps.map(({ name, terminal }) => [
      `${customer.name}/${name}`,
      { nats: nats(terminal), creds: join(siteDir(dir, terminal), 'apps', customer.name, `${name}.creds`) },
    ]),
  );
  return {
    sites: Object.fromEntries(sites),
    apps: Object.fromEntries(apps),
    console: `http://127.0.0.1:${state.control.monitor}`,
  };
}

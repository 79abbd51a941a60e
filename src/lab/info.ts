/** Where the parts of a lab are, for who uses it: what `mbus lab up --json` prints. */
import { join } from 'node:path';
import type { AppTls, BusFile } from '../config/bus-file.ts';
import { monitorOf, portsOf, seatsOf } from './parts.ts';
import { type LabState, siteDir } from './state.ts';

export interface SiteInfo {
  nats: string;
  metrics: string;
  /** the same of its second sidecar and further ones, where it has several */
  standbys?: string[];
  /** URLs of all its nats-servers, where it has several */
  servers?: string[];
}

export interface LabInfo {
  /** by site: URL of its nats-server, and of its sidecar's Prometheus page */
  sites: Record<string, SiteInfo>;
  /** by `customer/app`: URL and credentials file that any NATS client takes, and the CA it must trust where that is needed */
  apps: Record<string, { nats: string; creds: string; ca?: string; servers?: string[] }>;
  /** its Prometheus page */
  control: { metrics: string };
  /** the control plane's web page; `mbus console login` lets somebody in */
  console: string;
}

export function labInfo(dir: string, state: LabState, file: BusFile): LabInfo {
  const tlsOf = (site: string): AppTls | undefined => file.sites.find(({ name }) => name === site)?.tls;
  const scheme = (site: string): string => (tlsOf(site) === undefined ? 'nats' : 'tls');
  const nats = (site: string): string => `${scheme(site)}://127.0.0.1:${portsOf(state, site).client}`;
  const caOf = (site: string): string | undefined =>
    tlsOf(site)?.names === undefined ? tlsOf(site)?.ca : join(siteDir(dir, site), 'tls/ca.pem');
  const more = (site: string): Pick<SiteInfo, 'servers'> => {
    const { servers } = portsOf(state, site);
    if (servers.length === 0) return {};
    return { servers: [nats(site), ...servers.map(({ client }) => `${scheme(site)}://127.0.0.1:${client}`)] };
  };
  const sites = file.sites.map(({ name }): [string, SiteInfo] => {
    const [metrics = '', ...standbys] = seatsOf(state, name).map(
      (seat) => `http://127.0.0.1:${monitorOf(state, name, seat)}/metrics`,
    );
    return [name, { nats: nats(name), metrics, ...(standbys.length > 0 && { standbys }), ...more(name) }];
  });
  const apps = file.customers.flatMap((customer) =>
    customer.apps.map(({ name, terminal }) => [
      `${customer.name}/${name}`,
      {
        nats: nats(terminal),
        ...more(terminal),
        creds: join(siteDir(dir, terminal), 'apps', customer.name, `${name}.creds`),
        ...(caOf(terminal) !== undefined && { ca: caOf(terminal) }),
      },
    ]),
  );
  return {
    sites: Object.fromEntries(sites),
    apps: Object.fromEntries(apps),
    control: { metrics: `http://127.0.0.1:${state.control.monitor}/metrics` },
    console: `http://127.0.0.1:${state.control.console}`,
  };
}

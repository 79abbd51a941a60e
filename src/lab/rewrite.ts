/**
 * The declared bus as the lab runs it: the same nouns, every site on 127.0.0.1, every link by way of its own proxy. Pure.
 */
import type { BusFile, CustomerSpec } from '../config/bus-file.ts';

/** `link/<customer>/<a>/<b>` with the sites sorted, or `control/<site>`. */
export type LinkName = string;

export interface DeclaredLink {
  name: LinkName;
  customer: string;
  /** the end that is dialled: a client-mode end dials, between two servers the end whose name sorts first */
  accepting: string;
  /** which of its ports */
  listener: 'leaf' | 'websocket';
}

export function linkName(customer: string, a: string, b: string): LinkName {
  return ['link', customer, ...[a, b].sort()].join('/');
}

export function controlLinkName(site: string): LinkName {
  return `control/${site}`;
}

/** Every link of every customer, with the end that accepts it. */
export function declaredLinks(file: BusFile): DeclaredLink[] {
  const clients = new Set(file.sites.filter((site) => site.mode === 'client').map((site) => site.name));
  return file.customers.flatMap((customer) =>
    customer.links.map(({ between, transport }) => {
      const [first, second] = [...between].sort() as [string, string];
      const accepting = clients.has(second) ? first : second;
      const listener = transport === 'ws' ? 'websocket' : 'leaf';
      return { name: linkName(customer.name, first, second), customer: customer.name, accepting, listener };
    }),
  );
}

export interface LocalAddresses {
  /** of each site; one in client mode has no address to use them for */
  sitePorts: ReadonlyMap<string, { leaf: number; websocket: number }>;
  /** proxy port of each link */
  proxyPorts: ReadonlyMap<LinkName, number>;
}

/** The file with every address replaced by a local one; everything else stays as declared. */
export function localBusFile(file: BusFile, addresses: LocalAddresses): BusFile {
  return {
    sites: file.sites.map((site) => {
      const ports = addresses.sitePorts.get(site.name);
      if (ports === undefined || site.mode === 'client') return site;
      const websocket = site.websocket === undefined ? {} : { websocket: `127.0.0.1:${ports.websocket}` };
      return { ...site, address: `127.0.0.1:${ports.leaf}`, ...websocket };
    }),
    customers: file.customers.map((customer) => localCustomer(customer, addresses)),
  };
}

function localCustomer(customer: CustomerSpec, addresses: LocalAddresses): CustomerSpec {
  const links = customer.links.map((link) => {
    const port = addresses.proxyPorts.get(linkName(customer.name, ...link.between));
    return port === undefined ? link : { ...link, via: `127.0.0.1:${port}` };
  });
  return { ...customer, links };
}

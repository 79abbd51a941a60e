/**
 * Sites without a control plane: a CA, joined site directories and hand-made snapshots, for tests of accounts and links.
 * What the control plane does between two applies (carry dialling users and link tokens) is done by `exchange`.
 */
import { randomUUID } from 'node:crypto';
import type { Snapshot, SnapshotApp, SnapshotCustomer, SnapshotLink, SnapshotTopic } from '../../src/api/snapshot.ts';
import { silentLogger } from '../../src/log.ts';
import { createSiteDir, prepareSiteDir, type SiteDir, SiteServer, serversBeside } from '../../src/site/index.ts';
import {
  type CertificateAuthority,
  certificateNames,
  createCa,
  createKey,
  encodeUserJwt,
  issueCertificate,
} from '../../src/trust/index.ts';
import { freeAddress, type TestScope } from './nats-server.ts';

export interface TestSite {
  name: string;
  id: string;
  mode: 'server' | 'client';
  /** host:port of the leaf listener */
  address: string | null;
  dir: SiteDir;
  server: SiteServer;
}

export interface TestBus {
  busId: string;
  ca: CertificateAuthority;
  sites: TestSite[];
}

let authority: Promise<CertificateAuthority> | undefined;

/** Joined, started sites; stopped after the test. The first ones are in server mode, those named in `clients` are not. */
export async function startSites(
  scope: TestScope,
  names: string[],
  clients: string[] = [],
  linkLifeMs?: number,
): Promise<TestBus> {
  authority ??= createCa({ name: 'test bus' });
  const bus: TestBus = { busId: randomUUID(), ca: await authority, sites: [] };
  bus.sites = await Promise.all(
    names.map((name) => startSite(scope, bus, name, clients.includes(name) ? 'client' : 'server', linkLifeMs)),
  );
  return bus;
}

export async function startSite(
  scope: TestScope,
  bus: TestBus,
  name: string,
  mode: 'server' | 'client',
  linkLifeMs?: number,
): Promise<TestSite> {
  const dir = await joinSite(scope.dir(`site-${name}`), bus, name, mode);
  const server = new SiteServer({ dir, log: silentLogger, ...(linkLifeMs !== undefined && { linkLifeMs }) });
  scope.onEnd(() => server.stopServer());
  await server.start();
  return { name, id: dir.file.siteId, mode, address: dir.file.leafListen, dir, server };
}

export async function joinSite(
  path: string,
  bus: TestBus,
  name: string,
  mode: 'server' | 'client',
  servers: 1 | 3 = 1,
): Promise<SiteDir> {
  const request = await prepareSiteDir(path, name);
  const leafListen = mode === 'server' ? await freeAddress() : undefined;
  const websocketListen = mode === 'server' ? await freeAddress() : undefined;
  const names = certificateNames([leafListen ?? null]);
  const certPem = issueCertificate({ ca: bus.ca, csrPem: request.csrPem, commonName: name, names, days: 30 });
  const enrolment = {
    busId: bus.busId,
    siteId: randomUUID(),
    site: name,
    certPem,
    controlUserJwt: await encodeUserJwt({ name, connections: ['LEAFNODE'] }, request.controlUser, createKey('account')),
    control: { leafUrls: [], signKey: 'none', sealKey: 'none', caPem: bus.ca.certPem },
  };
  const place = { listen: '127.0.0.1:0', monitor: '127.0.0.1:0', leafListen, websocketListen };
  const free = '127.0.0.1:0';
  const further = { listen: free, monitor: free, ...(mode === 'server' && { leafListen: free }) };
  const cluster = servers === 3 ? serversBeside(further, free) : undefined;
  return createSiteDir({ path, ...place, durability: 'process', enrolment, cluster });
}

/** A customer with a terminal at every given site and a link between each two. */
export async function meshCustomer(name: string, sites: TestSite[]): Promise<TestCustomer> {
  const terminals = await Promise.all(
    sites.map(async (site) => {
      const id = randomUUID();
      const linkUser = (await site.dir.linkUser(id)).getPublicKey();
      return {
        id,
        siteId: site.id,
        site: site.name,
        mode: site.mode,
        transit: false,
        signKey: null,
        linkUser,
        formats: { min: 1, max: 1 },
        isDraining: false,
        isForgotten: false,
        isRevoked: false,
        isRekeyWanted: false,
      };
    }),
  );
  const customer: TestCustomer = {
    id: randomUUID(),
    name,
    isolateApps: false,
    limits: { maxConnections: null, maxPayload: null, maxStorage: null, maxConsumers: null },
    frozen: null,
    terminals,
    links: [],
    topics: [],
    apps: new Map(),
  };
  for (const [i, a] of sites.entries()) for (const b of sites.slice(i + 1)) addLink(customer, a, b);
  return customer;
}

export interface TestCustomer extends Omit<SnapshotCustomer, 'terminalId' | 'apps'> {
  /** by site id */
  apps: Map<string, SnapshotApp[]>;
}

export function addLink(customer: TestCustomer, a: TestSite, b: TestSite): SnapshotLink {
  const terminal = (site: TestSite): string => customer.terminals.find((t) => t.siteId === site.id)?.id ?? '';
  const [dialer, accepter] = a.mode === 'client' || (b.mode === 'server' && a.name < b.name) ? [a, b] : [b, a];
  const link: SnapshotLink = {
    id: randomUUID(),
    a: terminal(a),
    b: terminal(b),
    cost: 1,
    dialer: terminal(dialer),
    url: accepter.address ?? '',
    userJwt: null,
    compress: 'auto',
  };
  customer.links.push(link);
  return link;
}

export function newTopic(
  name: string,
  groups: string[],
  terminals: string[],
  scope: 'bus' | 'lan' = 'bus',
): SnapshotTopic {
  const group = (groupName: string) => ({
    id: randomUUID(),
    name: groupName,
    terminals,
    policy: 'nearest' as const,
    maxBytes: 1 << 20,
    onFull: 'refuse' as const,
    ackWaitMs: 30_000,
    maxDeliver: -1,
    maxAckPending: 1_000,
    failoverAfterMs: 5_000,
    onTerminalLoss: 'wait' as const,
    reassignAfterMs: 3_600_000,
  });
  const limits = {
    maxBytes: 1 << 20,
    maxTransitAgeMs: 3_600_000,
    strict: false,
    ordered: false,
    dedupeMs: 1_000,
    keyEpoch: null,
    ticketsSinceMs: null,
  };
  return { id: randomUUID(), name, scope, ...limits, groups: groups.map(group) };
}

export function newApp(name: string, publish: string[], consume: string[]): SnapshotApp {
  const groups = consume.map((text) => text.split('@') as [string, string]);
  return {
    id: randomUUID(),
    name,
    credential: 0,
    credentialLifeMs: null,
    publish,
    consume: groups.map(([topic, group]) => ({ topic, group })),
    deadLetters: [],
  };
}

/** What `site` is told of the customers that have a terminal there. */
export function snapshotFor(bus: TestBus, site: TestSite, customers: TestCustomer[]): Snapshot {
  return {
    format: 1,
    version: 1,
    busId: bus.busId,
    site: {
      id: site.id,
      name: site.name,
      mode: site.mode,
      address: site.address,
      ...(site.mode === 'server' && { websocket: site.dir.file.websocketListen }),
      maxPayload: 1 << 20,
      durability: 'process',
    },
    control: { leafUrls: [], signKey: 'none', sealKey: 'none', caPem: bus.ca.certPem },
    customers: customers.flatMap((customer) => {
      const terminal = customer.terminals.find((t) => t.siteId === site.id);
      return terminal ? [{ ...customer, terminalId: terminal.id, apps: customer.apps.get(site.id) ?? [] }] : [];
    }),
  };
}

/** Applies at every site, carries the link tokens over, applies again. */
export async function exchange(
  bus: TestBus,
  customers: TestCustomer[],
  isReady: () => boolean = () => true,
): Promise<void> {
  const applyAll = () =>
    Promise.all(bus.sites.map((site) => site.server.apply(snapshotFor(bus, site, customers), isReady)));
  const tokens = new Map(
    (await applyAll()).flatMap((result) => result.linkCredentials.map((c) => [c.linkId, c.userJwt] as const)),
  );
  for (const customer of customers) for (const link of customer.links) link.userJwt = tokens.get(link.id) ?? null;
  await applyAll();
}

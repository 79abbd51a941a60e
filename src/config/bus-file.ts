/**
 * The nouns of a declared bus, as the YAML file says them and as the registry keeps them. Parsing, with the line of
 * every problem, is in parse.ts; this file holds shape and defaults only.
 */
import { z } from 'zod';
import { namePattern } from './names.ts';

const name = z.string().regex(namePattern, 'use 1 to 64 of A-Z a-z 0-9 _ -, not starting with _ or mb');
const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'use host:port');
/** a proxy that opens tunnels (CONNECT); a secret has no place in the declared file */
const proxyUrl = z.string().regex(/^http:\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'use http://host:port');
const bytes = z.number().int().positive();
/** at most 100 years: more nanoseconds than nats-server can count are no duration */
const ms = z
  .number()
  .int()
  .positive()
  .max(100 * 365 * 24 * 3_600_000);
/** a column of four bytes keeps it */
const count = z
  .number()
  .int()
  .max(2 ** 31 - 1);

const mebibyte = 1024 * 1024;

const hostName = z.string().regex(/^([A-Za-z0-9_.-]+|[0-9a-fA-F:]+)$/, 'use a host name or an address');
const absolutePath = z.string().regex(/^\/[^\u0000-\u001f]+$/, 'use an absolute path');

/** TLS of the port where a site's applications connect: the bus's CA for these names, or files of the site's machine. */
export const appTlsSchema = z.strictObject({
  /** hosts that applications dial: the certificate is of the bus's own CA and names them */
  names: z.array(hostName).min(1).optional(),
  /** PEM files of the operator: certificate with its chain, and private key */
  cert: absolutePath.optional(),
  key: absolutePath.optional(),
  /** whose certificates applications must trust, where that is nobody they know already */
  ca: absolutePath.optional(),
});

/** What a site may be told about power cuts. */
export const durabilities = ['auto', 'process', 'power'] as const;

export const siteSchema = z.strictObject({
  name,
  mode: z.enum(['server', 'client']),
  /** host:port of the leaf listener as other sites dial it; required in server mode */
  address: hostPort.optional(),
  /** host:port where links may come in over WebSocket and TLS, for LANs that let out nothing but port 443; server mode */
  websocket: hostPort.optional(),
  /** HTTP proxy that everything this site dials goes through */
  proxy: proxyUrl.optional(),
  /** largest application message, bytes of headers and payload: 1 MiB by default, at most 8 MiB */
  maxPayload: bytes.max(8 * mebibyte).default(mebibyte),
  /** process: survives kill -9 · power: fsync before every acknowledgement · auto: power in server mode, else process */
  durability: z.enum(durabilities).default('auto'),
  /** client mode only: carries envelopes between its links as well; a site in server mode always does */
  transit: z.boolean().default(false),
  /** processes that share the work of its sidecar: one is active, the others stand by */
  sidecars: z.number().int().min(1).max(3).default(1),
  /** applications connect over TLS, and no other way */
  tls: appTlsSchema.optional(),
  /** nats-servers that keep everything it stores; it stays what it was when the site joined */
  servers: z.union([z.literal(1), z.literal(3)], { error: 'must be 1 or 3' }).default(1),
});

export const linkSchema = z.strictObject({
  between: z.tuple([name, name]),
  cost: z.number().int().min(1).max(1_000_000).default(1),
  /** host:port to dial instead of the accepting site's address (NAT, proxy) */
  via: hostPort.optional(),
  /** ws: WebSocket over TLS, to the accepting site's `websocket` address */
  transport: z.enum(['tcp', 'ws']).default('tcp'),
  /** HTTP proxy of this link, instead of the dialling site's */
  proxy: proxyUrl.optional(),
  /** auto: compress when the link is slow */
  compress: z.enum(['auto', 'always', 'never']).default('auto'),
});

export const groupSchema = z.strictObject({
  name,
  terminals: z.array(name).min(1),
  policy: z.enum(['nearest', 'spread', 'ordered']).default('nearest'),
  /** quota of the group's stream at each of its terminals, bytes */
  maxBytes: bytes.default(1024 * mebibyte),
  onFull: z.enum(['refuse', 'dropOldest']).default('refuse'),
  ackWaitMs: ms.default(30_000),
  /** -1: without end */
  maxDeliver: count
    .min(-1)
    .refine((times) => times !== 0, 'must be 1 or more, or -1')
    .default(-1),
  maxAckPending: count.min(1).default(10_000),
  /** a terminal without consumers for this long gets no new messages while another has some */
  failoverAfterMs: ms.default(5_000),
  /** what was sent to a terminal that stays away: wait for it · reassign: send it to another, at least once */
  onTerminalLoss: z.enum(['wait', 'reassign']).default('wait'),
  /** reassign: how long it may stay away, one hour by default */
  reassignAfterMs: ms.default(3_600_000),
});

export const topicSchema = z.strictObject({
  name,
  /** lan: never leaves a site */
  scope: z.enum(['bus', 'lan']).default('bus'),
  /** the topic's disk budget at each site where it is published, bytes */
  maxBytes: bytes.default(1024 * mebibyte),
  maxTransitAgeMs: ms.default(7 * 24 * 3600 * 1000),
  /** a fresh ticket per envelope */
  strict: z.boolean().default(false),
  /** an envelope behind a gap waits until the gap is filled: each group stream holds an origin's messages in order */
  ordered: z.boolean().default(false),
  /** duplicate window of the capture stream for an application's own Nats-Msg-Id; nats-server takes 100 ms or more */
  dedupeMs: ms.min(100).default(120_000),
  /** the topic gets a new key version when the one in use is that old: 30 days by default */
  rotateAfterMs: ms.min(60_000).default(30 * 24 * 3600 * 1000),
  /** or has sealed that many messages */
  rotateAfterMessages: z.number().int().positive().default(1_000_000_000),
  groups: z.array(groupSchema).default([]),
});

export const appSchema = z.strictObject({
  name,
  terminal: name,
  publish: z.array(name).default([]),
  /** `topic@group` */
  consume: z.array(z.string()).default([]),
  /** `topic@group` whose dead letters at this terminal it may read and acknowledge */
  deadLetters: z.array(z.string()).default([]),
  /** its credential ends at most that long after it was made, and its site makes the next in time; without: never */
  credentialLifeMs: ms.min(60_000).optional(),
});

export const customerSchema = z.strictObject({
  name,
  /** each application in an account of its own */
  isolateApps: z.boolean().default(false),
  /** of its applications and the sidecar at each site: 4096 by default, at least 8 */
  maxConnections: count.min(8).optional(),
  /** largest message of its applications, bytes of headers and payload: the site's by default */
  maxPayload: bytes.max(8 * mebibyte).optional(),
  /** of all its streams at each site, bytes: without limit by default */
  maxStorage: bytes.optional(),
  /** of any one of its streams at each site, the bus's own included: without limit by default, at least 8 */
  maxConsumers: count.min(8).optional(),
  terminals: z.array(name).min(1),
  links: z.array(linkSchema).default([]),
  topics: z.array(topicSchema).default([]),
  apps: z.array(appSchema).default([]),
});

export const busFileSchema = z.strictObject({
  sites: z.array(siteSchema),
  customers: z.array(customerSchema).default([]),
});

export type BusFile = z.output<typeof busFileSchema>;
export type SiteSpec = z.output<typeof siteSchema>;
export type AppTls = z.output<typeof appTlsSchema>;
export type CustomerSpec = z.output<typeof customerSchema>;
export type LinkSpec = z.output<typeof linkSchema>;
export type TopicSpec = z.output<typeof topicSchema>;
export type GroupSpec = z.output<typeof groupSchema>;
export type AppSpec = z.output<typeof appSchema>;

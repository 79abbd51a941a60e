/**
 * A site's configuration as the control plane signs it: what the site must run, and of other sites only what its
 * customers' terminals need. A sidecar keeps the last one on disk and starts from it when it is alone.
 * Ids are UUIDs; on the wire between sites they are their 16 bytes. Keys are base64url without padding.
 */
import { z } from 'zod';
import { appTlsSchema, durabilities } from '../config/bus-file.ts';

const id = z.uuid();
/** formats that a build reads, both included */
export const formatRangeSchema = z.strictObject({
  min: z.number().int().min(1),
  max: z.number().int().min(1).max(255),
});

export const snapshotSchema = z.strictObject({
  format: z.literal(1),
  /** the bus's revision: grows with every change of the registry */
  version: z.number().int().nonnegative(),
  busId: id,
  site: z.strictObject({
    id,
    name: z.string(),
    mode: z.enum(['server', 'client']),
    /** host:port other sites dial, null in client mode */
    address: z.string().nullable(),
    /** host:port other sites dial over WebSocket */
    websocket: z.string().optional(),
    /** http://host:port that everything this site dials goes through */
    proxy: z.string().optional(),
    /** hosts this site's certificate must name */
    dialledAs: z.array(z.string()).optional(),
    maxPayload: z.number().int(),
    durability: z.enum(durabilities),
    /** processes that share the sidecar's work, one where it is absent */
    sidecars: z.number().int().optional(),
    /** of the port where applications connect */
    tls: appTlsSchema.optional(),
    /** nats-servers that keep what it stores, one where it is absent */
    servers: z.number().int().optional(),
  }),
  control: z.strictObject({
    /** host:port of every control leaf listener */
    leafUrls: z.array(z.string()),
    /** Ed25519 public key that signs snapshots, answers and ticket certificates */
    signKey: z.string(),
    /** X25519 public key that requests are sealed to */
    sealKey: z.string(),
    caPem: z.string(),
  }),
  customers: z.array(
    z.strictObject({
      id,
      name: z.string(),
      isolateApps: z.boolean(),
      /** here, null: none but the server's own */
      limits: z
        .strictObject({
          maxConnections: z.number().int().nullable(),
          maxPayload: z.number().int().nullable(),
          maxStorage: z.number().int().nullable(),
          maxConsumers: z.number().int().nullable().default(null),
        })
        .default({ maxConnections: null, maxPayload: null, maxStorage: null, maxConsumers: null }),
      /** nothing moves: the customer is suspended, or its terminal here is revoked; apps and links are left out */
      frozen: z.enum(['suspended', 'revoked']).nullable().default(null),
      /** this site's terminal */
      terminalId: id,
      terminals: z.array(
        z.strictObject({
          id,
          siteId: id,
          site: z.string(),
          mode: z.enum(['server', 'client']),
          /** in client mode: carries envelopes of others as well */
          transit: z.boolean().default(false),
          /** of envelopes and all else between terminals, as its site reported; see envelope/formats.ts */
          formats: formatRangeSchema.default({ min: 1, max: 1 }),
          /** Ed25519 public key of the terminal, null until it is registered */
          signKey: z.string().nullable(),
          /** NATS user public key (U…) it dials links with, null until registered */
          linkUser: z.string().nullable(),
          /** an operator empties it: groups with other terminals are served there */
          isDraining: z.boolean().default(false),
          /** an operator gave it up: what it has not receipted goes elsewhere too */
          isForgotten: z.boolean().default(false),
          /** let in no more: its key is not told, and nothing it signs counts */
          isRevoked: z.boolean().default(false),
          /** an operator asks this site's terminal to replace its securekey */
          isRekeyWanted: z.boolean().default(false),
        }),
      ),
      links: z.array(
        z.strictObject({
          id,
          a: id,
          b: id,
          cost: z.number().int(),
          /** the end that dials; the other end is in server mode */
          dialer: id,
          /** host:port the dialer dials, wss://host:port for WebSocket; empty for others than the dialer */
          url: z.string(),
          /** http://host:port the dialer goes through */
          proxy: z.string().optional(),
          /** user JWT issued by the accepting site for the dialer's linkUser; null until reported */
          userJwt: z.string().nullable(),
          compress: z.enum(['auto', 'always', 'never']),
        }),
      ),
      topics: z.array(
        z.strictObject({
          id,
          name: z.string(),
          scope: z.enum(['bus', 'lan']),
          maxBytes: z.number().int(),
          maxTransitAgeMs: z.number().int(),
          strict: z.boolean(),
          /** an arrival behind a gap waits for what comes before it */
          ordered: z.boolean().default(false),
          dedupeMs: z.number().int(),
          /** version of the topic's key that seals, null until the first ticket; tickets of an older one are not used */
          keyEpoch: z.number().int().nullable().default(null),
          /** tickets from before that moment of the service's clock, ms since 1970, are used no more; null: none was revoked */
          ticketsSinceMs: z.number().nullable().default(null),
          groups: z.array(
            z.strictObject({
              id,
              name: z.string(),
              terminals: z.array(id),
              policy: z.enum(['nearest', 'spread', 'ordered']),
              maxBytes: z.number().int(),
              onFull: z.enum(['refuse', 'dropOldest']),
              ackWaitMs: z.number().int(),
              maxDeliver: z.number().int(),
              maxAckPending: z.number().int(),
              failoverAfterMs: z.number().int().default(5_000),
              onTerminalLoss: z.enum(['wait', 'reassign']).default('wait'),
              reassignAfterMs: z.number().int().default(3_600_000),
            }),
          ),
        }),
      ),
      /** applications of this terminal only; topic and group names */
      apps: z.array(
        z.strictObject({
          id,
          name: z.string(),
          /** number of its credential; with a higher one it gets a new file, and the ones before are worth nothing */
          credential: z.number().int().default(0),
          /** how long a token of it is good; null: without end */
          credentialLifeMs: z.number().int().nullable().default(null),
          publish: z.array(z.string()),
          consume: z.array(z.strictObject({ topic: z.string(), group: z.string() })),
          /** groups whose dead letters at this terminal it may read */
          deadLetters: z.array(z.strictObject({ topic: z.string(), group: z.string() })).default([]),
        }),
      ),
    }),
  ),
});

export type Snapshot = z.output<typeof snapshotSchema>;
export type SnapshotCustomer = Snapshot['customers'][number];
export type SnapshotLink = SnapshotCustomer['links'][number];
export type SnapshotTopic = SnapshotCustomer['topics'][number];
export type SnapshotGroup = SnapshotTopic['groups'][number];
export type SnapshotApp = SnapshotCustomer['apps'][number];

/** What a site reports of itself: the only thing that status, limits, losses and the console are computed from. */
import { z } from 'zod';
import { formatRangeSchema } from './snapshot.ts';

const id = z.uuid().lowercase();
const key = z.string().max(128);

/** what a site says of itself, every few seconds and after each change; kept as the newest only */
export const siteReportSchema = z.strictObject({
  /** snapshot version applied completely */
  applied: z.number().int(),
  sidecarVersion: z.string(),
  /** that its build reads, see envelope/formats.ts */
  formats: formatRangeSchema.default({ min: 1, max: 1 }),
  serverVersion: z.string(),
  /** user JWTs issued for peers that dial this site */
  linkCredentials: z.array(z.strictObject({ linkId: id, userJwt: z.string().max(16_384) })).max(10_000),
  links: z.array(
    z.strictObject({
      linkId: id,
      state: z.enum(['up', 'degraded', 'silent', 'down']),
      rttMs: z.number().nullable(),
      sinceMs: z.number(),
      reason: z.string().max(512),
      jitterMs: z.number().default(0),
      /** of the last hellos, 0 to 1 */
      lossRatio: z.number().default(0),
      /** operator's part included, null while it is not up */
      cost: z.number().nullable().default(null),
      /** bytes under way or waiting for the link */
      backlogBytes: z.number().default(0),
      /** frames, notes and records since the session began; null where an older sidecar reports */
      sentBytes: z.number().nullable().default(null),
      receivedBytes: z.number().nullable().default(null),
      /** the other end */
      peerSiteId: id.nullable().default(null),
      /** this end dials, the other one listens */
      isDialer: z.boolean().default(false),
      /** silent: until this end dials anew */
      redialMs: z.number().nullable().default(null),
    }),
  ),
  /** paths from this site's terminals, as they see them now */
  routes: z
    .array(
      z.strictObject({
        customerId: id,
        terminalId: id,
        /** terminals, the site's own first; null without a way */
        path: z.array(id).nullable(),
        cost: z.number().nullable(),
        /** every link of the path is up, as far as is known here */
        isWhole: z.boolean(),
        rttMs: z.number(),
        /** since the terminal's newest link-state record was heard */
        recordAgeMs: z.number().nullable(),
      }),
    )
    .max(2_000)
    .default([]),
  /** one row per topic and group with a part at this site */
  groups: z.array(
    z.strictObject({
      topicId: id,
      groupId: id,
      /** waiting in this site's capture stream for this remote group, messages */
      outgoing: z.number().int(),
      /** waiting here for consumers, messages */
      pending: z.number().int(),
      /** delivered, not yet acknowledged by consumers */
      unacked: z.number().int(),
      /** terminal that serves the group for this origin, null when none is reachable or needed */
      assigned: id.nullable(),
      /** why messages wait, empty when they do not; begins with the code of an error where there is one */
      reason: z.string().max(512),
      /** live consumers here; null where it is not known */
      consumers: z.number().int().nullable().default(null),
      /** deliveries here that are not the first and not acknowledged */
      redelivered: z.number().int().default(0),
      /** delivered here, and nothing acknowledged for so long; null when nothing is owed */
      notAckedMs: z.number().nullable().default(null),
      /** how long a consumer may take before a message is delivered again */
      ackWaitMs: z.number().default(30_000),
      /** age of the oldest message that waits here */
      oldestMs: z.number().nullable().default(null),
      /** dead letters of the group at this site, messages and bytes */
      dead: z.number().int().default(0),
      deadBytes: z.number().int().default(0),
      /** sent to a terminal and not receipted yet, messages at most */
      awaited: z.array(z.strictObject({ terminalId: id, messages: z.number().int() })).default([]),
      /** onFull dropOldest: dropped here since the sidecar started; may be too low */
      dropped: z.number().int().default(0),
    }),
  ),
  /** streams that are at least 80 % full */
  limits: z
    .array(
      z.strictObject({
        kind: z.enum(['capture', 'group', 'deadLetters', 'transit']),
        /** topic of a capture stream, group of its streams, customer of a transit cache */
        id,
        bytes: z.number(),
        maxBytes: z.number(),
        /** who holds the space, those that hold most first */
        heldBy: z.string().max(512),
      }),
    )
    .default([]),
  /** of customers with limits of their own: what they use here, and what they may; null: no limit */
  usage: z
    .array(
      z.strictObject({
        customerId: id,
        connections: z.number().int(),
        maxConnections: z.number().int().nullable(),
        storageBytes: z.number(),
        maxStorage: z.number().nullable(),
        /** of the stream that has most */
        consumers: z.number().int(),
        maxConsumers: z.number().int().nullable(),
      }),
    )
    .default([]),
  topics: z.array(
    z.strictObject({
      topicId: id,
      messages: z.number().int(),
      bytes: z.number().int(),
      maxBytes: z.number().int(),
      isReady: z.boolean(),
    }),
  ),
  apps: z.array(
    z.strictObject({
      appId: id,
      isReady: z.boolean(),
      credsPath: z.string(),
      /** when the newest credential ends, ms since 1970; null: never */
      endsMs: z.number().nullable().default(null),
    }),
  ),
  problems: z.array(z.strictObject({ code: z.string(), text: z.string().max(1024) })),
  /** where a site has several sidecars: which works, and which stand by as it hears */
  sidecars: z
    .array(z.strictObject({ seat: z.number().int(), role: z.enum(['active', 'standby']) }))
    .max(16)
    .default([]),
  /** where a site has several nats-servers: which live */
  servers: z
    .array(z.strictObject({ server: z.number().int(), isUp: z.boolean() }))
    .max(16)
    .default([]),
  /** messages sealed so far with tickets that are in use, or were a moment ago */
  sealed: z
    .array(z.strictObject({ ticketId: key, messages: z.number().int().nonnegative() }))
    .max(2_000)
    .default([]),
});

export type SiteReport = z.output<typeof siteReportSchema>;

/**
 * The control API's part about keys, for admins: versions of topic keys, their rotation and their end. Spread into
 * methods.ts. No secret is in any of these: keys never leave the key service but as halves wrapped to a terminal.
 */
import { z } from 'zod';

const name = z.string().max(64);
const topic = { customer: name, topic: name };
const epoch = z.number().int().positive();
const time = z.string();

const keyVersionSchema = z.strictObject({
  epoch,
  /** seals: new tickets are for it · opens: what is under way only · destroyed: nothing any more */
  state: z.enum(['seals', 'opens', 'destroyed']),
  createdAt: time,
  retiredAt: time.nullable(),
  destroyedAt: time.nullable(),
  /** when its grace ends; null while it seals, and once it is destroyed */
  destroyDueAt: time.nullable(),
  /** messages sealed under it, as terminals have told */
  sealed: z.number().int(),
  /** of them, at most so many may be under way still */
  underWay: z.number().int(),
  liveTickets: z.number().int(),
});

const ticketSchema = z.strictObject({
  /** hex */
  ticketId: z.string(),
  /** `customer/topic` */
  topic: z.string(),
  /** where its terminal is, null when that is gone */
  site: name.nullable(),
  epoch,
  issuedAt: time,
  expiresAt: time,
  state: z.enum(['live', 'expired', 'revoked']),
  sealed: z.number().int(),
  /** terminals that asked for it anew after its end */
  renewals: z.number().int(),
});

export const keyMethods = {
  /** a new version of the topic's key seals from now on */
  'key.rotate': {
    caller: 'admin',
    request: z.strictObject(topic),
    response: z.strictObject({ epoch, version: z.number().int() }),
  },
  'key.versions': {
    caller: 'admin',
    request: z.strictObject(topic),
    response: z.strictObject({
      versions: z.array(keyVersionSchema),
      rules: z.strictObject({
        rotateAfterMs: z.number().int(),
        rotateAfterMessages: z.number().int(),
        /** a retired version is destroyed after that time */
        destroyAfterMs: z.number().int(),
      }),
    }),
  },
  'ticket.list': {
    caller: 'admin',
    request: z.strictObject({
      customer: name.optional(),
      topic: name.optional(),
      isLive: z.boolean(),
      limit: z.number().int().min(1).max(1_000),
    }),
    response: z.strictObject({ tickets: z.array(ticketSchema) }),
  },
  /** one ticket, or all of a topic: they open nothing from now on, and senders take new ones */
  'ticket.revoke': {
    caller: 'admin',
    request: z.union([z.strictObject({ ticketId: z.string().max(64) }), z.strictObject(topic)]),
    response: z.strictObject({ revoked: z.number().int(), version: z.number().int() }),
  },
  /** what the version sealed stays closed for ever; refused before its grace is over unless forced */
  'key.destroy': {
    caller: 'admin',
    request: z.strictObject({ ...topic, epoch, force: z.boolean() }),
    response: z.strictObject({ stranded: z.number().int() }),
  },
} as const;

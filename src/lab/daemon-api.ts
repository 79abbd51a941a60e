/**
 * What the lab's verbs say to its daemon, which holds the proxies: JSON over loopback HTTP, with a bearer token that only
 * the owner of the lab's directory can read (links.json, 0600).
 */
import { z } from 'zod';

const port = z.number().int().min(1).max(65_535);

export const daemonFileSchema = z.strictObject({ port, token: z.string() });
export type DaemonFile = z.output<typeof daemonFileSchema>;

const shape = z.strictObject({
  /** one way, milliseconds */
  delayMs: z.number().min(0).max(60_000).default(0),
  /** megabits per second each way, null: unlimited */
  mbit: z.number().positive().nullable().default(null),
  jitterMs: z.number().min(0).max(60_000).default(0),
});

export const commandSchema = z.discriminatedUnion('do', [
  /** makes the link, or sends its new connections to another target; of several each in turn */
  z.strictObject({ do: z.literal('open'), link: z.string(), targetPort: port, moreTargets: z.array(port).optional() }),
  z.strictObject({ do: z.literal('close'), link: z.string() }),
  z.strictObject({ do: z.literal('cut'), link: z.string() }),
  /** one direction, or both */
  z.strictObject({ do: z.literal('silence'), link: z.string(), direction: z.enum(['up', 'down']).optional() }),
  /** ends cut or silence; on a link that is open it takes the shape away */
  z.strictObject({ do: z.literal('restore'), link: z.string() }),
  z.strictObject({ do: z.literal('shape'), link: z.string(), shape }),
]);
export type DaemonCommand = z.input<typeof commandSchema>;

export const linkStatsSchema = z.strictObject({
  link: z.string(),
  port,
  targetPort: port,
  flow: z.enum(['open', 'cut', 'silent']),
  shape,
  connections: z.number().int(),
  /** bytes handed on since the lab's start; up: from the end that dials */
  bytes: z.strictObject({ up: z.number(), down: z.number() }),
});
export type LinkStats = z.output<typeof linkStatsSchema>;

/** A tap's stream: per piece one byte (0 up, 1 down), four bytes of length, big-endian, then the bytes. */
export const tapHeadBytes = 5;

/** What operators and sites say to each other about dead letters. Nothing of a message but its place, times and size. */
import { z } from 'zod';

const id = z.uuid();
const name = z.string().max(64);
const sequence = z.number().int().positive();

/** list: a page of them · retry: to the group's consumers once more · purge: deleted for good */
const taskSchema = z.strictObject({
  action: z.enum(['list', 'retry', 'purge']),
  /** in the dead-letter stream of one site; null: all */
  seqs: z.array(sequence).max(1_000).nullable(),
  /** list: behind this sequence, at most so many */
  after: z.number().int().nonnegative(),
  limit: z.number().int().min(1).max(1_000),
});

const rowSchema = z.strictObject({
  seq: sequence,
  reason: z.string().max(64),
  /** terminal and sequence where it was published; null where that is not known */
  originId: z.string().max(64).nullable(),
  originSeq: z.number().nullable(),
  /** RFC 3339 */
  publishedAt: z.string().max(64),
  diedAt: z.string().max(64),
  deliveries: z.number(),
  /** bytes of headers and payload */
  size: z.number(),
});

export const letterAnswerSchema = z.strictObject({
  rows: z.array(rowSchema).max(1_000),
  /** retried or purged */
  done: z.number().int(),
  /** why it was not done, empty when it was */
  error: z.string().max(512),
});

/** A task as a site is given it. */
export const letterTaskSchema = z.strictObject({ taskId: id, terminalId: id, groupId: id, ...taskSchema.shape });

export const letterMethods = {
  /** asks the customer's sites, or one of them, about a group's dead letters */
  'letters.start': {
    caller: 'admin',
    request: z.strictObject({ customer: name, topic: name, group: name, site: name.nullable(), ...taskSchema.shape }),
    response: z.strictObject({ taskIds: z.array(id) }),
  },
  /** what has been answered so far; `answer` null where it has not */
  'letters.get': {
    caller: 'admin',
    request: z.strictObject({ taskIds: z.array(id).max(1_000) }),
    response: z.strictObject({
      sites: z.array(z.strictObject({ site: z.string(), answer: letterAnswerSchema.nullable() })),
      names: z.record(z.string(), z.string()),
    }),
  },
  'letters.answer': {
    caller: 'site',
    request: z.strictObject({ taskId: id, answer: letterAnswerSchema }),
    response: z.strictObject({ isAsked: z.boolean() }),
  },
} as const;

export type LetterTask = z.output<typeof letterTaskSchema>;
export type LetterAnswer = z.output<typeof letterAnswerSchema>;

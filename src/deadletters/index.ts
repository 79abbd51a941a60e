/** Dead letters: messages that found their end, kept per group until somebody reads, retries or purges them. */
export { DeadLetters, type Selection, type Tally } from './dead-letters.ts';
export { type DeadGroup, ensureDeadStream, incarnationOf } from './dead-stream.ts';
export type { LimitedGroup } from './delivery-limit.ts';
export type { DeathReason, LetterRow } from './letter.ts';
export { readLetter } from './read.ts';

/**
 * What a move must not forget, kept in the metadata of the group's durable: it lives and dies with the stream whose
 * sequences it names. Written before the step it announces.
 *
 * The incarnation is the identity of this stream as an origin: made once, so a message moved again after any crash is
 * known where it arrived before.
 */
import { randomBytes } from 'node:crypto';
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { BusError } from '../errors.ts';
import { natsCall } from '../nats/index.ts';

/** A move that has begun. */
export interface OpenMove {
  targetId: string;
  /** what was delivered when the durable was paused may still be with a consumer; null: not yet known */
  deliveredUpTo: number | null;
  /** sequences that may be at the target and are here until its receipt is back */
  sent: Span | null;
  /** all that was here of these sequences has moved: the server may have brought some of it back */
  moved: Span | null;
}

export interface Span {
  first: number;
  last: number;
}

export interface MoveState {
  /** 32 hex digits */
  incarnation: string;
  move: OpenMove | null;
}

const key = 'mb_move';
const incarnationPattern = /^[0-9a-f]{32}$/;

export function readMoveState({ config, name, stream_name: stream }: ConsumerInfo): MoveState {
  const text = config.metadata?.[key];
  if (text === undefined) return { incarnation: randomBytes(16).toString('hex'), move: null };
  const state = parse(text);
  if (state !== null) return state;
  throw new BusError('E_MOVE_STATE', `what ${stream} keeps of its move in ${name} cannot be read`);
}

function parse(text: string): MoveState | null {
  try {
    const state = JSON.parse(text) as MoveState;
    if (!incarnationPattern.test(state.incarnation)) return null;
    // a state of before this was kept has no `moved`
    return state.move === null ? state : { ...state, move: { ...state.move, moved: state.move.moved ?? null } };
  } catch {
    return null;
  }
}

/** One span of both where they meet, the newer one where they do not. */
export function joined(older: Span | null, newer: Span): Span {
  if (older === null || newer.first > older.last + 1 || newer.last < older.first - 1) return newer;
  return { first: Math.min(older.first, newer.first), last: Math.max(older.last, newer.last) };
}

/** Stored when this resolves. One writer of a durable's configuration at a time: see GroupKeeper.exclusively. */
export async function saveMoveState(
  jsm: JetStreamManager,
  place: { stream: string; durable: string },
  state: MoveState,
): Promise<void> {
  const { stream, durable } = place;
  await natsCall(`state of ${stream}`, () =>
    jsm.consumers.update(stream, durable, { metadata: { [key]: JSON.stringify(state) } }),
  );
}

/**
 * Where a flow's marker is kept in a group stream: two subjects, written in turns, so the marker before the last one stays
 * until the next is stored. A disk that fills up in the middle of a batch can cost nats-server the newest marker together
 * with the one it rolled up; what stands under the other subject still tells all but the last batch.
 *
 * A marker takes the place of the older one and expects to find just that: of two writers that have seen the same, the
 * second is refused.
 */
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { decodeMarker, encodeMarker, type Flow, RangeSet } from '../envelope/index.ts';
import { natsCall, orNull } from '../nats/index.ts';
import type { BatchMessage } from './atomic-batch.ts';
import type { ArrivalPlace } from './group-stream.ts';

/** JetStream: no message found */
const noMessage = 10037;

/** What a marker says. */
export interface MarkerState {
  /** the origin's, as signed */
  floor: number;
  received: RangeSet;
  /** of these, what this disk does not hold any more */
  lost: RangeSet;
}

export interface StoredMarker extends MarkerState {
  /** stream sequence; 0: the flow has no marker yet */
  seq: number;
  subject: string;
  /** whose place the next one takes; sequence 0: free */
  older: { seq: number; subject: string };
}

export interface MarkerPlace {
  jsm: JetStreamManager;
  stream: ArrivalPlace;
  flow: Flow;
  macKey: Uint8Array;
}

export class MarkerStore {
  readonly #place: MarkerPlace;
  readonly #subjects: readonly [string, string];

  constructor(place: MarkerPlace) {
    this.#place = place;
    const { stream, flow } = place;
    const subject = `${stream.markerPrefix}${flow.originId.replaceAll('-', '')}-${flow.incarnation}`;
    this.#subjects = [subject, `${subject}-2`];
  }

  /** The newer of the two. E_NATS E_MARKER_BAD */
  async read(): Promise<StoredMarker> {
    const [first, second] = this.#subjects;
    const [a, b] = await Promise.all([this.#last(first), this.#last(second)]);
    const places = [
      { subject: first, seq: a?.seq ?? 0, message: a },
      { subject: second, seq: b?.seq ?? 0, message: b },
    ].sort((x, y) => y.seq - x.seq);
    const [{ message, ...newer }, { message: _, ...older }] = places as [(typeof places)[0], (typeof places)[0]];
    if (message === null) return { ...newer, older, floor: 0, received: new RangeSet(), lost: new RangeSet() };
    const { floor, received, lost } = decodeMarker(message.data, this.#place.macKey, this.#place.stream.name);
    return { ...newer, older, floor, received, lost };
  }

  /** The last message of a batch: what is stored once the batch is. */
  message({ older }: StoredMarker, state: MarkerState): BatchMessage {
    const { flow, macKey, stream } = this.#place;
    return {
      subject: older.subject,
      headerLines: `Nats-Rollup: sub\r\nNats-Expected-Last-Subject-Sequence: ${older.seq}\r\n`,
      payload: encodeMarker({ flow, ...state }, macKey, stream.name),
    };
  }

  /** The batch was stored, its last message as `seq`. */
  stored({ subject, seq: before, older }: StoredMarker, state: MarkerState, seq: number): StoredMarker {
    return { ...state, subject: older.subject, seq, older: { subject, seq: before } };
  }

  #last(subject: string): Promise<StoredMsg | null> {
    const { jsm, stream } = this.#place;
    const get = (): Promise<StoredMsg | null> => jsm.streams.getMessage(stream.name, { last_by_subj: subject });
    return orNull(natsCall(`marker in ${stream.name}`, get), noMessage);
  }
}

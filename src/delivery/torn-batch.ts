/**
 * What a batch left that a full disk cut short: nats-server stores its messages one after the other and its marker last,
 * and a write that fails in between leaves the messages before it. They lie behind the flow's marker, near the stream's end.
 */
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { Flow } from '../envelope/index.ts';
import { natsCall } from '../nats/index.ts';

/** a batch of each of a few flows: nothing is stored any more after the write that failed */
const tailMessages = 4_000;
const pageMessages = 500;
/** status of a direct get that finds nothing */
const notFound = 404;

/** Sequences of the flow that are stored behind its marker, at most so many messages from the stream's end. E_NATS */
export async function storedBehind(
  jsm: JetStreamManager,
  stream: string,
  { originId }: Flow,
  markerSeq: number,
): Promise<number[]> {
  const { state } = await natsCall(`stream ${stream}`, () => jsm.streams.info(stream));
  const from = Math.max(markerSeq + 1, state.first_seq, state.last_seq - tailMessages + 1);
  const found: number[] = [];
  for (let next: number | null = from; next !== null && next <= state.last_seq; ) {
    const page: StoredMsg[] = await pageFrom(jsm, stream, next);
    for (const { header } of page) {
      const [origin, seq] = header.get('Mb-Origin').split(' ');
      if (origin === originId) found.push(Number(seq));
    }
    const last: StoredMsg | undefined = page.at(-1);
    next = last === undefined ? null : last.seq + 1;
  }
  return found;
}

/** Empty where nothing follows. */
function pageFrom(jsm: JetStreamManager, stream: string, seq: number): Promise<StoredMsg[]> {
  return natsCall(`messages of ${stream}`, async () => {
    const page: StoredMsg[] = [];
    try {
      for await (const message of await jsm.direct.getBatch(stream, { seq, batch: pageMessages })) page.push(message);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === notFound)) throw error;
    }
    return page;
  });
}

/**
 * The format that this terminal writes, and who does not read it: agreed anew whenever it is asked for, from the snapshot's
 * word on each terminal's site and, where a neighbour's hello says it, from that, which is newer.
 */
import type { SnapshotCustomer } from '../api/snapshot.ts';
import { agreedFormat, FORMATS, type FormatRange, formatsText, reads } from '../envelope/index.ts';
import type { LinkSession } from '../transit/index.ts';

type SnapshotTerminal = SnapshotCustomer['terminals'][number];

export class Formats {
  readonly #customer: () => SnapshotCustomer;
  readonly #sessions: ReadonlyMap<string, Pick<LinkSession, 'peer' | 'peerFormats'>>;

  constructor(
    customer: () => SnapshotCustomer,
    sessions: ReadonlyMap<string, Pick<LinkSession, 'peer' | 'peerFormats'>>,
  ) {
    this.#customer = customer;
    this.#sessions = sessions;
  }

  /** What is written now: envelopes, receipts, records. */
  get agreed(): number {
    const { terminals, terminalId } = this.#customer();
    const heard = this.#heard();
    const others = terminals.filter((each) => each.id !== terminalId && isPresent(each));
    return agreedFormat(others.map((each) => rangeOf(each, heard)));
  }

  /** Why that terminal gets nothing; empty when it reads what is written. */
  reasonNot(terminalId: string | null): string {
    const terminal = this.#customer().terminals.find(({ id }) => id === terminalId);
    if (terminal === undefined) return '';
    const { agreed } = this;
    const range = rangeOf(terminal, this.#heard());
    if (reads(range, agreed)) return '';
    return `E_VERSION_APART: ${terminal.site} reads ${formatsText(range)}, this site writes format ${agreed} and reads ${formatsText(FORMATS)}`;
  }

  /** By site, what neighbours say of themselves. */
  #heard(): ReadonlyMap<string, FormatRange> {
    return new Map(
      [...this.#sessions.values()].flatMap(({ peer, peerFormats }) =>
        peerFormats === undefined ? [] : [[peer, peerFormats] as const],
      ),
    );
  }
}

function rangeOf({ siteId, formats }: SnapshotTerminal, heard: ReadonlyMap<string, FormatRange>): FormatRange {
  return heard.get(siteId) ?? formats;
}

/** One that is given up, or let in no more, holds nobody back. */
function isPresent({ signKey, isForgotten, isRevoked }: SnapshotTerminal): boolean {
  return signKey !== null && !isForgotten && !isRevoked;
}

/**
 * What this terminal had receipted and does not know any more: its disk was put back to an older copy, or made anew. The
 * origin has let go of these messages on the word of the receipts, so they are told by range, for ever: in the log when
 * they are found, in status and in a metric; consumers may have had them before the disk went back.
 */
import type { Loss } from '../delivery/index.ts';
import { flowKey, type RangeSet } from '../envelope/index.ts';
import type { Logger } from '../log.ts';
import type { Names } from './names.ts';

export interface LossesOptions {
  names: Names;
  /** told of sequences when they are found to be lost */
  count: (groupId: string, sequences: number) => void;
  log: Logger;
}

const maxRangesTold = 8;

export class Losses {
  readonly #options: LossesOptions;
  readonly #known = new Map<string, { loss: Loss; sequences: number }>();

  constructor(options: LossesOptions) {
    this.#options = options;
  }

  note(loss: Loss): void {
    const { names, count, log } = this.#options;
    const { flow, groupId, lost, isNews } = loss;
    const key = `${flowKey(flow)} ${groupId}`;
    const sequences = sizeOf(lost);
    const before = this.#known.get(key)?.sequences ?? 0;
    this.#known.set(key, { loss: { ...loss, lost: lost.clone() }, sequences });
    if (!isNews) return;
    count(groupId, sequences - before);
    const fields = { group: groupText(names, groupId), origin: names.site(flow.originId), lost: rangesText(lost) };
    log.error(
      { event: 'delivery.rolled-back', ...fields },
      'the disk is older than the receipts given: messages are gone',
    );
  }

  /** A line for each flow and group. */
  texts(): string[] {
    const { names } = this.#options;
    return [...this.#known.values()].map(({ loss: { flow, groupId, lost }, sequences }) => {
      const from = `${groupText(names, groupId)} from ${names.site(flow.originId)}`;
      return `${from}: ${sequences} sequences were receipted here and are not on this disk: ${rangesText(lost)}`;
    });
  }
}

function rangesOf(lost: RangeSet): (readonly [first: number, last: number])[] {
  return [...(lost.mark > 0 ? [[1, lost.mark] as const] : []), ...lost.ranges];
}

function sizeOf(lost: RangeSet): number {
  return rangesOf(lost).reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

function rangesText(lost: RangeSet): string {
  const ranges = rangesOf(lost);
  const told = ranges
    .slice(0, maxRangesTold)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return ranges.length > maxRangesTold
    ? `${told.join(', ')} and ${ranges.length - maxRangesTold} more`
    : told.join(', ');
}

function groupText(names: Names, groupId: string): string {
  const { topic, group } = names.group(groupId);
  return `${topic}@${group}`;
}

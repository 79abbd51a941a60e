/**
 * A duty: what a cursor owes one group, and over which capture sequences. Kept in the cursor's durable, beside its position.
 */

/** What a cursor owes one group: the capture sequences from..until (null: without end) go to that terminal. */
export interface Duty {
  groupId: string;
  terminalId: string;
  from: number;
  until: number | null;
  /** each sequence from here to the floor was receipted by that very terminal: one that lacks it now has lost it; 0: not known */
  since: number;
}

/** Whether any of first..last is the duty's; shipments never straddle the ends of a duty. */
export function isDue(duty: Duty, first: number, last: number): boolean {
  return duty.from <= last && (duty.until === null || duty.until >= first);
}

/** The last sequence that may travel together with `first`: where no duty begins or ends in between. */
export function boundaryAfter(duties: readonly Duty[], first: number): number {
  let boundary = Number.MAX_SAFE_INTEGER;
  for (const { from, until } of duties) {
    if (from > first) boundary = Math.min(boundary, from - 1);
    if (until !== null && until >= first) boundary = Math.min(boundary, until);
  }
  return boundary;
}

/** Of some duties those to the terminal of the first: they go together. */
export function firstTerminalOf(duties: readonly Duty[]): Duty[] {
  return duties.filter(({ terminalId }) => terminalId === duties[0]?.terminalId);
}

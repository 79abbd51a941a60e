/** How far a group is with a capture stream, over all the cursors that serve it. */
import type { Cursor } from './cursor.ts';

export interface GroupProgress {
  /** capture sequences up to here are receipted for the group */
  floor: number;
  terminalId: string | null;
  /** sent to a terminal and not receipted by it, sequences at most */
  awaited: { terminalId: string; messages: number }[];
  /** why it waits, empty when it does not */
  reason: string;
}

export function progressOf(groupId: string, cursors: Iterable<Cursor>): GroupProgress {
  let floor = Number.MAX_SAFE_INTEGER;
  let terminalId: string | null = null;
  const awaited: GroupProgress['awaited'] = [];
  const reasons = new Set<string>();
  for (const cursor of cursors) {
    const duty = cursor.duties.find((each) => each.groupId === groupId);
    if (duty === undefined) continue;
    floor = Math.min(floor, cursor.groupFloor(groupId));
    if (duty.until === null) terminalId = duty.terminalId;
    const messages = Math.min(cursor.sentUpTo, duty.until ?? cursor.sentUpTo) - cursor.groupFloor(groupId);
    if (messages > 0) awaited.push({ terminalId: duty.terminalId, messages });
    if (cursor.reason !== '') reasons.add(cursor.reason);
  }
  return { floor: floor === Number.MAX_SAFE_INTEGER ? 0 : floor, terminalId, awaited, reason: [...reasons].join('; ') };
}

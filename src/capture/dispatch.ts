/**
 * A run of captured messages on its way out: what can be delivered is shipped, what cannot goes to the dead letters. The
 * cursor counts a run as done for a duty when its receipt is back, or at once when nothing of it had to travel.
 */
import type { Duty } from './duty.ts';
import type { Shipment, ShipProgress, Shipper } from './shipper.ts';

export interface DispatchOptions {
  shipper: Shipper;
  /** resolves once stored state allows for sending up to `last` */
  cover: (last: number) => Promise<void>;
  /** resolves once it is stored that the groups' terminals were never sent what ends here */
  noteUnsent: (groupIds: readonly string[], last: number) => Promise<void>;
  /** up to where everything is receipted for all of the duties */
  floorFor: (duties: readonly Duty[]) => number;
  /** how a group's terminal said that it knows the group no more */
  goneReason: (groupId: string) => string | undefined;
  isReceipted: (duty: Duty, seq: number) => boolean;
}

export interface Run extends Pick<Shipment, 'first' | 'last' | 'messages'> {
  duties: readonly Duty[];
}

/** Resolves with the duties for which nothing travels, once all others are stored at their next hops. */
export async function dispatch(options: DispatchOptions, run: Run, progress: ShipProgress): Promise<readonly Duty[]> {
  const { shipper, cover, noteUnsent, floorFor, goneReason, isReceipted } = options;
  const { first, last, duties } = run;
  const runFor = (some: readonly Duty[]): Omit<Shipment, 'messages'> => ({
    first,
    last,
    floor: floorFor(some),
    duties: some,
  });
  const gone: Duty[] = [];
  for (const duty of duties) {
    if (goneReason(duty.groupId) === undefined) continue;
    const missing = run.messages.filter(({ seq }) => !isReceipted(duty, seq));
    await shipper.park({ ...runFor([duty]), messages: missing }, 'gone');
    gone.push(duty);
  }
  const open = duties.filter((duty) => !gone.includes(duty));
  const odd = open.length === 0 ? [] : run.messages.filter((message) => !shipper.isCarriable(message));
  if (odd.length > 0) await shipper.park({ ...runFor(open), messages: odd }, 'subject');
  const messages = open.length === 0 ? [] : without(run.messages, odd);
  if (messages.length === 0) {
    if (open.length > 0) await noteUnsent(groupsOf(open), last);
    return duties;
  }
  await cover(last);
  await shipper.ship({ ...runFor(open), messages }, progress);
  return gone;
}

function without<T>(all: readonly T[], some: readonly T[]): readonly T[] {
  return some.length === 0 ? all : all.filter((each) => !some.includes(each));
}

function groupsOf(duties: readonly Duty[]): string[] {
  return duties.map(({ groupId }) => groupId);
}

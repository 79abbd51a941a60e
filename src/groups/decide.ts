/**
 * Whether a group's backlog at this terminal should move, and where to. Pure.
 *
 * It moves when the group has no terminal here any more, when the terminal drains, or when its consumers here are gone
 * for the group's `failoverAfterMs` while another terminal has some. It never moves to a terminal that drains or that no
 * path leads to, and it moves back only for one of these reasons, so two idle terminals do not pass it to and fro.
 */

/** Another terminal of the group, as this one sees it. */
export interface Candidate {
  terminalId: string;
  isReachable: boolean;
  isDraining: boolean;
  /** live consumers there as it last said, 0 when it never did */
  consumers: number;
  /** messages that wait there */
  waiting: number;
  /** of the path there */
  cost: number;
}

export interface GroupFacts {
  /** the group is not served here any more */
  isLeftOver: boolean;
  /** this terminal drains */
  isDraining: boolean;
  /** messages here, delivered and unacknowledged ones included */
  backlog: number;
  /** since a consumer here gave a sign of life */
  idleMs: number;
  failoverAfterMs: number;
  policy: 'nearest' | 'spread' | 'ordered';
  /** where it moves already */
  targetId: string | null;
  /** the group's other terminals in their declared order */
  others: readonly Candidate[];
}

export type MoveReason = 'left-over' | 'drain' | 'consumers gone';

export interface MoveWish {
  reason: MoveReason;
  targetId: string;
}

/** Null: what is here stays here. */
export function decideMove(facts: GroupFacts): MoveWish | null {
  const open = facts.others.filter((other) => other.isReachable && !other.isDraining);
  const served = open.filter((other) => other.consumers > 0);
  const mustLeave = facts.isLeftOver || facts.isDraining;
  const isIdle = facts.idleMs >= facts.failoverAfterMs && facts.backlog > 0;
  if (!mustLeave && !isIdle) return null;
  const targetId = pick(mustLeave && served.length === 0 ? open : served, facts);
  if (targetId === undefined) return null;
  if (facts.isLeftOver) return { reason: 'left-over', targetId };
  return { reason: facts.isDraining ? 'drain' : 'consumers gone', targetId };
}

/** Stays with the terminal it moves to already; otherwise by the group's policy. */
function pick(candidates: readonly Candidate[], { policy, targetId }: GroupFacts): string | undefined {
  if (candidates.some((each) => each.terminalId === targetId)) return targetId ?? undefined;
  if (policy === 'ordered') return candidates[0]?.terminalId;
  const share = ({ waiting, consumers }: Candidate): number => waiting / Math.max(1, consumers);
  const by = policy === 'spread' ? share : ({ cost }: Candidate): number => cost;
  return [...candidates].sort((a, b) => by(a) - by(b) || a.cost - b.cost)[0]?.terminalId;
}

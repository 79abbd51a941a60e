/**
 * One attack: an attempt against a living lab and what came back. `held` is the defence's own verdict; the runner adds the
 * victim's traffic. Cases that nothing tries yet are named too and count as not held.
 */
import type { DefenceName } from './without.ts';
import type { World } from './world.ts';

export interface Outcome {
  isHeld: boolean;
  /** what came back, one line */
  answer: string;
}

export interface Attack {
  id: string;
  attempt: string;
  /** taken out by `--without`, one at a time, and the case must then be broken; or why no build without it can be made */
  defence: DefenceName | readonly DefenceName[] | { note: string };
  /** absent: not tried yet */
  run?: (world: World) => Promise<Outcome>;
}

/** The defences that a case leans on, and can be tried without. */
export function defencesOf({ defence }: Attack): readonly DefenceName[] {
  if (typeof defence === 'string') return [defence];
  return 'note' in defence ? [] : defence;
}

/** Held when every line of `problems` stayed away; `answer` says what came back instead. */
export function verdict(problems: readonly string[], answer: string): Outcome {
  return problems.length === 0 ? { isHeld: true, answer } : { isHeld: false, answer: problems.slice(0, 3).join('; ') };
}

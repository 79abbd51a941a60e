/** What became of the frames of one target: each sent one ends in exactly one of the columns. */
export interface Tally {
  target: string;
  sent: number;
  /** by the endpoint's own words: an error code, or what a link answers */
  refused: Record<string, number>;
  /** taken, and proven to say the same as a real one: only what no signature covers was changed */
  same: number;
  /** no answer within the time a real one has */
  unanswered: number;
  /** taken, and not proven the same; or answered by an error that says the endpoint itself failed */
  findings: string[];
}

const maxFindings = 20;

export function newTally(target: string): Tally {
  return { target, sent: 0, refused: {}, same: 0, unanswered: 0, findings: [] };
}

export function countRefused(tally: Tally, code: string, frames = 1): void {
  tally.refused[code] = (tally.refused[code] ?? 0) + frames;
}

export function refusedOf({ refused }: Tally): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0);
}

export function noteFinding(tally: Tally, text: string): void {
  if (tally.findings.length < maxFindings) tally.findings.push(text);
}

/** Runs `one` so often, so many at a time. */
export async function inWindow(count: number, width: number, one: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
}

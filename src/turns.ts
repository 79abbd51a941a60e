/** Work that runs one piece after the other, in the order it came; a piece that fails holds back none. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

export function inTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const run = last.then(work);
    last = run.catch(() => undefined);
    return run;
  };
}

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

/** The same for each of many things apart, for as long as the thing is there. */
export function inTurnsOf<K extends object>(): <T>(key: K, work: () => Promise<T>) => Promise<T> {
  const all = new WeakMap<K, Turns>();
  return (key, work) => {
    const turns = all.get(key) ?? inTurns();
    all.set(key, turns);
    return turns(work);
  };
}

/** Runs `work` in the event loop's next turn, once for all calls until then. */
export function soon(work: () => void): () => void {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    setImmediate(() => {
      isQueued = false;
      work();
    });
  };
}

/** Several things started at once: the first failure aborts the rest, and none is left running behind it. */

/** A controller that `outer` aborts too. */
export function linkedAbort(outer: AbortSignal | undefined): AbortController {
  const abort = new AbortController();
  if (outer?.aborted) abort.abort(outer.reason);
  outer?.addEventListener('abort', () => abort.abort(outer.reason), { once: true, signal: abort.signal });
  return abort;
}

/** Waits for all; when one fails, aborts the others, waits until they have ended too, and throws the first reason. */
export async function together<T>(abort: AbortController, works: Promise<T>[]): Promise<T[]> {
  const failed = (error: unknown): never => {
    abort.abort(error);
    throw error;
  };
  await Promise.allSettled(works.map((work) => work.catch(failed)));
  abort.signal.throwIfAborted();
  return Promise.all(works);
}

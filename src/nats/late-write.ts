/**
 * An error of the NATS client that reaches nobody: it writes to a socket that has ended a moment before, as when
 * nats-server is killed, and the socket's listeners may be gone when it says so. The connection is made anew all the same.
 */

/** Whether an uncaught error, or what was told of it in another process, is such a write. */
export function isLateWrite(error: unknown): boolean {
  const { code, stack } = (error ?? {}) as { code?: unknown; stack?: unknown };
  return code === 'ERR_STREAM_WRITE_AFTER_END' && String(stack).includes('NodeTransport');
}
